"""
Where will it plateau?
======================

A fit gives the plateau with its interval, and says whether the fit itself can be trusted.
"""

import bayes_grpo

run = bayes_grpo.example_run()  # of a run of yours: bayes_grpo.read_run("path/to/trl_output")
fit = bayes_grpo.fit(run, seed=0)
summary = bayes_grpo.summarise(fit)

plateau = summary["parameters"]["plateau"]
print(
    f"The reward settles at {plateau['median']:.2f} (90 % interval {plateau['lower']:.2f} to {plateau['upper']:.2f})."
)
print("converged:", summary["converged"])

# %%
# The dots are logged rewards. Blue is the expected reward behind them, orange the plateau, shaded are 90 % intervals.
# Below are posteriors, and dotted the priors: where a posterior is as wide as its prior, the log says little.

figure = bayes_grpo.plot_fit(fit)

# %%
# What it does not mean
# ---------------------
#
# The plateau is where this law goes if training goes on as it did: same data, same reward, same settings. The curve
# looks flat, and yet the interval reaches further up, because prompts that are still to be learned would show only
# later. The task of this run has a ceiling of 0.85, which the law was not told.
#
# On the command line: ``bayes-grpo fit RUN``. More: :doc:`/s_curve`, :doc:`/model`.
