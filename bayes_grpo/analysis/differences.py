"""When a difference between two laws' predictive densities counts as clear.

It is at least 4 nats and more than two standard errors, and there are at least 100 rewards: with fewer, the standard
error itself is not to be trusted (Sivula, Magnusson, Matamoros & Vehtari 2025, "Uncertainty in Bayesian leave-one-out
cross-validation based model comparison").
"""

from typing import NamedTuple

import numpy as np

LEAST_NATS = 4.0
STANDARD_ERRORS = 2.0
LEAST_REWARDS = 100
#: With this many runs or more, the scatter of the difference between runs is a second estimate of its error.
LEAST_RUNS = 5


class Scores(NamedTuple):
    """Pointwise log predictive densities of one model (nat), and which of them are reliable; shape (observation,)."""

    elpd: np.ndarray
    reliable: np.ndarray


class Difference(NamedTuple):
    """How far one model is behind another (nat): the sum, its standard error, and whether the difference is clear."""

    nats: float
    error: float
    clear: bool


def difference(better: Scores, other: Scores, runs: np.ndarray) -> Difference:
    """How far ``other`` is behind ``better``.

    The error is the larger of that from the pointwise values and, from `LEAST_RUNS` runs on, that from the sums over
    runs. To be clear, the difference must be so with and without the values that are not reliable.

    Parameters
    ----------
    better, other : Scores
        Of the same observations.
    runs : numpy.ndarray
        Label of the run of each observation.

    Returns
    -------
    Difference
        Positive where ``better`` has the higher score.
    """
    gap = better.elpd - other.elpd
    whole = _summed(gap, runs)
    both = better.reliable & other.reliable
    clear = _exceeds_error(whole) and _exceeds_error(_summed(gap[both], runs[both])) and gap.size >= LEAST_REWARDS
    return Difference(*whole, clear)


def _summed(gap: np.ndarray, runs: np.ndarray) -> tuple[float, float]:
    error = float(np.sqrt(gap.size) * gap.std()) if gap.size else 0.0
    labels = np.unique(runs)
    if labels.size >= LEAST_RUNS:
        sums = np.array([gap[runs == label].sum() for label in labels])
        error = max(error, float(np.sqrt(sums.size) * sums.std(ddof=1)))
    return float(gap.sum()), error


def _exceeds_error(summed: tuple[float, float]) -> bool:
    nats, error = summed
    return nats >= LEAST_NATS and nats > STANDARD_ERRORS * error
