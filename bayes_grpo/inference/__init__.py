"""Posterior distributions.

In: runs and a `bayes_grpo.models.spec.ModelSpec`. Out: an `xarray.DataTree` that ArviZ takes as it is, with everything
that is needed to reload and to reproduce it.
"""
