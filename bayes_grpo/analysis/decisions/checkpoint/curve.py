"""The curve that is to be maximised, at the checkpoints: its mean and covariance, and what evaluations change.

Without an evaluation curve it is the expected training reward, offset from the evaluation by an unknown level and a
slow discrepancy: ``f(s) = x(s) + level + d(s)``, d a Gaussian process with the covariance ``sd^2 exp(-|s - s'| /
length)``. Evaluations are ``f(s) + noise``. All is Gaussian once x has been replaced by a Gaussian of its draws'
moments.
"""

from typing import NamedTuple

import numpy as np

#: Standard deviation of the level between training reward and evaluation, as a share of the range: hardly known.
LEVEL_SHARE = 0.3
#: Of the discrepancy that moves slowly: in public runs with both curves the two drift apart by so much; and the share
#: of
#: the run over which it keeps.
DISCREPANCY_SHARE, DISCREPANCY_LENGTH = 0.03, 0.5
#: Standard deviation of an evaluation, as a share of the range, where none is stated: that of 600 prompts.
NOISE_SHARE = 0.02
_JITTER = 1e-10
#: Simulated sets of evaluations.
_SIMULATED = 1000


class Gaussian(NamedTuple):
    """Mean, shape (checkpoint,), and covariance of the curve at the checkpoints."""

    mean: np.ndarray
    covariance: np.ndarray

    def draws(self, count: int, rng: np.random.Generator) -> np.ndarray:
        """Draws of the curve, shape (count, checkpoint)."""
        values, vectors = np.linalg.eigh((self.covariance + self.covariance.T) / 2)
        root = vectors * np.sqrt(np.maximum(values, 0.0))
        drawn: np.ndarray = self.mean + rng.standard_normal((count, self.mean.size)) @ root.T
        return drawn


def from_rewards(expected: np.ndarray) -> Gaussian:
    """The expected reward's own moments, from draws of shape (sample, checkpoint)."""
    return Gaussian(expected.mean(0), np.atleast_2d(np.cov(expected, rowvar=False)))


def evaluation_of(reward: Gaussian, steps: np.ndarray, span: float, reward_range: float) -> Gaussian:
    """The evaluation curve, given what is known of the expected training reward at the steps."""
    apart = np.abs(steps[:, None] - steps) / max(DISCREPANCY_LENGTH * span, 1e-9)
    slow = (DISCREPANCY_SHARE * reward_range) ** 2 * np.exp(-apart)
    level = (LEVEL_SHARE * reward_range) ** 2
    return Gaussian(reward.mean, reward.covariance + slow + level)


def given(curve: Gaussian, places: np.ndarray, values: np.ndarray, sd: np.ndarray) -> Gaussian:
    """The curve after evaluations at some checkpoints.

    Parameters
    ----------
    curve : Gaussian
        Before them.
    places : numpy.ndarray of int
        Which checkpoints were evaluated, shape (evaluation,).
    values, sd : numpy.ndarray
        What was found, and its standard deviation.
    """
    if not places.size:
        return curve
    across = curve.covariance[:, places]
    within = across[places] + np.diag(sd**2 + _JITTER)
    gain = np.linalg.solve(within, across.T).T
    return Gaussian(curve.mean + gain @ (values - curve.mean[places]), curve.covariance - gain @ across.T)


def next_to_evaluate(
    curve: Gaussian, done: np.ndarray, count: int, noise: float, rng: np.random.Generator
) -> list[int]:
    """The checkpoints whose evaluation most raises the expected value of the one that is then chosen, greedily.

    Chosen is the checkpoint with the highest posterior mean. An evaluation moves these means along a known direction by
    a Gaussian amount (the knowledge gradient: Frazier, Powell & Dayanik 2009); for a set, the means are simulated.

    Parameters
    ----------
    curve : Gaussian
        What is known of the curve.
    done : numpy.ndarray of bool
        Checkpoints that have been evaluated.
    count : int
        How many may be evaluated.
    noise : float
        Standard deviation of an evaluation.
    rng : numpy.random.Generator
        Of the evaluations.
    """
    means = np.repeat(curve.mean[None], _SIMULATED, axis=0)
    covariance, chosen = curve.covariance.copy(), [int(place) for place in np.flatnonzero(done)]
    first = len(chosen)
    for _ in range(min(count, int((~done).sum()))):
        moves = covariance / np.sqrt(np.diag(covariance) + noise**2 + _JITTER)  # column j: what evaluation j moves
        amount = rng.standard_normal(_SIMULATED)
        gains = [
            -np.inf if place in chosen else float((means + amount[:, None] * moves[:, place]).max(1).mean())
            for place in range(curve.mean.size)
        ]
        place = int(np.argmax(gains))
        chosen.append(place)
        means = means + amount[:, None] * moves[:, place]
        covariance = covariance - np.outer(moves[:, place], moves[:, place])
    return chosen[first:]
