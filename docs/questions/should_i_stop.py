"""
Should I stop?
==============

The forecast of the rest, what it would bring, and a rule that says stop, go on, or that it cannot be told yet.
"""

import bayes_grpo

run = bayes_grpo.example_run()
ahead = bayes_grpo.forecast(run, until=800, seed=0)
summary = bayes_grpo.summarise_forecast(ahead)

gain, advice = summary["gain_per_100_steps"], summary["recommendation"]
print(f"Recommendation: {advice['action']}")
print(f"The rule: {advice['rule']}")
print(f"P(the next 100 steps bring more than {gain['epsilon']:g}) = {gain['probability_above_epsilon']:.2f}")
forgone = advice["gain_forgone_by_stopping_now"]
print(f"Stopping now forgoes {forgone['median']:.3f} (90 % interval {forgone['lower']:.3f} to {forgone['upper']:.3f})")

# %%
# Grey is where logged rewards are expected, blue the expected reward behind them; thin lines are single paths, each of
# which is a possible rest of this run.

figure = bayes_grpo.plot_forecast(ahead)

# %%
# Is a gain of 0.05 per 100 steps needed to pay for them? State what a gain is worth, and the rule follows.

advice = bayes_grpo.summarise_forecast(ahead, epsilon=0.05)["recommendation"]
print(advice["action"])

# %%
# What it does not mean
# ---------------------
#
# The bands hold no jumps and no collapses. How often those came in other runs is stated beside them:

for name in ("probability_jump", "probability_collapse"):
    print(f"{name} within 100 steps: {summary[name]:.2f}")

# %%
# On the command line: ``bayes-grpo forecast RUN --until 800``. How well it does: :doc:`/forecast`.
