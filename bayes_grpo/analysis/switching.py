"""A level with the regimes steady, jump and collapse, filtered by interacting multiple models.

In a jump the level rises, in a collapse it falls, by about the gain so far over the duration of a regime; a regime
begins at the rate at which it did in other runs and ends at the rate of one over its duration. The filter keeps a
normal distribution of the level in each regime and mixes them before each row (Blom & Bar-Shalom 1988), all in closed
form. statsmodels' Markov switching regressions have no state but the regime, dynamax's switching state spaces are
filtered by particles, and FilterPy's IMMEstimator takes constant matrices, where gaps between rows change; so it is
written here.
"""

import tomllib
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

import numpy as np

from bayes_grpo.laws.normal import conditioned

#: What the level does: it hardly moves, rises, or falls.
REGIMES = ("steady", "jump", "collapse")
#: Standard deviation of a step of the steady level, in scatters.
STEADY = 0.05
#: The level's change over a whole regime, in gains, has the mean 1 and this standard deviation.
CHANGE_SD = 0.5
#: A gain is at least so many scatters: smaller ones are not told from none.
LEAST_GAIN = 2.0
#: Rows at the end of a log that are filtered at most, and the first of them, whose mean is the level to begin with.
MOST_ROWS, FIRST_ROWS = 200, 5
_LEAST = 1e-300
#: A gap counts as so many durations of a regime at most: steps that are tokens make numbers that cannot be squared.
LONGEST_GAP = 100.0
#: What the scatter is at least of the root mean square of differences.
LEAST_SCATTER = 0.8


class Rates(NamedTuple):
    """How often a jump and a collapse begin (per step), and how long they last in the mean (steps)."""

    jump: float
    collapse: float
    duration: float


@lru_cache
def load_rates() -> Rates:
    """The rates that come with the package."""
    table = tomllib.loads(Path(__file__).with_name("switching.toml").read_text(encoding="utf-8"))
    return Rates(*(float(table[name]) for name in Rates._fields))


class Switching(NamedTuple):
    """Scale of a run, gain so far and scatter (reward), and how often regimes come."""

    gain: float
    scatter: float
    rates: Rates


class Regimes(NamedTuple):
    """Probability of each regime, and mean and variance of the level in it, shape (regime,)."""

    probability: np.ndarray
    mean: np.ndarray
    variance: np.ndarray


def scatter_of(differences: np.ndarray) -> float:
    """Scatter of rewards, from the absolute differences of neighbours."""
    robust = float(np.median(differences)) / 0.954  # the median of |a - b| of two normal values over their scatter
    rough = LEAST_SCATTER * float(np.sqrt(np.mean(differences**2) / 2))
    return max(robust, rough, 1e-9)


def start(level: float, variance: float) -> Regimes:
    """A steady level, known with this variance."""
    return Regimes(np.array([1.0, 0.0, 0.0]), np.full(3, level), np.full(3, variance))


def transitions(model: Switching, gap: float) -> np.ndarray:
    """Probability of each regime (column) after a gap in steps, from each (row)."""
    rates = np.array(model.rates[:2])
    begun = -np.expm1(-rates.sum() * gap) * rates / rates.sum()  # the first of two, each at its rate
    ended = -np.expm1(-gap / model.rates.duration)
    return np.array([[1 - begun.sum(), *begun], [ended, 1 - ended, 0], [ended, 0, 1 - ended]])


def changes(model: Switching, gap: float) -> tuple[np.ndarray, np.ndarray]:
    """Mean and variance of the level's change over a gap in each regime, shape (regime,)."""
    gap = min(gap, LONGEST_GAP * model.rates.duration)
    drift = model.gain / model.rates.duration * gap * np.array([0.0, 1.0, -1.0])
    moving = (CHANGE_SD * model.gain) ** 2 / model.rates.duration * gap * np.array([0.0, 1.0, 1.0])
    return drift, (STEADY * model.scatter) ** 2 * gap + moving


def follow(before: Regimes, model: Switching, gap: float, reward: float) -> Regimes:
    """One row of the filter.

    Parameters
    ----------
    before : Regimes
        After the row before.
    model : Switching
        Scale and rates.
    gap : float
        Steps since the row before.
    reward : float
        Of the row.

    Examples
    --------
    >>> from bayes_grpo.analysis.switching import Rates, Switching, follow, start
    >>> model = Switching(gain=0.5, scatter=0.05, rates=Rates(1e-3, 3e-4, 30.0))
    >>> now = start(0.7, 1e-4)
    >>> for reward in (0.7, 0.55, 0.4, 0.3):
    ...     now = follow(now, model, 1.0, reward)
    >>> float(now.probability[2].round(1))
    1.0
    """
    joint = before.probability[:, None] * transitions(model, gap)
    predicted = np.maximum(joint.sum(0), _LEAST)
    share = joint / predicted
    mixed = share.T @ before.mean
    spread = (share * (before.variance[:, None] + (before.mean[:, None] - mixed) ** 2)).sum(0)
    drift, moving = changes(model, gap)
    mean, variance, error, total = conditioned(mixed + drift, spread + moving, reward, model.scatter**2)
    log_density = np.log(predicted) - 0.5 * (error**2 / total + np.log(total))
    probability = np.exp(log_density - log_density.max())
    return Regimes(probability / probability.sum(), mean, variance)


def regimes_of(steps: np.ndarray, rewards: np.ndarray, gain: float, rates: Rates) -> tuple[Switching, Regimes]:
    """The filter at the end of a log.

    Parameters
    ----------
    steps, rewards : numpy.ndarray
        Of the log, shape (row,), in order, at least ten.
    gain : float
        What it has gained so far (reward).
    rates : Rates
        Of regimes.

    Returns
    -------
    tuple of Switching and Regimes
        The run's scale, and regimes and level after its last row.
    """
    scatter = scatter_of(np.abs(np.diff(rewards)))
    model = Switching(max(gain, LEAST_GAIN * scatter), scatter, rates)
    first = max(rewards.size - MOST_ROWS, 0) + FIRST_ROWS
    now = start(float(rewards[first - FIRST_ROWS : first].mean()), scatter**2 / FIRST_ROWS)
    for row in range(first, rewards.size):
        now = follow(now, model, max(float(steps[row] - steps[row - 1]), 1e-9), float(rewards[row]))
    return model, now


def paths(now: Regimes, model: Switching, gaps: np.ndarray, count: int, rng: np.random.Generator) -> np.ndarray:
    """Paths of the level over gaps to come (row,), shape (path, row)."""
    regime = rng.choice(3, count, p=now.probability)
    level = now.mean[regime] + np.sqrt(now.variance[regime]) * rng.standard_normal(count)
    out = np.empty((count, gaps.size))
    for row, gap in enumerate(gaps):
        reached = np.cumsum(transitions(model, float(gap)), axis=1)
        regime = (rng.uniform(size=count)[:, None] > reached[regime]).sum(1).clip(max=2)
        drift, moving = changes(model, float(gap))
        level = level + drift[regime] + np.sqrt(moving[regime]) * rng.standard_normal(count)
        out[:, row] = level
    return out
