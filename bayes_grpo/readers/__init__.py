"""Training logs in, run Datasets out. The format is found by content, not by name."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import xarray as xr

import bayes_grpo.runs
from bayes_grpo.errors import InputError, Note
from bayes_grpo.readers.contract import Format, Log, Options, Reading, Source, WholeFormat, reading_note
from bayes_grpo.readers.expressions import check_columns
from bayes_grpo.readers.find import CERTAIN, find
from bayes_grpo.readers.labels import label_of, tell_apart
from bayes_grpo.readers.sidecar import find_sidecar, read_sidecar
from bayes_grpo.readers.understand import understand
from bayes_grpo.runs.dataset import combine

__all__ = ["Reading", "example_run", "read_log", "read_run", "read_runs"]

#: The log that comes with the package: a TRL run of a small transformer on addition modulo 3.
EXAMPLE = Path(bayes_grpo.runs.__file__).parent / "bundled" / "arithmetic_grpo"

#: Files that were left out of a search are named up to so many.
_MOST_LEFT_OUT = 50


def read_run(
    path: str | Path,
    *,
    hyperparameters: Mapping[str, Any] | None = None,
    hyperparameters_file: str | Path | None = None,
    reward_column: str | None = None,
    step_column: str | None = None,
    run_column: str | None = None,
    step_unit: str | None = None,
    columns: Mapping[str, str] | None = None,
    appended: int | str = "",
    name: str | None = None,
) -> xr.Dataset:
    """Read a training log.

    Parameters
    ----------
    path : str or Path
        A file, or a folder with one or more runs, in any of the formats of the documentation: TRL's and other trainers'
        logs, console output, tables, TensorBoard, W&B, trackio; runs saved by `bayes_grpo.save_runs` (.nc); or the
        address of a W&B run, ``wandb:ENTITY/PROJECT/RUN``.
    hyperparameters : mapping, optional
        Per-run values by the names of `bayes_grpo.runs.fields.RUN_FIELDS`; they win over the file's.
    hyperparameters_file : str or Path, optional
        TOML or JSON; else ``LOG.hyperparameters.toml`` or ``hyperparameters.toml`` (or .json) beside the log is taken.
    reward_column, step_column, run_column : str, optional
        Columns of a table; the first two are guessed where not named, and the guess is noted.
    step_unit : {"optimizer", "rollout"}, optional
        What the log's steps count: optimizer updates, or batches of rollouts; else what its trainer is known to count.
    columns : mapping, optional
        Columns of the log by the names of `bayes_grpo.runs.fields.STEP_FIELDS`, or expressions of them, as
        ``{"zero_spread_share": "skipped / (skipped + kept)"}``.
    appended : int or str, optional
        Which of several runs in one file: a number from 1, or ``"last"``.
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
            columns=columns,
            appended=appended,
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
        readings[0].add_notes(*(reading_note(fault.where, f"left out {fault}") for fault in faults))
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
    columns: Mapping[str, str] | None = None,
    appended: int | str = "",
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
    options = Options(
        hyperparameters or {}, reward_column, step_column, run_column, step_unit, columns or {}, str(appended)
    )
    check_columns(options.columns)
    search = find(path)
    parts: dict[str, list[tuple[Format, Source, Log]]] = {}
    readings: list[Reading] = []
    sources: list[Source] = []
    faults: list[InputError] = []
    for _, format_, source in search.found:
        try:
            if isinstance(format_, WholeFormat):
                whole = format_.read_whole(source, options, name)
                readings += whole
                sources += [source] * len(whole)
                continue
            for number, log in enumerate(format_.read(source)):
                parts.setdefault(log.same_run or f"{source}#{number}", []).append((format_, source, log))
        except InputError as error:
            faults.append(error)
    for group in parts.values():
        try:
            made, broken = _read_one(Path(path), group, options, hyperparameters_file, name, len(parts) > 1)
        except InputError as error:
            faults.append(error)
            continue
        readings += made
        sources += [group[0][1]] * len(made)
        faults += broken
    tell_apart(readings, sources)
    if readings and len(search.found) > 1:
        # Text that a search found and that is no log is no fault of the runs found beside it.
        texts = {str(found.source) for found in search.found if found.format.ORDER >= CERTAIN}
        search.left_out += [(Source(Path(f.where)), "; ".join(f.faults)) for f in faults if f.where in texts]
        faults = [fault for fault in faults if fault.where not in texts]
    if readings and search.left_out:
        readings[0].add_notes(*_left_out(search.left_out))
    return readings, faults


def _read_one(
    path: Path,
    group: list[tuple[Format, Source, Log]],
    options: Options,
    file: str | Path | None,
    name: str | None,
    several: bool,
) -> tuple[list[Reading], list[InputError]]:
    """The runs of one log, or of one run's parts."""
    format_, source, first = group[0]
    logs = [log for _, _, log in group]
    sidecar = Path(file) if file else find_sidecar(source.path, _folders(source))
    beside: dict[str, Any] = {}
    extras: dict[str, Any] = {}
    notes = []
    if len(logs) > 1:
        order = ", ".join(str(s) for _, s, _ in group)
        notes.append(reading_note("", f"one run in {len(logs)} parts, read in this order: {order}"))
    if sidecar is not None and not source.address:
        beside, extras = read_sidecar(sidecar)
        notes.append(reading_note("", f"hyperparameters read from {sidecar.name}"))
    label = (name if not several else None) or str(extras.get("name", "")) or first.label or label_of(path, source)
    folder = None if source.address else _folders(source)[0]
    readings, faults = understand(str(source), logs, label, options, beside, extras, folder)
    for reading in readings:
        reading.format = format_.NAME
        if notes:
            reading.notes[:0] = notes
            reading.add_notes()
    return readings, faults


def _left_out(sources: list[tuple[Source, str]]) -> list[Note]:
    """What is said of files that were not read as logs."""
    notes = [Note("left_out", str(source), f"not read as a log: {source}: {reason}") for source, reason in sources]
    more = len(notes) - _MOST_LEFT_OUT
    return (
        notes
        if more <= 0
        else [*notes[:_MOST_LEFT_OUT], Note("left_out", "", f"and {more} more files not read as logs")]
    )


def _folders(source: Source) -> list[Path]:
    """Where the hyperparameters of a log may lie."""
    here = source.path if source.is_folder else source.path.parent
    return [here, here.parent] if here.name.startswith("checkpoint-") else [here]
