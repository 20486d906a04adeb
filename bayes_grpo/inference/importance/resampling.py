"""Equal-weight draws from weighted points, and the evidence that the weights are of."""

import numpy as np


def log_mean_weight(log_weight: np.ndarray) -> float:
    """Logarithm of the mean weight: that of posterior over proposal density estimates the marginal likelihood."""
    top = log_weight.max()
    return float(top + np.log(np.exp(log_weight - top).mean()))


def resample(log_weight: np.ndarray, chains: int, draws: int, rng: np.random.Generator) -> np.ndarray:
    """Indices into the points, shape (chain, draw), by systematic resampling; chains take the repetitions in turn.

    Parameters
    ----------
    log_weight : numpy.ndarray
        Shape (repetition, point).
    chains, draws : int
        How many are drawn; a single chain draws from all repetitions.
    rng : numpy.random.Generator
        Of the resampling.
    """
    repetitions, count = log_weight.shape
    if chains == 1:
        return _systematic(log_weight.ravel(), draws, rng)[None]
    chosen = np.zeros((chains, draws), int)
    for repetition in range(min(repetitions, chains)):
        own = np.arange(repetition, chains, repetitions)
        drawn = _systematic(log_weight[repetition], own.size * draws, rng)
        chosen[own] = repetition * count + drawn.reshape(own.size, draws)
    return chosen


def _systematic(log_weight: np.ndarray, count: int, rng: np.random.Generator) -> np.ndarray:
    """Indices drawn by weight with the least noise (systematic), in random order."""
    edges = np.cumsum(np.exp(log_weight - log_weight.max()))
    places = (np.arange(count) + rng.uniform()) / count * edges[-1]
    return rng.permutation(np.minimum(np.searchsorted(edges, places), edges.size - 1))
