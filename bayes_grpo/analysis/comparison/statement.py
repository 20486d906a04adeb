"""What a comparison of laws says, in words that claim no more than the differences and their errors allow.

A difference in expected log predictive density counts as found where it is at least 4 nats and more than two standard
errors, and there are at least 100 rewards: below, the standard error itself is not to be trusted (Sivula, Magnusson, Matamoros &
Vehtari 2025, "Uncertainty in Bayesian leave-one-out cross-validation based model comparison").
"""

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np

LEAST_NATS = 4.0
STANDARD_ERRORS = 2.0
LEAST_REWARDS = 100
#: From so many runs on, the scatter of the difference between runs is a second estimate of its error.
LEAST_RUNS = 5

_TASK = {
    "loo": "predicting each reward from all others of its run",
    "lfo": "predicting each reward from those before it",
}


class Scores(NamedTuple):
    """Pointwise log predictive densities of one model (nat), and where they are reliable; shape (observation,)."""

    elpd: np.ndarray
    reliable: np.ndarray


class Difference(NamedTuple):
    """How far one model is behind another (nat): the sum, its standard error, whether it counts as found."""

    nats: float
    error: float
    found: bool


def difference(better: Scores, other: Scores, runs: np.ndarray) -> Difference:
    """How far ``other`` is behind ``better``.

    The error is the larger of that from the pointwise values and, from `LEAST_RUNS` runs on, that from the sums over runs. The
    difference must stand with and without the values that are not reliable.

    Parameters
    ----------
    better, other : Scores
        Of the same observations.
    runs : numpy.ndarray
        Label of the run of each observation.
    """
    gap = better.elpd - other.elpd
    whole = _summed(gap, runs)
    there = better.reliable & other.reliable
    found = _clear(whole) and _clear(_summed(gap[there], runs[there])) and gap.size >= LEAST_REWARDS
    return Difference(*whole, found)


def _summed(gap: np.ndarray, runs: np.ndarray) -> tuple[float, float]:
    error = float(np.sqrt(gap.size) * gap.std()) if gap.size else 0.0
    labels = np.unique(runs)
    if labels.size >= LEAST_RUNS:
        sums = np.array([gap[runs == label].sum() for label in labels])
        error = max(error, float(np.sqrt(sums.size) * sums.std(ddof=1)))
    return float(gap.sum()), error


def _clear(summed: tuple[float, float]) -> bool:
    nats, error = summed
    return nats >= LEAST_NATS and nats > STANDARD_ERRORS * error


def statement(scores: Mapping[str, Scores], runs: np.ndarray, method: str, doubtful: Mapping[str, str]) -> str:
    """The comparison in words.

    Parameters
    ----------
    scores : mapping of str to Scores
        By model, of the same observations.
    runs : numpy.ndarray
        Label of the run of each observation.
    method : {"loo", "lfo"}
        How the densities were made.
    doubtful : mapping of str to str
        Models about which nothing is said, and why.
    """
    count, labels = runs.size, np.unique(runs)
    where = f"{count} rewards" + (f" of {labels.size} runs" if labels.size > 1 else "")
    lead = f"{_TASK[method].capitalize()} ({where})"
    ranked = sorted((name for name in scores if name not in doubtful), key=lambda name: -scores[name].elpd.sum())
    said = []
    if len(ranked) < 2:
        said.append(f"{lead}: nothing can be said, for want of two models whose fits can be believed.")
    else:
        best = ranked[0]
        behind = {name: difference(scores[best], scores[name], runs) for name in ranked[1:]}
        said.append(f"{lead}: {_words(best, behind, count)}")
    said += [f"Nothing is said about {name}: {why}." for name, why in doubtful.items()]
    return " ".join(said)


def _words(best: str, behind: Mapping[str, Difference], count: int) -> str:
    if count < LEAST_REWARDS:
        return (
            f"the models cannot be told apart, as errors from fewer than {LEAST_REWARDS} rewards are not to be trusted. "
            f"{best} has the highest score, ahead of {_gaps(behind)}."
        )
    worse = {name: gap for name, gap in behind.items() if gap.found}
    tied = {name: gap for name, gap in behind.items() if not gap.found}
    if not tied:
        return f"{best} does best, ahead of {_gaps(worse)}."
    if not worse:
        return f"the models cannot be told apart. {best} has the highest score, ahead of {_gaps(tied)}."
    return f"{best} has the highest score, but cannot be told apart from {_gaps(tied)}. It does better than {_gaps(worse)}."


def _gaps(behind: Mapping[str, Difference]) -> str:
    parts = [f"{name} ({gap.nats:.1f} nats, standard error {gap.error:.1f})" for name, gap in behind.items()]
    return ", ".join(parts[:-1]) + " and " + parts[-1] if parts[1:] else parts[0]
