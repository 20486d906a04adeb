"""What can be compared: models, runs and fits, with every fault at once."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import xarray as xr

from bayes_grpo.errors import InputError
from bayes_grpo.inference.attributes import logged_of
from bayes_grpo.inference.layout import duplicates, prepare
from bayes_grpo.models.files import load_model
from bayes_grpo.models.spec import ModelSpec
from bayes_grpo.runs.dataset import one_run

CRITERIA = ("loo", "lfo")


def check_inputs(
    labels: Sequence[str],
    parts: Sequence[xr.Dataset],
    models: Sequence[str | Path | ModelSpec],
    criterion: str,
    min_observations: int | None = None,
) -> list[ModelSpec]:
    """The models, read; raises InputError with all that is wrong with models, runs and criterion."""
    specs, faults = check_models(models, criterion, min_observations)
    singles = [one_run(part, label) for part in parts for label in part["run"].values.astype(str)]
    same = duplicates(labels, singles)
    faults += [
        f"run {first} is given twice"
        if first == second
        else f"runs {first} and {second} hold the same steps and rewards"
        for first, second in same
    ]
    for label in dict.fromkeys(labels):
        if labels.count(label) > 1 and (label, label) not in same:
            faults.append(f"{labels.count(label)} different runs are labelled {label}; rename their folders or files")
    if len(labels) == 1:
        faults += [
            f"model {spec.name} pools over runs: expected at least 2 runs, found 1 ({labels[0]}); give more runs, or "
            "leave the model out"
            for spec in specs
            if spec.pooled
        ]
    if faults:
        raise InputError("compare", faults)
    return specs


def check_models(
    models: Sequence[str | Path | ModelSpec], criterion: str, min_observations: int | None = None
) -> tuple[list[ModelSpec], list[str]]:
    """The models that can be read, and all that is wrong with models and criterion."""
    faults: list[str] = []
    specs = _load(models, faults)
    if len(models) < 2:
        faults.append(f"models: expected at least 2, found {len(models)}; name them as --models overdamped,oscillator")
    names = [spec.name for spec in specs]
    faults += [f"model {name} is named twice" for name in dict.fromkeys(names) if names.count(name) > 1]
    if criterion not in CRITERIA:
        faults.append(f"criterion: expected one of {', '.join(CRITERIA)}, found {criterion!r}")
    if criterion == "lfo":
        faults += [
            f"model {spec.name} pools over runs, but lfo takes the future from one run at a time; use loo, or leave it "
            "out"
            for spec in specs
            if spec.pooled
        ]
    if min_observations is not None and min_observations < 1:
        faults.append(f"min_observations: expected at least 1, found {min_observations}")
    if min_observations is not None and criterion == "loo":
        faults.append("min_observations: only lfo has an origin; drop it, or use lfo")
    return specs, faults


def _load(models: Sequence[str | Path | ModelSpec], faults: list[str]) -> list[ModelSpec]:
    specs = []
    for model in models:
        try:
            specs.append(model if isinstance(model, ModelSpec) else load_model(model))
        except InputError as error:
            faults += [f"{error.where}: {fault}" for fault in error.faults]
    return specs


def unusable_runs(
    singles: Mapping[str, xr.Dataset], specs: Sequence[ModelSpec], min_observations: int | None = None
) -> dict[str, str]:
    """Runs that some model cannot be fitted to alone, or that are too short for lfo, and why."""
    faults = {}
    for label, single in singles.items():
        run = one_run(single, label)
        count = np.unique(run["optimizer_step"].values[np.isfinite(run["reward"].values)]).size
        if min_observations is not None and min_observations >= count:
            faults[label] = f"min_observations: expected fewer than its {count} rewards, found {min_observations}"
        for spec in specs:
            if label in faults or spec.pooled:
                continue
            try:
                prepare(single, spec)
            except InputError as error:
                faults[label] = str(error)
    return faults


def check_pools(pool: xr.Dataset | None, specs: Sequence[ModelSpec]) -> None:
    """Raise InputError, before anything is fitted, if models that pool cannot be fitted to these runs together."""
    faults = []
    for spec in specs:
        if not spec.pooled or pool is None:
            continue
        try:
            prepare(pool, spec)
        except InputError as error:
            faults += [f"{error.where}: {fault}" for fault in error.faults]
    if faults:
        raise InputError("compare", faults)


def check_fits(
    fits: Sequence[xr.DataTree], models: Sequence[str | Path | ModelSpec], criterion: str
) -> dict[str, ModelSpec]:
    """The named models by name; raises InputError where fits are not of the same runs with the same rows."""
    faults: list[str] = []
    specs = _load(models, faults)
    if criterion not in CRITERIA:
        faults.append(f"criterion: expected one of {', '.join(CRITERIA)}, found {criterion!r}")
    logged: dict[str, dict[str, np.ndarray]] = {}
    for tree in fits:
        name = tree.attrs["model"]
        for label, rows in logged_of(tree).items():
            rows_of_model = logged.setdefault(name, {})
            if label in rows_of_model:
                faults.append(f"{name}: two fits of run {label}, expected one")
            rows_of_model[label] = rows
    if len(logged) < 2:
        faults.append(f"fits: expected at least 2 models, found {len(logged)} ({', '.join(logged) or 'no fit'})")
    elif not faults:
        faults += _different(logged)
    if faults:
        raise InputError("compare", faults)
    return {spec.name: spec for spec in specs}


def _different(logged: Mapping[str, Mapping[str, np.ndarray]]) -> list[str]:
    """How the data of the models differ from those of the first."""
    faults = []
    first, *others = logged
    reference = logged[first]
    for label, rows in reference.items():
        faults += [
            f"runs {label} and {other} hold the same steps and rewards"
            for other, others_rows in reference.items()
            if other < label and np.array_equal(others_rows, rows)
        ]
    for name in others:
        runs = logged[name]
        for label in sorted(set(runs) ^ set(reference)):
            missing = name if label in reference else first
            faults.append(f"run {label} is not fitted by {missing}; expected the same runs of all models")
        for label in runs.keys() & reference.keys():
            faults += [f"{first} and {name}: {how} of run {label}" for how in _unlike(reference[label], runs[label])]
    return faults


def _unlike(a: np.ndarray, b: np.ndarray) -> list[str]:
    """How the rows of a run, columns step and reward, differ between two fits."""
    if a.shape != b.shape:
        return [f"{len(a)} and {len(b)} rewards"]
    out = []
    for column, quantity in enumerate(("steps", "rewards")):
        differ = np.flatnonzero(a[:, column] != b[:, column])
        if differ.size:
            out.append(f"different {quantity} ({differ.size} of {len(a)}, first in row {differ[0] + 1})")
    return out
