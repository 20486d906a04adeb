"""
Which checkpoint do I keep?
===========================

The probability that each saved step is the peak, and which to evaluate next where evaluations are dear.
"""

import bayes_grpo

run = bayes_grpo.example_run()
fit = bayes_grpo.fit(run, seed=0)
result = bayes_grpo.checkpoint(run, every=50, evaluate=2, fit=fit)
print(bayes_grpo.summarise_checkpoint(result)["statement"])

# %%

figure = bayes_grpo.plot_checkpoint(result)

# %%
# Evaluations come in, and the answer goes on from there. These two values stand for evaluations of yours.

first, second = (float(step) for step in result["next_step"])
evaluated = bayes_grpo.checkpoint(run, every=50, evaluated={first: 0.80, second: 0.78}, noise=0.02, fit=fit)
print(bayes_grpo.summarise_checkpoint(evaluated)["statement"])

# %%
# What it does not mean
# ---------------------
#
# Without an evaluation curve in the log it is about the *training* reward, and about how evaluations drifted from that
# in public runs that logged both. On the command line: ``bayes-grpo checkpoint RUN --every 50 --evaluate 2``. More:
# :doc:`/decisions`.
