"""From a path to its runs, with an account of how each was understood and the faults of those that cannot be read."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from bayes_grpo.errors import InputError, NoRewardError, Note
from bayes_grpo.readers.contract import Format, WholeFormat
from bayes_grpo.readers.expressions import check_columns
from bayes_grpo.readers.find_logs import CERTAIN, Search, find
from bayes_grpo.readers.log import Log, Options, Reading, Source, reading_note
from bayes_grpo.readers.run_labels import label_of, tell_apart
from bayes_grpo.readers.sidecar import find_sidecar, read_sidecar, split_extras
from bayes_grpo.readers.text import has_zero_bytes
from bayes_grpo.readers.understand_log import understand

#: Files that were left out of a search are named up to so many.
_MOST_LEFT_OUT = 50


class _Part(NamedTuple):
    """A log, or one of several that hold one run."""

    format: Format
    source: Source
    log: Log


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
    stated, extras = split_extras("hyperparameters", hyperparameters or {})
    options = Options(stated, reward_column, step_column, run_column, step_unit, columns or {}, str(appended), extras)
    check_columns(options.columns)
    search = find(path)
    runs, parts, faults = _open(search, options, name)
    without_reward: list[tuple[NoRewardError, _Part]] = []
    for group in parts.values():
        try:
            readings, broken = _read_one(Path(path), group, options, hyperparameters_file, name, len(parts) > 1)
        except NoRewardError as error:
            without_reward.append((error, group[0]))
            continue
        except InputError as error:
            faults.append(error)
            continue
        runs += [(reading, group[0].source) for reading in readings]
        faults += broken
    readings = [reading for reading, _ in runs]
    tell_apart(readings, [source for _, source in runs])
    if readings:
        search.left_out += [(part.source, _of_run(part, error)) for error, part in without_reward]
    else:
        faults += [error for error, _ in without_reward]
    if readings and len(search.logs) > 1:
        faults = _without_texts(faults, search)
    if readings and search.left_out:
        readings[0].add_notes(*_left_out(search.left_out))
    return readings, faults


def _open(
    search: Search, options: Options, name: str | None
) -> tuple[list[tuple[Reading, Source]], dict[str, list[_Part]], list[InputError]]:
    """Runs that files hold as they are, the logs of all other runs by what tells runs apart, and faults."""
    whole: list[tuple[Reading, Source]] = []
    parts: dict[str, list[_Part]] = {}
    faults: list[InputError] = []
    for _, format_, source in search.logs:
        try:
            if isinstance(format_, WholeFormat):
                whole += [(reading, source) for reading in format_.read_whole(source, options, name)]
                continue
            for number, log in enumerate(format_.read(source)):
                parts.setdefault(log.same_run or f"{source}#{number}", []).append(_Part(format_, source, log))
        except InputError as error:
            faults.append(error)
    return whole, parts, faults


def _of_run(part: _Part, error: InputError) -> str:
    """The faults of one run, named where its file holds several."""
    faults = "; ".join(error.faults)
    return f"run {part.log.label}: {faults}" if part.log.label else faults


def _without_texts(faults: list[InputError], search: Search) -> list[InputError]:
    """The faults of logs: text that a search found and that is no log is no fault of the runs found beside it."""
    texts = {str(candidate.source) for candidate in search.logs if candidate.format.ORDER >= CERTAIN}
    # They come first: of many files that are left out not all are named.
    search.left_out[:0] = [(Source(Path(f.where)), "; ".join(f.faults)) for f in faults if f.where in texts]
    return [fault for fault in faults if fault.where not in texts]


def _read_one(
    path: Path,
    group: list[_Part],
    options: Options,
    file: str | Path | None,
    name: str | None,
    several: bool,
) -> tuple[list[Reading], list[InputError]]:
    """The runs of one log, or of one run's parts."""
    format_, source, first = group[0]
    logs = [part.log for part in group]
    sidecar = Path(file) if file else find_sidecar(source.path, _folders(source))
    beside: dict[str, Any] = {}
    extras: dict[str, Any] = {}
    notes = []
    if len(logs) > 1:
        order = ", ".join(str(part.source) for part in group)
        notes.append(reading_note("", f"one run in {len(logs)} parts, read in this order: {order}"))
    if any(has_zero_bytes(part.source) for part in group):
        notes.append(reading_note("", "zero bytes, as a crash or a truncation of the file leaves them, were left out"))
    if sidecar is not None and not source.address:
        beside, extras = read_sidecar(sidecar)
        notes.append(reading_note("", f"hyperparameters read from {sidecar.name}"))
    extras |= options.extras
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
    if more <= 0:
        return notes
    return [*notes[:_MOST_LEFT_OUT], Note("left_out", "", f"and {more} more files not read as logs")]


def _folders(source: Source) -> list[Path]:
    """Where the hyperparameters of a log may lie."""
    here = source.path if source.is_folder else source.path.parent
    return [here, here.parent] if here.name.startswith("checkpoint-") else [here]
