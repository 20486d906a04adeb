"""What a set of runs can tell of group-size invariance, before anything is fitted."""

from collections.abc import Sequence

import numpy as np
import xarray as xr

from bayes_grpo.errors import InputError, Note
from bayes_grpo.runs.dataset import hyperparameters_of, one_run

#: Settings that must not go with the group size if a difference is to be ascribed to it.
_SETTINGS = {
    "learning_rate": "peak learning rates",
    "model_size": "model sizes",
    "momentum": "momenta",
    "refresh_interval": "refresh intervals",
    "logging_window": "logging windows",
}
#: Relative difference up to which a setting counts as the same: the logged peak of a schedule depends on which steps
#: are logged.
_ALIKE = 0.05
#: Standard errors apart at which the first rewards of two group sizes are called different.
_APART = 5.0


def group_sizes(runs: xr.Dataset) -> np.ndarray:
    """Group size of every run, shape (run,).

    Raises
    ------
    InputError
        If that of some run is unknown, or all runs have the same.
    """
    labels = [str(label) for label in runs["run"].values]
    sizes = runs["group_size"].values.astype(float) if "group_size" in runs else np.full(len(labels), np.nan)
    unknown = [label for label, size in zip(labels, sizes, strict=True) if not np.isfinite(size)]
    faults = []
    if unknown:
        listed = ", ".join(unknown[:5]) + (f" and {len(unknown) - 5} more" if unknown[5:] else "")
        faults.append(
            f"group_size: unknown for {listed}; write it into a hyperparameters.toml beside each log, or leave them out"
        )
    known = np.unique(sizes[np.isfinite(sizes)])
    if known.size == 1:
        faults.append(
            f"group_size: expected at least 2 group sizes, found {known[0]:g} alone ({len(labels)} runs read); one "
            "group size says nothing of how others would behave"
        )
    if faults:
        raise InputError("invariance", faults)
    return sizes


def doubts(runs: xr.Dataset, sizes: np.ndarray) -> list[Note]:
    """Why these runs may not be able to tell."""
    labels = [str(label) for label in runs["run"].values]
    singles = [one_run(runs, label) for label in labels]
    known = np.unique(sizes)
    notes = []
    alone = [size for size in known if (sizes == size).sum() == 1]
    if alone:
        text = (
            f"one run only of G = {_listed(alone)}: what differs between group sizes cannot be told from what differs "
            "between runs of one group size; more seeds would tell"
        )
        notes.append(Note("limit", "run", text))
    if known.size == 2:
        text = "two group sizes: each is predicted from runs of a single other one, and the exponent rests on one ratio"
        notes.append(Note("limit", "group_size", text))
    facts = [hyperparameters_of(single) | _peak_rate(single) for single in singles]
    for name, words in _SETTINGS.items():
        values = np.array([fact.get(name, np.nan) for fact in facts])
        notes += [Note("limit", name, text) for text in _confounded(words, values, sizes)]
    return notes + [Note("limit", "initial_reward", text) for text in _unlike_starts(singles, sizes)]


def _peak_rate(run: xr.Dataset) -> dict[str, float]:
    return {"learning_rate": float(run["learning_rate"].max())} if "learning_rate" in run else {}


def _confounded(words: str, values: np.ndarray, sizes: np.ndarray) -> list[str]:
    """Whether a setting varies, and whether it goes with the group size."""
    there = np.isfinite(values)
    levels = np.unique(np.round(values[there], 12))
    if levels.size < 2 or np.ptp(levels) <= _ALIKE * np.abs(levels).max():
        return []
    per_group = [set(np.round(values[there & (sizes == size)], 12)) for size in np.unique(sizes)]
    listed = f"{words} differ ({_listed(levels)})"
    if all(len(levels_of_size) <= 1 for levels_of_size in per_group):
        return [f"{listed} and go with the group size: a difference between group sizes may be theirs"]
    return [f"{listed}: they must not go with the group size"]


def _unlike_starts(singles: Sequence[xr.Dataset], sizes: np.ndarray) -> list[str]:
    """Whether the first rewards differ between group sizes far beyond their scatter: other tasks or models."""
    level, error = np.zeros(len(singles)), np.zeros(len(singles))
    for i, single in enumerate(singles):
        reward = single["reward"].values[np.isfinite(single["reward"].values)]
        first = reward[: max(3, reward.size // 30)]
        noise = np.diff(reward).std() / np.sqrt(2)
        level[i], error[i] = first.mean(), noise / np.sqrt(first.size)
    groups = [(level[sizes == size], error[sizes == size]) for size in np.unique(sizes)]
    means = np.array([values.mean() for values, _ in groups])
    within = [values.std(ddof=1) if values.size > 1 else 0.0 for values, _ in groups]
    errors = [max(float(e.mean()), s) / np.sqrt(e.size) for (_, e), s in zip(groups, within, strict=True)]
    low, high = int(means.argmin()), int(means.argmax())
    gap, error_of_gap = means[high] - means[low], float(np.hypot(errors[low], errors[high]))
    if gap <= _APART * error_of_gap:
        return []
    names = np.unique(sizes)
    return [
        f"runs start at different rewards (G = {names[low]:g} at {means[low]:.3g}, G = {names[high]:g} at "
        f"{means[high]:.3g}): different tasks, models or data would look like a dependence on the group size"
    ]


def _listed(values: Sequence[float] | np.ndarray) -> str:
    return ", ".join(f"{value:g}" for value in values)
