"""How probable a jump or a collapse is within the next 100 steps, from how often they came in other runs.

A collapse takes back more than half of the gain so far, a jump adds more than half of it, by means over a window and by
four of their standard errors. Whether a jump has begun, by the filter of `bayes_grpo.analysis.switching`,
counts. The coefficients are data, in regimes.toml beside this file.
"""

import tomllib
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from bayes_grpo.analysis.collapses import CHANGE_ERRORS, CHANGE_SHARE, WINDOW_LEAST, WINDOW_SHARE
from bayes_grpo.analysis.switching import REGIMES, load_rates, regimes_of

#: The probability that a jump has begun counts as no less than this, and as no more than its complement.
LEAST_RISEN = 1 / 800


class Chances(NamedTuple):
    """Probabilities of a jump and of a collapse within the next 100 steps, and of each regime now."""

    jump: float
    collapse: float
    regime: dict[str, float]


class State(NamedTuple):
    """What the log says about changes to come, on scales that runs have in common.

    ``seen`` is the share of the run that is logged, ``momentum`` the rise over the last two windows in its standard
    errors, between -6 and 6. ``level``, ``gain`` (reward) and ``error`` (of a window's mean) say what counts as a
    change.
    """

    seen: float
    momentum: float
    level: float
    gain: float
    error: float
    window: int


def state_of(rewards: np.ndarray, seen: float) -> State:
    """State of a log, from its rewards in order and the share of the run that they are."""
    window = min(max(WINDOW_LEAST, round(WINDOW_SHARE * rewards.size)), rewards.size)
    means = np.convolve(rewards, np.full(window, 1 / window), "valid")
    error = max(float(np.std(np.diff(rewards))) / np.sqrt(2 * window), 1e-9)
    level = float(rewards[-window:].mean())
    before = rewards[-2 * window : -window]
    momentum = (level - float(before.mean())) / (np.sqrt(2) * error) if before.size else 0.0
    return State(seen, float(np.clip(momentum, -6, 6)), level, float(means.max() - means[0]), error, window)


def happened(state: State, later: np.ndarray) -> tuple[bool, bool]:
    """Whether the rewards of the next steps hold a jump, and a collapse."""
    window = min(state.window, later.size)
    means = np.convolve(later, np.full(window, 1 / window), "valid")
    rise, fall = float(means.max()) - state.level, state.level - float(means.min())
    return rise > least_rise(state, window), fall > least_fall(state, window)


def least_rise(state: State, window: int) -> float:
    """What a mean over a window of so many rows must lie above the level for a jump (reward)."""
    return float(max(CHANGE_SHARE * state.gain, CHANGE_ERRORS * np.hypot(state.error, _error(state, window))))


def least_fall(state: State, window: int) -> float:
    """What a mean over a window of so many rows must lie below the level for a collapse (reward)."""
    error = _error(state, window)
    least = CHANGE_ERRORS * np.hypot(state.error, error)
    return float(max(CHANGE_SHARE * max(state.gain, CHANGE_ERRORS * error), least))


def _error(state: State, window: int) -> float:
    """Standard error of a mean over so many rows (reward)."""
    return float(state.error * np.sqrt(state.window / window))


@lru_cache
def coefficients(path: Path | None = None) -> dict[str, Any]:
    """Tables of the file that comes with the package, or of another."""
    return tomllib.loads((path or Path(__file__).with_name("regimes.toml")).read_text(encoding="utf-8"))


def covariates(state: State, probability: np.ndarray) -> tuple[float, float, float, float]:
    """What the probability of a jump depends on: 1, share seen, momentum, and whether a jump has begun.

    ``probability`` is that of each regime now, shape (regime,).
    """
    risen = float(np.clip(probability[1], LEAST_RISEN, 1 - LEAST_RISEN))
    return 1.0, state.seen, state.momentum / 3, float(np.log(risen / (1 - risen))) / 3


def chances(steps: np.ndarray, rewards: np.ndarray, seen: float) -> Chances:
    """Probabilities at the end of a log.

    Parameters
    ----------
    steps, rewards : numpy.ndarray
        Of the log, shape (row,), in order.
    seen : float
        Share of the run that they are.
    """
    table, state = coefficients(), state_of(rewards, seen)
    _, now = regimes_of(steps, rewards, state.gain, load_rates())
    values = covariates(state, now.probability)

    def probability(name: str) -> float:
        keys = ("intercept", "seen", "momentum", "risen")
        score = sum(table[name][key] * value for key, value in zip(keys, values, strict=True))
        return float(1 / (1 + np.exp(-score)))

    regime = dict(zip(REGIMES, now.probability.tolist(), strict=True))
    return Chances(probability("jump"), probability("collapse"), regime)
