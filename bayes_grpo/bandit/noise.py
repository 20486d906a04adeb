"""The noise of a batch: how much one update moves the expected reward at random."""

import numpy as np
from jax.nn import softmax

from bayes_grpo.bandit.setting import Bandit
from bayes_grpo.laws.finite_groups import binomial


def temperature(bandit: Bandit, theta: np.ndarray, groups: str) -> float:
    """``T = G q``, where q is the variance of the change that one update makes in the expected reward, at logits theta.

    It is exact at finite group size for rewards of 0 or 1 whose advantages are divided by the group's standard
    deviation or by nothing. Otherwise it is the leading order of large groups.
    """
    pi, mean = np.asarray(softmax(theta)), np.asarray(bandit.reward_mean)
    slope = pi * (mean - pi @ mean)  # gradient of the expected reward by the logits
    score = slope - pi @ slope  # (e_a - pi) . slope of each arm a
    if groups == "finite" and bandit.binary and bandit.normalisation != "batch":
        per_completion = _exact(bandit, pi, mean, score)
    else:
        per_completion = _leading(bandit, pi, mean, score)
    return float(bandit.learning_rate**2 * per_completion / bandit.prompts_per_step)


def _leading(bandit: Bandit, pi: np.ndarray, mean: np.ndarray, score: np.ndarray) -> float:
    """Variance of what one completion adds to the update, for large groups (delta method).

    A normalised advantage divides by a standard deviation that is estimated from the same rewards. The error of that
    estimate is correlated with the numerator's and cancels part of the noise.
    """
    if bandit.reward_sd is None:
        rewards, weights = np.array([1.0, 0.0])[None, :], np.stack([mean, 1 - mean], axis=-1)
    else:
        # Five Gauss-Hermite nodes are exact to the ninth moment; the fourth is needed.
        nodes, masses = np.polynomial.hermite_e.hermegauss(5)
        rewards = mean[:, None] + np.asarray(bandit.reward_sd)[:, None] * nodes
        weights = np.broadcast_to(masses / masses.sum(), rewards.shape)
    weights = pi[:, None] * weights
    advantage = rewards - pi @ mean
    if bandit.normalisation != "none":
        advantage = advantage / np.sqrt((weights * advantage**2).sum())
    share = advantage * score[:, None]
    drift = (weights * share).sum()
    loss = drift if bandit.normalisation == "none" else drift * (1 + advantage**2) / 2
    return float((weights * (share - loss) ** 2).sum())


def _exact(bandit: Bandit, pi: np.ndarray, mean: np.ndarray, score: np.ndarray) -> float:
    """G times the variance of one group's update: over the number of successes, and over the arms that succeeded."""
    size = bandit.group_size
    p = pi @ mean
    f = np.arange(size + 1) / size
    weight = np.asarray(binomial(p, size, size))
    right, wrong = pi * mean / p, pi * (1 - mean) / (1 - p)
    gap = right @ score - wrong @ score
    spread_right = right @ score**2 - (right @ score) ** 2
    spread_wrong = wrong @ score**2 - (wrong @ score) ** 2
    variance = f * (1 - f) * size / (size - 1)
    scale = np.ones_like(f) if bandit.normalisation == "none" else np.where(variance > 0, variance, 1.0)
    force = f * (1 - f) / np.sqrt(scale)
    between = gap**2 * (weight @ force**2 - (weight @ force) ** 2)
    within = weight @ ((f * (1 - f) ** 2 * spread_right + (1 - f) * f**2 * spread_wrong) / scale) / size
    return float(size * (between + within))
