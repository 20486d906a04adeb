"""Adaptive importance sampling: posterior draws of one run in a fraction of a second, with diagnostics of their own.

In: the density of a model at many points in one call. Out: weighted draws, equal-weight draws, and whether they may be
believed.
"""
