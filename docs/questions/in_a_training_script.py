"""
In a training script
====================

Any loop can ask while it trains: rows in, forecast out, and the loop may end by what it says.
"""

import matplotlib.pyplot as plt

import bayes_grpo
from bayes_grpo.bandit import Bandit, simulate

# %%
# The trainer here is a simulation of 700 steps that hands out a row a step. From step 260 on, the rows so far are
# forecast to the planned end every 120 steps.

trained = simulate(Bandit(kl=0.3, prompts_per_step=16, learning_rate=0.02, steps=700), seeds=[0]).isel(run=0)
settings = {"planned_steps": 700, "reward_lower": 0, "reward_upper": 1, "group_size": 8, "prompts_per_step": 16}
rows = {"optimizer_step": [], "reward": []}
seen = []
for step in range(700):
    for name in rows:
        rows[name].append(float(trained[name][step]))
    if step + 1 in (260, 380):
        log = bayes_grpo.make_run("mine", rows, settings)
        forecast = bayes_grpo.summarise_forecast(bayes_grpo.forecast(log, until=700, seed=0))
        end, advice = {name: forecast["mean"][name][-1] for name in forecast["mean"]}, forecast["recommendation"]
        interval = f"{end['median']:.2f} ({end['lower']:.2f} to {end['upper']:.2f})"
        print(f"step {step + 1}: at step 700 the reward is {interval}; {advice['action']}")
        seen.append((step + 1, end))

# %%
# The forecasts of the end as they were made, over the log as it went on.

figure, axes = plt.subplots(figsize=(7, 3.5), layout="constrained")
axes.plot(trained["optimizer_step"], trained["reward"], ".", color="0.5", ms=3, label="logged reward")
at, ends = zip(*seen, strict=True)
middle = [end["median"] for end in ends]
reach = [[end["median"] - end["lower"] for end in ends], [end["upper"] - end["median"] for end in ends]]
axes.errorbar(at, middle, yerr=reach, fmt="s", capsize=4, label="forecast for step 700, 90 %")
axes.set(xlabel="optimizer step", ylabel="reward")
axes.legend(frameon=False)
plt.show()

# %%
# With TRL
# --------
#
# Two lines before ``trainer.train()`` do this beside the training, in a process of its own, so that no step waits:
#
# .. code-block:: python
#
#    from bayes_grpo.trl.forecaster import forecast
#
#    forecast(trainer, stop=False)
#
# The figures go to the tracker that the trainer uses. Beside any other trainer, ``bayes-grpo watch LOG`` follows the
# log as it grows. More: :doc:`/forecast`, :doc:`/trainers`.
