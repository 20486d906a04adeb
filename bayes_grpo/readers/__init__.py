"""Training logs in, run Datasets out. The format is found by content, not by name."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import xarray as xr

import bayes_grpo.runs
from bayes_grpo.errors import InputError
from bayes_grpo.readers.contract import Format, Log, Source
from bayes_grpo.readers.find import CERTAIN, find
from bayes_grpo.readers.known import Options
from bayes_grpo.readers.sidecar import find_sidecar, read_sidecar
from bayes_grpo.readers.understand import Reading, understand
from bayes_grpo.runs.dataset import combine

__all__ = ["Reading", "example_run", "read_log", "read_run", "read_runs"]

#: The log that comes with the package: a TRL run of a small transformer on addition modulo 3.
EXAMPLE = Path(bayes_grpo.runs.__file__).parent / "bundled" / "arithmetic_grpo"

#: Names of files that say nothing of the run; the folder's name is taken instead.
_GENERIC = (
    "trainer_state",
    "log_history",
    "metrics",
    "step_logs",
    "trl_table",
    "verl_metrics",
    "reward_log",
    "bayes_grpo",
    "completions",
)


def read_run(
    path: str | Path,
    *,
    hyperparameters: Mapping[str, Any] | None = None,
    hyperparameters_file: str | Path | None = None,
    reward_column: str | None = None,
    step_column: str | None = None,
    run_column: str | None = None,
    step_unit: str | None = None,
    name: str | None = None,
) -> xr.Dataset:
    """Read a training log.

    Parameters
    ----------
    path : str or Path
        A file, or a folder with one or more runs, in any of the formats of the documentation: TRL's and other trainers' logs,
        console output, tables, TensorBoard, W&B, trackio; runs saved by `bayes_grpo.save_runs` (.nc); or the address of a
        W&B run, ``wandb:ENTITY/PROJECT/RUN``.
    hyperparameters : mapping, optional
        Per-run values by the names of `bayes_grpo.runs.fields.RUN_FIELDS`; they win over the file's.
    hyperparameters_file : str or Path, optional
        TOML or JSON; else ``LOG.hyperparameters.toml`` or ``hyperparameters.toml`` (or .json) beside the log is taken.
    reward_column, step_column, run_column : str, optional
        Columns of a table; the first two are guessed where not named, and the guess is noted.
    step_unit : {"optimizer", "rollout"}, optional
        What the log's steps count: optimizer updates, or batches of rollouts; else what its trainer is known to count.
    name : str, optional
        Label of the run; else the log's own, the folder's or the file's name.

    Returns
    -------
    xarray.Dataset
        Dims (run, step); several runs where the log holds several, or with ``run_column``.

    Raises
    ------
    InputError
        Naming file, field, what was found and the cure; all faults at once.
    """
    return combine(
        read_runs(
            path,
            hyperparameters=hyperparameters,
            hyperparameters_file=hyperparameters_file,
            reward_column=reward_column,
            step_column=step_column,
            run_column=run_column,
            step_unit=step_unit,
            name=name,
        )
    )


def example_run() -> xr.Dataset:
    """The real GRPO run that comes with the package.

    Returns
    -------
    xarray.Dataset
        One run of 380 optimizer steps, dims (run, step).

    Examples
    --------
    >>> import bayes_grpo
    >>> run = bayes_grpo.example_run()
    >>> run.sizes["step"], float(run["group_size"][0])
    (380, 8.0)
    """
    return read_run(EXAMPLE)


def read_runs(path: str | Path, **options: Any) -> list[xr.Dataset]:
    """Read a training log as one Dataset a run, for runs that cannot be joined; parameters as of `read_run`."""
    readings, faults = read_log(path, **options)
    if faults and not readings:
        raise faults[0] if len(faults) == 1 else InputError(str(path), [str(fault) for fault in faults])
    if faults:
        left_out = [f"left out {fault}" for fault in faults]
        first = readings[0].run
        notes = "\n".join(n for n in (str(first["notes"].values[0]), *left_out) if n)
        readings[0].run = first.assign(notes=(("run",), [notes]))
    return [reading.run for reading in readings]


def read_log(
    path: str | Path,
    *,
    hyperparameters: Mapping[str, Any] | None = None,
    hyperparameters_file: str | Path | None = None,
    reward_column: str | None = None,
    step_column: str | None = None,
    run_column: str | None = None,
    step_unit: str | None = None,
    name: str | None = None,
) -> tuple[list[Reading], list[InputError]]:
    """Read a training log and say how it was understood; parameters as of `read_run`.

    Returns
    -------
    tuple
        A `Reading` for each run, and the faults of runs that cannot be read.

    Raises
    ------
    InputError
        If nothing is there, or nothing that is a log.
    """
    if step_unit not in (None, "optimizer", "rollout"):
        raise InputError("step_unit", f"expected 'optimizer' or 'rollout', found {step_unit!r}")
    options = Options(hyperparameters or {}, reward_column, step_column, run_column, step_unit)
    parts: dict[str, list[tuple[Format, Source, Log]]] = {}
    readings: list[Reading] = []
    faults: list[InputError] = []
    sources = find(path)
    for format_, source in sources:
        whole = getattr(format_, "read_whole", None)
        try:
            if whole is not None:
                readings += whole(source, options, name)
                continue
            for number, log in enumerate(format_.read(source)):
                parts.setdefault(log.same_run or f"{source}#{number}", []).append((format_, source, log))
        except InputError as error:
            faults.append(error)
    for group in parts.values():
        try:
            readings += _read_one(Path(path), group, options, hyperparameters_file, name, len(parts) > 1)
        except InputError as error:
            faults.append(error)
    _tell_apart(readings)
    if readings and len(sources) > 1:
        # Text that a search found and that is no log is no fault of the runs found beside it.
        texts = {str(source) for format_, source in sources if format_.ORDER >= CERTAIN}
        others = [fault for fault in faults if fault.where in texts]
        faults = [fault for fault in faults if fault.where not in texts]
        if others:
            readings[0].notes.append(f"not read as logs: {', '.join(fault.where for fault in others)}")
            readings[0].run = readings[0].run.assign(notes=(("run",), ["\n".join(readings[0].notes)]))
    return readings, faults


def _read_one(
    path: Path,
    group: list[tuple[Format, Source, Log]],
    options: Options,
    file: str | Path | None,
    name: str | None,
    several: bool,
) -> list[Reading]:
    format_, source, first = group[0]
    logs = [log for _, _, log in group]
    if len(logs) > 1:
        first.notes.append(
            f"one run in {len(logs)} parts, read in this order: {', '.join(str(s) for _, s, _ in group)}"
        )
    sidecar = Path(file) if file else find_sidecar(source.path, _folders(source))
    beside: dict[str, Any] = {}
    extras: dict[str, Any] = {}
    if sidecar is not None and not source.address:
        beside, extras = read_sidecar(sidecar)
        first.notes.append(f"hyperparameters read from {sidecar.name}")
    label = (name if not several else None) or str(extras.get("name", "")) or first.label or _label(path, source)
    readings = understand(str(source), logs, label, options, beside, extras)
    for reading in readings:
        reading.format = format_.NAME
    return readings


def _folders(source: Source) -> list[Path]:
    """Where the hyperparameters of a log may lie."""
    here = source.path if source.is_folder else source.path.parent
    return [here, here.parent] if here.name.startswith("checkpoint-") else [here]


def _label(path: Path, source: Source) -> str:
    """A name a reader recognises: the output folder's for TRL, else the file's."""
    if source.address:
        return source.address.rstrip("/").rsplit("/", 1)[-1]
    if source.is_folder:
        folder = source.path.resolve()
        generic = folder.name.startswith("checkpoint-") or folder.name in _GENERIC
        return folder.parent.name + "-" + folder.name if generic else folder.name
    return source.path.resolve().parent.name if source.path.stem in _GENERIC else source.path.stem


def _tell_apart(readings: list[Reading]) -> None:
    """Number runs that share a label."""
    seen: dict[str, int] = {}
    for reading in readings:
        for at, label in enumerate(map(str, reading.run["run"].values)):
            seen[label] = seen.get(label, 0) + 1
            if seen[label] > 1:
                labels = [str(x) for x in reading.run["run"].values]
                labels[at] = f"{label}~{seen[label]}"
                reading.run = reading.run.assign_coords(run=labels)
