"""What a training run is: one `xarray.Dataset` for any number of runs.

Dimensions are ``(run, step)``. ``step`` counts logged rows, not optimizer steps: the optimizer step of a row is the
variable ``optimizer_step``, so irregular and repeated steps are ordinary data. Runs of different length are padded
with NaN at the end. A quantity that no run knows has no variable; one that only other runs know is NaN.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import xarray as xr

from bayes_grpo.errors import InputError
from bayes_grpo.runs.fields import COMPONENTS, MIN_ROWS, RUN_FIELDS, SPREADS, STEP_FIELDS, Field, check_hyperparameters


def make_run(
    name: str,
    columns: Mapping[str, Sequence[float] | np.ndarray],
    hyperparameters: Mapping[str, Any] | None = None,
    *,
    spread: str = "unknown",
    source: str = "",
    notes: Sequence[str] = (),
    components: Mapping[str, Sequence[float] | np.ndarray] | None = None,
) -> xr.Dataset:
    """Build the Dataset of a single run.

    Parameters
    ----------
    name : str
        The run's label, coordinate ``run``.
    columns : mapping of str to sequence
        Per-row values under the names of `STEP_FIELDS`, all of one length; ``optimizer_step`` and ``reward`` are
        required. NaN means that the row logged none. Columns without a finite value are left out.
    hyperparameters : mapping, optional
        Per-run values under the names of `RUN_FIELDS`.
    spread : {"within_group", "batch", "unknown"}
        What ``reward_spread`` means.
    source : str
        The file the run was read from.
    notes : sequence of str
        What was guessed or dropped in reading the run; commands show them.
    components : mapping of str to sequence, optional
        Mean of each reward function per row, by its name; they become ``reward_components``.

    Returns
    -------
    xarray.Dataset
        Dims ``(run=1, step)``, and ``component`` where there are reward functions.

    Raises
    ------
    InputError
        All faults of the run at once.

    Examples
    --------
    >>> import bayes_grpo
    >>> columns = {"optimizer_step": range(1, 7), "reward": [0.1, 0.3, 0.45, 0.5, 0.58, 0.6]}
    >>> run = bayes_grpo.make_run("mine", columns, {"group_size": 8, "momentum": 0.9})
    >>> dict(run.sizes)
    {'run': 1, 'step': 6}
    """
    arrays = {key: np.asarray(values, dtype=float) for key, values in columns.items()}
    known = _checked(source or name, arrays, hyperparameters or {}, spread)
    dataset = xr.Dataset(coords={"run": [name]})
    for key, array in arrays.items():
        if np.isfinite(array).any():
            dataset[key] = (("run", "step"), array[None, :], _attrs(STEP_FIELDS[key]))
    if "reward_spread" in dataset:
        dataset["reward_spread"].attrs["spread"] = spread
    parts = {k: np.asarray(v, dtype=float) for k, v in (components or {}).items()}
    parts = {key: array for key, array in parts.items() if np.isfinite(array).any()}
    if parts:
        stacked = np.stack(list(parts.values()), axis=-1)[None]
        dataset = dataset.assign_coords(component=list(parts))
        dataset["reward_components"] = (("run", "step", "component"), stacked, _attrs(COMPONENTS))
    for key, value in known.items():
        dataset[key] = (("run",), [value], _attrs(RUN_FIELDS[key]))
    dataset["source"] = (("run",), [source])
    dataset["notes"] = (("run",), ["\n".join(notes)])
    return dataset


def _checked(
    where: str, arrays: Mapping[str, np.ndarray], hyperparameters: Mapping[str, Any], spread: str
) -> Mapping[str, float]:
    """The hyperparameters of a run whose columns are in order."""
    faults = [
        f"{required}: expected a column, found none among {', '.join(arrays) or 'no columns'}"
        for required in ("optimizer_step", "reward")
        if required not in arrays
    ]
    for unknown in [key for key in arrays if key not in STEP_FIELDS]:
        faults.append(f"unknown column {unknown!r}; known are {', '.join(STEP_FIELDS)}")
    if spread not in SPREADS:
        faults.append(f"spread: expected one of {', '.join(SPREADS)}, found {spread!r}")
    if faults:
        raise InputError(where, faults)
    known = check_hyperparameters(where, hyperparameters)
    faults = [*_column_faults(arrays), *_reward_faults(arrays["reward"], known)]
    if faults:
        raise InputError(where, faults)
    return known


def combine(runs: Sequence[xr.Dataset]) -> xr.Dataset:
    """Join runs along the dimension ``run``; shorter ones are padded with NaN.

    Parameters
    ----------
    runs : sequence of xarray.Dataset
        From `make_run` or `bayes_grpo.read_run`; each may hold several runs.

    Returns
    -------
    xarray.Dataset
        Dims ``(run, step)``.

    Raises
    ------
    InputError
        If two runs share a label, or their reward spreads mean different things.

    Examples
    --------
    >>> import bayes_grpo
    >>> first = bayes_grpo.make_run("a", {"optimizer_step": range(5), "reward": [0.1, 0.2, 0.3, 0.4, 0.4]})
    >>> second = bayes_grpo.make_run("b", {"optimizer_step": range(6), "reward": [0.2, 0.2, 0.3, 0.4, 0.5, 0.5]})
    >>> bayes_grpo.combine([first, second]).sizes["step"]
    6
    """
    names = [str(name) for run in runs for name in run["run"].values]
    repeated = sorted({name for name in names if names.count(name) > 1})
    if repeated:
        raise InputError("runs", f"run labels must differ, found {', '.join(repeated)} more than once")
    spreads = {run["reward_spread"].attrs["spread"] for run in runs if "reward_spread" in run}
    if len(spreads) > 1:
        raise InputError(
            "runs", f"reward_spread has different meanings ({', '.join(sorted(spreads))}); join them apart"
        )
    length = max(run.sizes["step"] for run in runs)
    padded = [run.pad(step=(0, length - run.sizes["step"])) for run in runs]
    return xr.concat(padded, dim="run", join="outer", data_vars="all", coords="minimal", combine_attrs="drop_conflicts")


def one_run(dataset: xr.Dataset, name: str | None = None) -> xr.Dataset:
    """One run of a Dataset, dims ``(step)``, without its padding and without variables that are unknown for it."""
    run = dataset.sel(run=name) if name is not None else dataset.isel(run=0)
    run = run.isel(step=np.isfinite(run["optimizer_step"].values))
    empty = [key for key, value in run.data_vars.items() if value.dtype.kind == "f" and not np.isfinite(value).any()]
    return run.drop_vars(empty)


def index_of(run: str | None, labels: Iterable[object], where: str) -> int:
    """Place among the labels of the run that is named, or of the only run.

    Raises
    ------
    InputError
        If there are several runs and none is named, or there is no run of that name. ``where`` stands before the
        message.
    """
    names = [str(label) for label in labels]
    if run is None and len(names) > 1:
        raise InputError(where, f"expected one run, found {len(names)}; name one with run=: {', '.join(names)}")
    if run is not None and run not in names:
        raise InputError(where, f"no run {run!r}; found {', '.join(names)}")
    return names.index(run) if run is not None else 0


def check_varies(run: xr.Dataset) -> None:
    """Refuse a run (as from `one_run`) whose rewards are all equal, for what needs a curve.

    Raises
    ------
    InputError
        Saying why such a curve says nothing.
    """
    reward = run["reward"].values[np.isfinite(run["reward"].values)]
    if reward.size and np.ptp(reward) == 0:
        raise InputError(
            str(run["source"].values) or str(run["run"].values),
            f"reward: expected values that vary, found {reward[0]:g} in all {reward.size} rows; a constant curve has "
            "no dynamics to infer: every posterior would be its prior (`bayes-grpo diagnose` says whether no group "
            "gives a signal, or the task is solved)",
        )


def hyperparameters_of(run: xr.Dataset) -> dict[str, float]:
    """Known hyperparameters of a single run (as from `one_run`)."""
    return {key: float(run[key]) for key in RUN_FIELDS if key in run and np.isfinite(run[key])}


def _attrs(field: Field) -> dict[str, str]:
    return {"units": field.unit, "long_name": field.meaning}


def _column_faults(arrays: Mapping[str, np.ndarray]) -> list[str]:
    faults = []
    step = arrays["optimizer_step"]
    for key, array in arrays.items():
        if array.ndim != 1 or array.shape != step.shape:
            faults.append(f"{key}: expected one value a row ({step.shape[0]} rows), found shape {array.shape}")
            continue
        field = STEP_FIELDS[key]
        infinite = np.flatnonzero(np.isinf(array))
        if infinite.size:
            faults.append(f"{key}: expected finite numbers, found {array[infinite[0]]:g} in {_rows(infinite)}")
        finite = np.where(np.isfinite(array), array, np.nan)
        outside = np.flatnonzero(field.forbids(finite))
        if outside.size:
            faults.append(f"{key}: expected {field.expected()}, found {array[outside[0]]:g} in {_rows(outside)}")
    missing = np.flatnonzero(np.isnan(step))
    if missing.size:
        faults.append(f"optimizer_step: expected a number in every row, found none in {_rows(missing)}")
    falls = np.flatnonzero(np.diff(step) < 0) + 1
    if falls.size:
        first = falls[0]
        faults.append(
            f"optimizer_step: expected steps that do not decrease, found {step[first]:g} after {step[first - 1]:g} in "
            f"{_rows(falls)}; if the file holds several runs, split it into one file a run"
        )
    return faults


def _reward_faults(reward: np.ndarray, known: Mapping[str, float]) -> list[str]:
    finite = reward[np.isfinite(reward)]
    if finite.size == 0:
        return ["reward: expected numbers, found none; name the reward column if the log calls it otherwise"]
    faults = []
    if finite.size < MIN_ROWS:
        faults.append(f"reward: expected at least {MIN_ROWS} rows with a reward, found {finite.size}")
    for bound, outside in (
        ("reward_lower", finite < known.get("reward_lower", -math.inf)),
        ("reward_upper", finite > known.get("reward_upper", math.inf)),
    ):
        if outside.any():
            faults.append(
                f"{bound} = {known[bound]:g}: expected every reward inside the bounds, found {finite[outside][0]:g}; "
                "correct the bound or the reward column"
            )
    return faults


def _rows(indices: np.ndarray) -> str:
    shown = ", ".join(str(i + 1) for i in indices[:3])
    more = f" and {indices.size - 3} more" if indices.size > 3 else ""
    return f"row{'s' if indices.size > 1 else ''} {shown}{more}"
