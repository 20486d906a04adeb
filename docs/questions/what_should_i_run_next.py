"""
What should I run next?
=======================

Settings are compared before anything is trained, by the plateau and by the reward that a budget buys.
"""

import bayes_grpo

# %%
# The task is solved in 18 % of the first attempts. Which group size brings the most for 50,000 completions?

setting = bayes_grpo.PlannedRun(group_size=8, prompts_per_step=16, kl=0.04, steps=300)
result = bayes_grpo.plan(0.18, setting, vary=("group_size", [2, 4, 8, 16, 32]), completions=50_000)
summary = bayes_grpo.summarise_plan(result)
print(summary["statement"])

# %%

figure = bayes_grpo.plot_plan(result)

# %%
# Without earlier runs of the task, speed and gain are those of the population of runs, and the intervals are as wide.
# With fits of earlier runs they narrow: ``fits=[fit]`` takes them.

with_fits = bayes_grpo.plan(
    0.25,
    setting,
    vary=("group_size", [4, 8, 16]),
    completions=50_000,
    fits=[bayes_grpo.fit(bayes_grpo.example_run(), seed=0)],
)
print(bayes_grpo.summarise_plan(with_fits)["statement"])

# %%
# What it does not mean
# ---------------------
#
# No plan foretells a collapse, and runs of another algorithm are a poor guide: give fits of the algorithm that is
# planned. On the command line: ``bayes-grpo plan --start 0.18 --vary group_size=2,4,8,16,32 --completions 50000``.
# More: :doc:`/decisions`.
