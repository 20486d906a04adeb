"""From runs to their configuration: the spread between seeds, and what it leaves of what is known.

A run i of a configuration has the value ``theta_i ~ Normal(mu, tau)`` of a measure, and its fit says ``theta_i`` with a
standard deviation ``s_i``. All configurations share tau, whose prior is log-normal. Given tau, mu is the mean of the
runs' draws, each with the spread between seeds added, under the weights ``1 / (s_i^2 + tau^2)``: for Gaussian posteriors
this is exact under a flat prior of mu, and others keep their shape (Gelman et al. 2013, Bayesian Data Analysis, 5.4).
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

_GRID = np.geomspace(1e-2, 1e2, 161)


class Spread(NamedTuple):
    """Draws of the spread between seeds, and whether the runs say anything about it."""

    draws: np.ndarray
    learned: bool


def spread_between_seeds(
    sides: Sequence[Sequence[np.ndarray]], median: float, log_sd: float, rng: np.random.Generator
) -> Spread:
    """Posterior draws of tau.

    Parameters
    ----------
    sides : sequence of sequence of numpy.ndarray
        For each configuration the draws (sample,) of each of its runs.
    median, log_sd : float
        Of the log-normal prior.
    rng : numpy.random.Generator
        Of the draws.
    """
    tau = median * _GRID
    log = -0.5 * (np.log(_GRID) / log_sd) ** 2
    learned = False
    for runs in sides:
        if len(runs) < 2:
            continue
        learned = True
        centre = np.array([np.median(draws) for draws in runs])
        variance = np.array([draws.var() for draws in runs]) + tau[:, None] ** 2
        weight = 1 / variance
        mean = (weight * centre).sum(1) / weight.sum(1)
        log -= 0.5 * (np.log(variance).sum(1) + (weight * (centre - mean[:, None]) ** 2).sum(1))
        log -= 0.5 * np.log(weight.sum(1))
    weight = np.exp(log - log.max())
    count = len(sides[0][0])
    cumulative = np.cumsum(weight) / weight.sum()
    # One uniform number in each of `count` equal parts: less noise than independent draws.
    uniform = (rng.permutation(count) + rng.uniform(size=count)) / count
    return Spread(np.exp(np.interp(uniform, cumulative, np.log(tau))), learned)


def configuration(runs: Sequence[np.ndarray], tau: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Draws of a configuration's mean from draws of its runs, each of shape (sample,), and of tau."""
    variance = np.array([draws.var() for draws in runs])[:, None] + tau**2
    weight = 1 / variance
    shifted = np.stack(list(runs)) + tau * rng.standard_normal((len(runs), tau.size))
    mean: np.ndarray = (weight * shifted).sum(0) / weight.sum(0)
    return mean
