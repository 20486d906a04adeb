"""The standard normal distribution from the standard library, for commands that answer before SciPy is imported."""

import math
from statistics import NormalDist

import numpy as np

_erfc = np.vectorize(math.erfc, otypes=[float])
_quantile = np.vectorize(NormalDist().inv_cdf, otypes=[float])


def normal_cdf(x: float | np.ndarray) -> np.ndarray:
    """Probability of a standard normal variable below each value, of the values' shape."""
    return np.asarray(_erfc(-np.asarray(x, float) / math.sqrt(2)) / 2)


def normal_quantile(probability: float | np.ndarray) -> np.ndarray:
    """Value that a standard normal variable lies below with each probability, which is between 0 and 1."""
    return np.asarray(_quantile(np.asarray(probability, float)))
