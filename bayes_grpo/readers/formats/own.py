"""Runs in our own format, NetCDF; see `bayes_grpo.inference.store`."""

import numpy as np

from bayes_grpo.readers.log import Facts, Log, Options, Reading, Source, reading_note
from bayes_grpo.runs.fields import RUN_FIELDS, STEP_FIELDS, check_hyperparameters
from bayes_grpo.runs.netcdf import load_runs

NAME = "bayes_grpo runs (NetCDF)"
ORDER = 0


def recognises(source: Source) -> bool:
    """HDF5's mark, or the ending .nc (so that another file of that name is told what was expected)."""
    return source.head.startswith(b"\x89HDF\r\n\x1a\n") or (
        source.path.suffix == ".nc" and not source.is_folder and bool(source.head)
    )


def read(source: Source) -> list[Log]:
    """The runs as rows."""
    runs = load_runs(source.path)
    logs = []
    for index, label in enumerate(runs["run"].values):
        run = runs.isel(run=index)
        columns = {key: run[key].values for key in STEP_FIELDS if key in run}
        held = np.flatnonzero(np.isfinite(columns["optimizer_step"]))
        rows = [{key: float(values[i]) for key, values in columns.items()} for i in held]
        stated = {key: float(run[key]) for key in RUN_FIELDS if key in run and np.isfinite(run[key])}
        logs.append(Log(rows, label=str(label), facts=Facts(stated=stated)))
    return logs


def read_whole(source: Source, options: Options, name: str | None) -> list[Reading]:
    """The runs as they were saved, with what is stated now put over what they hold."""
    runs = load_runs(source.path)
    for key, value in check_hyperparameters(str(source), options.hyperparameters).items():
        runs[key] = (("run",), np.full(runs.sizes["run"], value), {"units": RUN_FIELDS[key].unit})
    if runs.sizes["run"] == 1 and name:
        runs = runs.assign_coords(run=[name])
    runs = runs.assign(source=(("run",), [str(source)] * runs.sizes["run"]))
    columns = {key: key for key in STEP_FIELDS if key in runs}
    origins = {key: "stated" if key in options.hyperparameters else "the log" for key in RUN_FIELDS if key in runs}
    lines = [line for text in runs["notes"].values for line in str(text).split("\n")] if "notes" in runs else []
    notes = [reading_note("", line) for line in lines if line]
    parts = {str(c): str(c) for c in runs["component"].values} if "component" in runs.coords else {}
    return [Reading(runs, NAME, "", [], columns, parts, [], origins, notes)]
