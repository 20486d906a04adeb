"""How many maxima a posterior density has, as far as its draws tell."""

from collections.abc import Callable

import numpy as np

#: Draws that are looked at, and the nearest others that each is joined to.
_DRAWS, _NEIGHBOURS = 256, 8
#: Two draws are in one mode where the log density midway falls by no more than this below both.
_DIP = 1.5
#: Share of the mass that a mode must have to be counted.
_LEAST_MASS = 0.01


def count_modes(
    density: Callable[[np.ndarray], np.ndarray], points: np.ndarray, log_posterior: np.ndarray, log_weight: np.ndarray
) -> int:
    """Count modes that hold at least one in a hundred of the mass.

    Draws are joined to their nearest neighbours where the density does not dip between them; what hangs together is a
    mode.

    Parameters
    ----------
    density : callable
        Log posterior density at points, shape (point, dimension).
    points, log_posterior, log_weight : numpy.ndarray
        Shapes (repetition, point, dimension), (repetition, point) and (repetition, point).
    """
    weight = np.exp(log_weight.ravel() - log_weight.max())
    edges = np.cumsum(weight)
    chosen = np.unique(np.searchsorted(edges, (np.arange(_DRAWS) + 0.5) / _DRAWS * edges[-1]).clip(max=edges.size - 1))
    drawn, height = points.reshape(-1, points.shape[-1])[chosen], log_posterior.ravel()[chosen]
    if chosen.size <= _NEIGHBOURS:
        return 1
    spread = drawn.std(axis=0)
    scaled = drawn / np.where(spread > 0, spread, 1.0)
    distance = ((scaled[:, None] - scaled) ** 2).sum(-1)
    nearest = np.argsort(distance, axis=1)[:, 1 : _NEIGHBOURS + 1]
    first, second = np.repeat(np.arange(chosen.size), _NEIGHBOURS), nearest.ravel()
    midway = density((drawn[first] + drawn[second]) / 2)
    joined = midway >= np.minimum(height[first], height[second]) - _DIP
    labels = components(chosen.size, first[joined], second[joined])
    mass = np.bincount(labels, weight[chosen]) / weight[chosen].sum()
    shares = np.bincount(labels) / chosen.size
    return max(1, int(((shares >= _LEAST_MASS) & (mass >= _LEAST_MASS)).sum()))


def components(count: int, first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """The smallest node that each node hangs together with, from edges; SciPy takes longer to import than this."""
    labels = np.arange(count)
    while True:
        lowest = np.minimum(labels[first], labels[second])
        spread = labels.copy()
        np.minimum.at(spread, first, lowest)
        np.minimum.at(spread, second, lowest)
        spread = spread[spread]
        if (spread == labels).all():
            return labels
        labels = spread
