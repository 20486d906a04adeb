"""Runs and a model as the argument of a compiled program."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import jax
import numpy as np
import xarray as xr
from jax.typing import ArrayLike

from bayes_grpo.errors import InputError
from bayes_grpo.inference.quantities import Setting, settle
from bayes_grpo.inference.timeline import build_grid, common_shape, shape_of
from bayes_grpo.laws.finite_groups import group_factor_table
from bayes_grpo.laws.grid import Grid
from bayes_grpo.laws.run_data import RunData
from bayes_grpo.models.spec import QUANTITIES, ModelSpec
from bayes_grpo.runs.dataset import check_varies, index_of, one_run

#: Resolution of logged rewards as a share of the reward range.
RESOLUTION = 1e-3


class Predictor(NamedTuple):
    """Logarithm of a run quantity about its mean over the runs, shape (run,), and where it is known.

    ``scale`` is its sd.
    """

    value: np.ndarray
    known: np.ndarray
    scale: float


class ModelData(NamedTuple):
    """All that a compiled program is given.

    The run (stacked for runs fitted together), prior arguments, log predictors.
    """

    run: RunData
    priors: Mapping[str, Mapping[str, ArrayLike]]
    predictors: dict[str, Predictor]


class Prepared(NamedTuple):
    """Program data, each run without padding, its setting, and the grid index of each of its rows."""

    data: ModelData
    runs: list[xr.Dataset]
    settings: list[Setting]
    rows: list[np.ndarray]


def prepare(runs: xr.Dataset, spec: ModelSpec) -> Prepared:
    """Lay runs out for a model: one run, or all that are fitted together where the model pools.

    Raises
    ------
    InputError
        If rewards do not vary, a pooled model has one run only, or runs that cannot be fitted together; all faults at
        once.
    """
    labels = [str(label) for label in runs["run"].values]
    singles = [one_run(runs, label) for label in labels]
    for single in singles:
        check_varies(single)
    settings = [settle(single, spec) for single in singles]
    if not spec.pooled:
        grid, places = build_grid(singles[0], settings[0])
        data = ModelData(_run_data(grid, singles[0], settings[0], spec, {}), spec.resolve(settings[0].values), {})
        return Prepared(data, singles, settings, [places])
    _check_pool(spec, labels, singles, settings)
    shape = common_shape([shape_of(build_grid(*pair)[0]) for pair in zip(singles, settings, strict=True)])
    laid = [build_grid(*pair, shape) for pair in zip(singles, settings, strict=True)]
    reference = {
        name: float(np.exp(np.nanmean(logs)))
        for name in ("group_size", "prompts_per_step")
        if np.isfinite(logs := _logs(name, settings)).any()
    }
    parts = [
        _run_data(grid, single, setting, spec, reference)
        for (grid, _), single, setting in zip(laid, singles, settings, strict=True)
    ]
    stacked: RunData = jax.tree.map(lambda *entries: np.stack(entries), *parts)
    predictors = {name: _predictor(_logs(name, settings)) for name in spec.predictors}
    data = ModelData(stacked, _pooled_priors(spec, settings), predictors)
    return Prepared(data, singles, settings, [rows for _, rows in laid])


def _run_data(grid: Grid, run: xr.Dataset, setting: Setting, spec: ModelSpec, reference: dict[str, float]) -> RunData:
    values = setting.values
    group = values["group_size"]
    typical = reference.get("group_size", group)
    prompts = reference.get("prompts_per_step", 1.0)
    return RunData(
        grid=grid,
        duration=float(np.ptp(run["optimizer_step"].values)),
        closed_form_mass=values["closed_form_mass"],
        mean_age=values["mean_age"],
        group_size=group if setting.group_size_known else typical,
        reference_group=typical,
        relative_prompts=values.get("prompts_per_step", prompts) / prompts if reference else 1.0,
        resolution=RESOLUTION * values["reward_range"],
        reward_lower=values["reward_lower"],
        reward_range=values["reward_range"],
        log_group_factor=group_factor_table(group if spec.law.groups.finite and setting.group_size_known else None),
        clipped=values["clipped"],
    )


def _logs(name: str, settings: Sequence[Setting]) -> np.ndarray:
    """Logarithm of a quantity in each run, NaN where unknown, shape (run,)."""
    known = (name in s.values and (name != "group_size" or s.group_size_known) for s in settings)
    return np.array([np.log(s.values[name]) if there else np.nan for s, there in zip(settings, known, strict=True)])


def _predictor(logs: np.ndarray) -> Predictor:
    known = np.isfinite(logs)
    centred = np.where(known, logs - logs[known].mean(), 0.0)
    return Predictor(centred, known, float(centred[known].std()))


def _pooled_priors(spec: ModelSpec, settings: Sequence[Setting]) -> dict[str, dict[str, ArrayLike]]:
    """Prior arguments: a run's own quantities for separate parameters, the runs' median for those of the population."""
    median = {name: float(np.median([setting.values[name] for setting in settings])) for name in QUANTITIES}
    resolved = [spec.resolve(setting.values) for setting in settings]
    priors: dict[str, dict[str, ArrayLike]] = {name: {**given} for name, given in spec.resolve(median).items()}
    for name, prior in spec.parameters.items():
        if prior.pooling == "separate":
            priors[name] = {key: np.array([numbers[name][key] for numbers in resolved]) for key in priors[name]}
    return priors


def _check_pool(spec: ModelSpec, labels: list[str], singles: list[xr.Dataset], settings: list[Setting]) -> None:
    if len(labels) < 2:
        raise InputError(
            f"model {spec.name}",
            f"pools over runs: expected at least 2, found {len(labels)} ({labels[0]}); give more runs, or use a model "
            "without pooling, such as oscillator",
        )
    faults = [
        f"runs {first} and {second} hold the same steps and rewards; name each run once"
        for first, second in duplicates(labels, singles)
    ]
    bounded = [n for n, p in spec.parameters.items() if p.pooling != "separate" and "reward_" in str(p.arguments)]
    bounds = {(s.values["reward_lower"], s.values["reward_upper"]) for s in settings}
    if bounded and len(bounds) > 1:
        listed = ", ".join(f"{low:g} to {high:g}" for low, high in sorted(bounds))
        faults.append(
            f"{', '.join(bounded)} are pooled on the scale of the reward: expected the same reward bounds in all "
            f"runs, found "
            f"{listed}; state --reward-bounds, or fit the runs apart"
        )
    for name in spec.predictors:
        if not np.isfinite(_logs(name, settings)).any():
            predicted = ", ".join(n for n, prior in spec.parameters.items() if name in prior.predictors)
            faults.append(f"{name}: predicts {predicted}, but is unknown for every run; state it for some, or drop it")
    if faults:
        raise InputError(f"model {spec.name}", faults)


def duplicates(labels: Sequence[str], singles: Sequence[xr.Dataset]) -> list[tuple[str, str]]:
    """Pairs of labels whose runs hold the same steps and rewards."""
    seen: dict[bytes, str] = {}
    notes = []
    for label, single in zip(labels, singles, strict=True):
        key = single["optimizer_step"].values.tobytes() + single["reward"].values.tobytes()
        if key in seen:
            notes.append((seen[key], label))
        seen.setdefault(key, label)
    return notes


def choose(runs: xr.Dataset, run: str | None, spec: ModelSpec) -> xr.Dataset:
    """The run that is named, or the only one, or for a model that pools all runs; dims (run, step)."""
    if spec.pooled and run is None:
        return runs
    return runs.isel(run=[index_of(run, runs["run"].values, "fit")])


class Observed(NamedTuple):
    """Where the rewards stand: the runs' grids (run, n) one after another, in order of the observations."""

    run: np.ndarray
    position: np.ndarray
    row: np.ndarray
    optimizer_step: np.ndarray


def observed_of(prepared: Prepared) -> Observed:
    """The observations of all runs; rows of one step are one observation, their mean."""
    parts = []
    for index, (run, rows) in enumerate(zip(prepared.runs, prepared.rows, strict=True)):
        there = np.isfinite(run["reward"].values)
        position, first = np.unique(rows[there], return_index=True)
        row = np.flatnonzero(there)[first]
        parts.append((np.full(row.size, index), position, row, run["optimizer_step"].values[row]))
    return Observed(*(np.concatenate(column) for column in zip(*parts, strict=True)))
