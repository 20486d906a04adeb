"""From runs to their configuration: the spread between seeds, and what it leaves of what is known.

A run i of a configuration has the value ``theta_i ~ Normal(mu, tau)`` of a measure, and its fit says ``theta_i`` with a
standard deviation ``s_i``. All configurations share tau, whose prior is log-normal. Given tau, mu is the mean of the
runs' draws, each with the spread between seeds added, under the weights ``1 / (s_i^2 + tau^2)``: for Gaussian
posteriors this is exact under a flat prior of mu, and others keep their shape (Gelman et al. 2013, Bayesian Data
Analysis, 5.4).

Each fit holds the same prior. Of several runs it would be counted several times, and short runs would agree on what
none of them shows. So it is divided out of each fit, in its Gaussian approximation, and counted once.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

_GRID = np.geomspace(1e-2, 1e2, 161)


class Spread(NamedTuple):
    """Draws of the spread between seeds, and whether the runs say anything about it."""

    draws: np.ndarray
    learned: bool


class Prior(NamedTuple):
    """Centre and standard deviation of what a fit took a measure to be before any reward."""

    centre: float
    sd: float


#: The prior of measures that the rewards alone tell.
FLAT = Prior(0.0, float("inf"))
#: What a run alone says has at least this share of its fit's precision: where a skewed fit is as wide as its prior, the
#: Gaussian approximation would else move it without bound.
_LEAST_SHARE = 0.1


def without_prior(draws: np.ndarray, prior: Prior) -> tuple[float, float]:
    """Centre and variance of what a run alone says, from draws of its fit."""
    centre, variance = float(np.median(draws)), max(float(draws.var()), 1e-18)
    precision = max(1 / variance - prior.sd**-2, _LEAST_SHARE / variance)
    taken_out = 1 / variance - precision
    return (centre / variance - prior.centre * taken_out) / precision, 1 / precision


def spread_between_seeds(
    sides: Sequence[Sequence[np.ndarray]],
    median: float,
    log_sd: float,
    rng: np.random.Generator,
    priors: Sequence[Prior] = (),
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
    priors : sequence of Prior
        Of the measure, as the fits of each configuration took it; flat where there are none.
    """
    tau = median * _GRID
    log = -0.5 * (np.log(_GRID) / log_sd) ** 2
    learned = False
    for runs, prior in zip(sides, priors or [FLAT] * len(sides), strict=True):
        if len(runs) < 2:
            continue
        learned = True
        centre, alone = (np.array(part) for part in zip(*(without_prior(draws, prior) for draws in runs), strict=True))
        variance = alone + tau[:, None] ** 2
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


def configuration(
    runs: Sequence[np.ndarray], tau: np.ndarray, rng: np.random.Generator, prior: Prior = FLAT
) -> np.ndarray:
    """Draws of a configuration's mean from draws of its runs, each of shape (sample,), and of tau."""
    variance = np.array([draws.var() for draws in runs])[:, None] + tau**2
    weight = 1 / variance
    shifted = np.stack(list(runs)) + tau * rng.standard_normal((len(runs), tau.size))
    mean: np.ndarray = (weight * shifted).sum(0) / weight.sum(0)
    if len(runs) == 1 or np.isinf(prior.sd):
        return mean
    centres = np.array([np.median(draws) for draws in runs])[:, None]
    centre, width = (weight * centres).sum(0) / weight.sum(0), weight.sum(0) ** -0.5
    alone, spread = (
        np.array(part)[:, None] for part in zip(*(without_prior(draws, prior) for draws in runs), strict=True)
    )
    own = 1 / (spread + tau**2)
    precision = own.sum(0) + prior.sd**-2
    once = ((own * alone).sum(0) + prior.centre * prior.sd**-2) / precision
    moved: np.ndarray = once + (mean - centre) * precision**-0.5 / width
    return moved
