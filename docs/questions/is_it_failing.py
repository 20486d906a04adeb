"""
Is it failing?
==============

Probabilities of healthy training and of four failures, from all channels that were logged, and when it began.
"""

import numpy as np

import bayes_grpo

# %%
# A log in which the reward goes on rising while the reward on held-out prompts falls from step 120 on: reward hacking.

rng = np.random.default_rng(0)
step = np.arange(1, 201)
rise = 0.3 + 0.4 * (1 - np.exp(-step / 40))
evaluation = rise - 0.3 * (1 - np.exp(-np.clip(step - 120, 0, None) / 20))
columns = {
    "optimizer_step": step,
    "reward": rise + 0.03 * rng.standard_normal(step.size),
    "evaluation_reward": evaluation + 0.02 * rng.standard_normal(step.size),
    "entropy": 0.4 + 0.8 * np.exp(-step / 60) + 0.01 * rng.standard_normal(step.size),
}
run = bayes_grpo.make_run("hacked", columns, {"reward_lower": 0, "reward_upper": 1})

diagnosis = bayes_grpo.diagnose(run)
summary = bayes_grpo.summarise_diagnosis(diagnosis)
print(f"{summary['diagnosis']} with probability {summary['probabilities'][summary['diagnosis']]:.2f}")
print(f"It began near step {summary['onset_step']['median']:g}; the truth is 120.")

# %%
# Above, the probabilities as they were at each step, from the rows up to there alone; below, the channels.

figure = bayes_grpo.plot_diagnosis(diagnosis)

# %%
# A channel that is not logged cannot tell
# ----------------------------------------
#
# Without the evaluation this failure is not seen, and the answer says so: it moves to ``undetermined``.

without = bayes_grpo.diagnose(run.drop_vars("evaluation_reward"))
for name, probability in bayes_grpo.summarise_diagnosis(without)["probabilities"].items():
    print(f"{name:22s} {probability:.2f}")

# %%
# The run that comes with the package
# -----------------------------------
#
# Its entropy falls to its floor because the task is solved, and a log without evaluations cannot tell that from a
# policy that has concentrated too early. So it gets no clean bill of health, although nothing failed.

bundled = bayes_grpo.summarise_diagnosis(bayes_grpo.diagnose(bayes_grpo.example_run()))
for name, probability in bundled["probabilities"].items():
    print(f"{name:22s} {probability:.2f}")

# %%
# On the command line: ``bayes-grpo diagnose RUN``. The failures and the evidence for them: :doc:`/diagnosis`.
