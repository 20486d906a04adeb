"""
How stale may rollouts be?
==========================

The number of updates on one batch of rollouts at which training becomes unstable, with its interval.
"""

import bayes_grpo

# %%
# Whether a run is stable is a question for a law with inertia: the oscillator, in which stale rollouts erode the
# damping.

fit = bayes_grpo.fit(bayes_grpo.example_run(), "oscillator", seed=0)
found = bayes_grpo.threshold(fit, refresh_interval=8)
summary = bayes_grpo.summarise_threshold(found, fit)
print(f"P(8 updates on a batch are unstable by lag) = {summary['probability_beyond_threshold']:.3f}")
for name, row in summary["threshold"].items():
    print(f"{name:10s}", {key: None if value is None else round(value, 2) for key, value in row.items()})

# %%
# ``None`` stands for no bound: with ratios that correct enough of the lag, no number of updates is unstable. ``frozen``
# is the worst case, a gradient that is never recomputed.

figure = bayes_grpo.plot_threshold(found)

# %%
# What it does not mean
# ---------------------
#
# One run on fresh rollouts tells how stiff the dynamics are and nothing about the share of the lag that importance
# ratios leave. That share is drawn between 0 and 1, which is why the interval is wide. And lag is not what binds first:

for note in summary["warnings"]:
    print("-", note)

# %%
# On the command line: ``bayes-grpo threshold RUN --refresh-interval 8``. More: :doc:`/stability`.
