"""
Which law holds?
================

Laws are compared by how well each predicts rewards that it was not given. A sentence says whether that tells them
apart.
"""

import bayes_grpo

run = bayes_grpo.example_run()
fits = {name: bayes_grpo.fit(run, name, seed=0) for name in ("s_curve", "oscillator")}
comparison = bayes_grpo.compare_fits(fits.values())
print(comparison.statement)

# %%
# ``elpd`` is the sum of log predictive densities (nat). Only differences mean something, next to their standard error.

comparison.table

# %%
# The linear law books the bend near step 170 as noise, and its plateau is less certain for it.

figure = bayes_grpo.plot_fit(fits["oscillator"])

# %%
# What it does not mean
# ---------------------
#
# The best of the laws that were named may be a bad one. And what describes a curve best need not forecast best:
# ``criterion="lfo"`` asks that. On the command line: ``bayes-grpo compare RUN --models s_curve,oscillator``. More:
# :doc:`/comparison`.
