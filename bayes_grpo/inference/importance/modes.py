"""How many maxima a posterior density has, as far as its draws tell."""

from collections.abc import Callable

import numpy as np

#: Heavy points from which paths are drawn.
_ANCHORS = 8
#: A path between two points is in one mode where the log density falls by no more than this below both of its ends.
_DIP = 1.5
#: Places at which the density is computed on a path.
_PLACES = 7
#: Share of the mass that a mode must have to be counted.
_LEAST_MASS = 0.01


def count_modes(
    density: Callable[[np.ndarray], np.ndarray], points: np.ndarray, log_posterior: np.ndarray, log_weight: np.ndarray
) -> int:
    """Count modes that hold at least one in a hundred of the mass.

    Some points of high density, far from each other, are joined by straight lines; those between which the density does not dip
    belong together.

    Parameters
    ----------
    density : callable
        Log posterior density at points, shape (point, dimension).
    points, log_posterior, log_weight : numpy.ndarray
        Shapes (repetition, point, dimension), (repetition, point) and (repetition, point).
    """
    flat, height = points.reshape(-1, points.shape[-1]), log_posterior.ravel()
    weight = np.exp(log_weight.ravel() - log_weight.max())
    weight /= weight.sum()
    spread = np.sqrt(weight @ (flat - weight @ flat) ** 2)
    scaled = flat / np.where(spread > 0, spread, 1.0)
    anchors = _far_apart(scaled, height, weight)
    group = np.arange(anchors.size)
    first, second = np.triu_indices(anchors.size, 1)
    if first.size:
        share = np.arange(1, _PLACES + 1)[:, None, None] / (_PLACES + 1)
        path = (1 - share) * flat[anchors[first]] + share * flat[anchors[second]]
        lowest = density(path.reshape(-1, flat.shape[1])).reshape(_PLACES, -1).min(0)
        ends = np.minimum(height[anchors[first]], height[anchors[second]])
        for a, b, joined in zip(first, second, lowest >= ends - _DIP, strict=True):
            if joined:
                group[group == group[b]] = group[a]
    nearest = ((scaled[:, None] - scaled[anchors]) ** 2).sum(-1).argmin(1)
    mass = np.array([weight[group[nearest] == label].sum() for label in np.unique(group)])
    return max(1, int((mass >= _LEAST_MASS).sum()))


def _far_apart(scaled: np.ndarray, height: np.ndarray, weight: np.ndarray) -> np.ndarray:
    """Indices of points that are high and far from those already taken."""
    populated = np.sort(height[weight > 0])
    possible = np.flatnonzero(height >= populated[populated.size // 2])
    chosen = [int(possible[np.argmax(height[possible])])]
    distance = ((scaled[possible] - scaled[chosen[0]]) ** 2).sum(1)
    for _ in range(_ANCHORS - 1):
        chosen.append(int(possible[np.argmax(distance)]))
        distance = np.minimum(distance, ((scaled[possible] - scaled[chosen[-1]]) ** 2).sum(1))
    return np.unique(chosen)
