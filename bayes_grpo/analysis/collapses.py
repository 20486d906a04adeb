"""Collapses of a reward: whether a log ends in one, and how often other runs recovered from theirs.

A collapse takes back more than half of the gain so far, by means over a window and by four of their standard errors. A
run recovers if it takes back more than half of what it had lost. The counts of other runs are data, in collapses.toml
beside this file.
"""

import tomllib
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple, TypedDict

import numpy as np
from scipy.special import betainc, betaln

from bayes_grpo.analysis.intervals import INTERVAL_PROB, LEVELS
from bayes_grpo.errors import InputError

#: Share of the log, and least number of rewards, that levels are means over.
WINDOW_SHARE, WINDOW_LEAST = 0.1, 5
#: A change of this share of the gain so far, and of so many standard errors, counts.
CHANGE_SHARE, CHANGE_ERRORS = 0.5, 4.0
#: Steps within which a jump, a collapse or a recovery counts.
STEPS = 100
#: Prior of the rates of repositories, a beta distribution: its mean is uniform, and the logarithm of its concentration
#: (the number of runs that it is worth) is uniform between these.
CONCENTRATIONS = (1.0, 100.0)


class Recent(NamedTuple):
    """Mean, standard deviation and number of the last rewards of a log."""

    mean: float
    sd: float
    rows: int


class Collapse(NamedTuple):
    """Best mean over a window, and the mean over the last one (reward), each over so many rows."""

    best: float
    level: float
    rows: int


class Recovery(TypedDict):
    """How probable it is that a collapsed run of a repository not seen before recovers within ``within_steps``.

    ``probability`` is the mean over the posterior, ``lower`` and ``upper`` the interval of such a repository's rate. Of
    ``runs`` that collapsed, in so many ``repositories``, ``recovered`` did so within these steps, and ``kept`` stood so
    at the end of their logs.
    """

    probability: float
    lower: float
    upper: float
    prob: float
    within_steps: float
    runs: int
    recovered: int
    kept: int
    repositories: int


def recent(rewards: np.ndarray) -> Recent:
    """The last rewards of a log: its last tenth, at least five."""
    count = min(max(WINDOW_LEAST, round(WINDOW_SHARE * rewards.size)), rewards.size)
    last = rewards[-count:]
    return Recent(float(last.mean()), float(last.std(ddof=1)), count)


def collapse_of(rewards: np.ndarray) -> Collapse | None:
    """The collapse that a log ends in, from its rewards in order; None where it ends in none.

    Examples
    --------
    >>> import numpy as np
    >>> from bayes_grpo.analysis.collapses import collapse_of
    >>> collapse_of(np.concatenate([np.linspace(0, 1, 50), np.full(50, 0.2)])).rows
    10
    >>> collapse_of(np.linspace(0, 1, 100)) is None
    True
    """
    if rewards.size < 2 * WINDOW_LEAST:
        return None
    level, _, count = recent(rewards)
    means = np.convolve(rewards, np.full(count, 1 / count), "valid")
    best = float(means.max())
    gain, lost = best - float(means[0]), best - level
    # Neighbouring rewards differ by noise alone, up to the trend.
    error = float(np.std(np.diff(rewards)) / np.sqrt(count))
    if lost <= CHANGE_SHARE * gain or min(lost, gain) <= CHANGE_ERRORS * error:
        return None
    return Collapse(best, level, count)


def breakdown_of(rewards: np.ndarray) -> Collapse | None:
    """The collapse that a log ends in, also of a run that began near its best and so has no gain to lose.

    Beside `collapse_of`, a reward that is never negative breaks down if it loses more than half of its best level.

    Examples
    --------
    >>> import numpy as np
    >>> from bayes_grpo.analysis.collapses import breakdown_of, collapse_of
    >>> fallen = np.repeat([0.9, 0.0], 20)
    >>> collapse_of(fallen) is None, breakdown_of(fallen).level
    (True, 0.0)
    """
    collapse = collapse_of(rewards)
    if collapse is not None or rewards.size < 2 * WINDOW_LEAST or rewards.min() < 0:
        return collapse
    level, _, count = recent(rewards)
    best = float(np.convolve(rewards, np.full(count, 1 / count), "valid").max())
    error = float(np.std(np.diff(rewards)) / np.sqrt(count))
    return Collapse(best, level, count) if best - level > max(CHANGE_SHARE * best, CHANGE_ERRORS * error) else None


