"""The normal distribution without SciPy, for commands that answer before it is imported, and one row of a filter."""

import math
from statistics import NormalDist
from typing import NamedTuple

import numpy as np

_erfc = np.vectorize(math.erfc, otypes=[float])
_quantile = np.vectorize(NormalDist().inv_cdf, otypes=[float])


def normal_cdf(x: float | np.ndarray) -> np.ndarray:
    """Probability of a standard normal variable below each value, of the values' shape."""
    return np.asarray(_erfc(-np.asarray(x, float) / math.sqrt(2)) / 2)


def normal_quantile(probability: float | np.ndarray) -> np.ndarray:
    """Value that a standard normal variable lies below with each probability, which is between 0 and 1."""
    return np.asarray(_quantile(np.asarray(probability, float)))


class Conditioned(NamedTuple):
    """Mean and variance of a normal quantity given an observation, and the observation's error and its variance."""

    mean: np.ndarray
    variance: np.ndarray
    error: np.ndarray
    total: np.ndarray


def conditioned(mean: np.ndarray, variance: np.ndarray, value: float, noise: float | np.ndarray) -> Conditioned:
    """One row of a Kalman filter of a level, for many filters at once.

    Parameters
    ----------
    mean, variance : numpy.ndarray
        Of the level before the row, shape (filter,).
    value : float
        What is observed: the level, and noise.
    noise : float or numpy.ndarray
        Variance of the noise.

    Examples
    --------
    >>> import numpy as np
    >>> from bayes_grpo.laws.normal import conditioned
    >>> after = conditioned(np.array([0.0]), np.array([1.0]), 1.0, 1.0)
    >>> after.mean.tolist(), after.variance.tolist()
    ([0.5], [0.5])
    """
    total = variance + noise
    error = value - mean
    return Conditioned(mean + variance / total * error, variance * noise / total, error, total)
