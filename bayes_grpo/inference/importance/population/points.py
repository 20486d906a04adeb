"""Weighted points of the population, and whether there are enough of them."""

from typing import NamedTuple

import numpy as np
from jax.scipy.special import logsumexp

from bayes_grpo.inference.importance.pareto import smooth_weights
from bayes_grpo.inference.importance.quality import MAX_KHAT, MIN_ESS, effective_draws

#: Effective points that are enough: more than a fit needs, since it is judged again with the model's parameters.
_ENOUGH = 1.5 * MIN_ESS
#: Share of effective points below which more of the kind would not help.
_HOPELESS = 0.025
#: Powers of the weights under the sites by which points are chosen, a half by each: the one reaches further than the
#: posterior under the sites does, the other wastes few points.
_POWERS = (0.35, 0.8)


class Points(NamedTuple):
    """Points of the population (repetition, point, site) and what was drawn at them.

    By ``log_weight_alone`` each repetition is an estimate of its own. ``remainder`` (repetition, point) is the
    estimated log marginal likelihood of all runs over that of their sites.
    """

    points: np.ndarray
    log_posterior: np.ndarray
    log_weight: np.ndarray
    log_weight_alone: np.ndarray
    remainder: np.ndarray
    places: np.ndarray

    @property
    def enough(self) -> bool:
        """Whether the tails of the weights and the number of effective points will do."""
        smoothed, khat = smooth_weights(self.log_weight.ravel())
        return bool(khat <= MAX_KHAT) and effective_points(self.points, smoothed) >= _ENOUGH

    @property
    def hopeless(self) -> bool:
        """Whether weights are so uneven that more points like these would not help."""
        smoothed, _ = smooth_weights(self.log_weight.ravel())
        return effective_draws(smoothed) < _HOPELESS * smoothed.size


def log_chance(log_weight: np.ndarray) -> np.ndarray:
    """Log chance that points (repetition, point) are chosen from their repetition's, over that of an even choice."""
    flat = np.stack([power * log_weight for power in _POWERS])
    chances = flat - np.asarray(logsumexp(flat, axis=-1, keepdims=True))
    over_even: np.ndarray = np.asarray(logsumexp(chances, axis=0)) + np.log(log_weight.shape[1] / len(_POWERS))
    return over_even


def effective_points(points: np.ndarray, log_weight: np.ndarray) -> float:
    """Effective number of points (..., site), those that are the same taken together."""
    _, place = np.unique(points.reshape(-1, points.shape[-1]), axis=0, return_inverse=True)
    weights = np.bincount(place.ravel(), np.exp(log_weight.ravel() - log_weight.max()))
    return effective_draws(np.log(np.maximum(weights, 1e-300)))