@lru_cache
def recovery(path: Path | None = None) -> Recovery:
    """How often runs recover from a collapse, from the counts that come with the package or those of a file.

    Each repository has a rate of its own, from one beta distribution; runs of a repository are binomial given its rate.

    Parameters
    ----------
    path : Path, optional
        Counts, laid out as collapses.toml.

    Returns
    -------
    Recovery
        For a run of a repository that is not among those counted.

    Raises
    ------
    InputError
        If a count is missing, negative or greater than the number of runs; all faults at once.

    Examples
    --------
    >>> from bayes_grpo.analysis.collapses import recovery
    >>> rate = recovery()
    >>> 0 < rate["lower"] < rate["probability"] < rate["upper"] < 1
    True
    """
    path = path or Path(__file__).with_name("collapses.toml")
    repositories = tomllib.loads(path.read_text(encoding="utf-8")).get("repositories", {})
    faults = [fault for name, counts in repositories.items() for fault in _faults(name, counts)]
    if faults or not repositories:
        raise InputError(str(path), faults or ["repositories: expected counts of at least one, found none"])
    runs, recovered, kept = (
        np.array([counts[key] for counts in repositories.values()]) for key in ("runs", "recovered", "kept")
    )
    probability, lower, upper = new_rate(recovered, runs)
    return {
        "probability": probability,
        "lower": lower,
        "upper": upper,
        "prob": INTERVAL_PROB,
        "within_steps": STEPS,
        "runs": int(runs.sum()),
        "recovered": int(recovered.sum()),
        "kept": int(kept.sum()),
        "repositories": len(repositories),
    }


def new_rate(events: np.ndarray, runs: np.ndarray) -> tuple[float, float, float]:
    """Mean and interval of the rate of a repository that is not among those counted (beta-binomial).

    Parameters
    ----------
    events, runs : numpy.ndarray
        Shape (repository,): of how many runs it happened in how many.

    Returns
    -------
    tuple of float
        Posterior mean, and the two ends of the interval.
    """
    mean = (np.arange(60) + 0.5)[:, None] / 60
    concentration = np.geomspace(*CONCENTRATIONS, 25)
    a, b = mean * concentration, (1 - mean) * concentration
    log_weight = np.zeros(a.shape)
    for count, size in zip(events, runs, strict=True):
        log_weight += betaln(a + count, b + size - count) - betaln(a, b)
    weight = np.exp(log_weight - log_weight.max())
    weight /= weight.sum()
    rates = np.linspace(0.0, 1.0, 201)
    below = np.array([(weight * betainc(a, b, rate)).sum() for rate in rates])
    lower, _, upper = np.interp(LEVELS, below, rates)
    return float((weight * mean).sum()), float(lower), float(upper)


def recovery_text(rate: Recovery) -> str:
    """The sentence that goes with a run that has collapsed."""
    return (
        f"a run that has collapsed takes back more than half of its loss within {rate['within_steps']:g} steps with "
        f"probability {rate['probability']:.2f} ({rate['prob']:.0%} interval {rate['lower']:.2f} to "
        f"{rate['upper']:.2f}): {rate['recovered']} of {rate['runs']} such runs in {rate['repositories']} repositories "
        f"did, and at the end of the log {rate['kept']} of the {rate['runs']} stood so"
    )


def _faults(name: str, counts: Any) -> list[str]:
    """What is wrong with the counts of a repository."""
    numbers = [counts.get(key) if isinstance(counts, dict) else None for key in ("runs", "recovered", "kept")]
    whole = [number for number in numbers if isinstance(number, int) and 0 <= number <= (numbers[0] or 0)]
    if len(whole) == len(numbers):
        return []
    return [f"repositories.{name}: expected whole numbers runs, recovered and kept, at most runs; found {counts!r}"]
