"""Paths, folders, globs and lists of them -> runs, one after another, with what could not be read."""

import glob
from collections.abc import Iterator, Mapping, MutableMapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import xarray as xr

from bayes_grpo.errors import InputError
from bayes_grpo.readers import read_log
from bayes_grpo.readers.find_logs import find

#: A folder with more logs than this is read log by log; in a smaller one, parts of one run are joined.
MOST_TOGETHER = 100
#: Endings of files that hold rows and nothing else.
TABLES = (".csv", ".tsv", ".jsonl")


class Item(NamedTuple):
    """A run of a log, or what is wrong with it; ``place`` counts logs and ``logs`` is how many there are."""

    source: str
    run: xr.Dataset | None
    error: str
    place: int
    logs: int


def find_logs(paths: Sequence[str | Path], left_out: MutableMapping[str, str] | None = None) -> list[str]:
    """Logs of all paths, each once, in the order of the paths.

    Parameters
    ----------
    paths : sequence of str or Path
        Logs, folders, patterns (``runs/*.csv``), and lists of them: a name that begins with ``@`` is a text file with a
        path a line.
    left_out : mutable mapping, optional
        Takes up the files below folders that are no logs, each with the reason.

    Raises
    ------
    InputError
        If a pattern matches nothing, or a list cannot be read; all faults at once.
    """
    logs: dict[str, None] = {}
    left_out = {} if left_out is None else left_out
    faults = []
    for path in paths:
        text = str(path)
        try:
            for entry in _listed(text[1:]) if text.startswith("@") else _matches(text):
                logs |= dict.fromkeys(_below(entry, left_out))
        except InputError as error:
            faults += [f"{error.where}: {fault}" for fault in error.faults]
    if faults:
        raise InputError("batch", faults)
    return list(logs)


def read_items(logs: Sequence[str], options: Mapping[str, Any], left_out: MutableMapping[str, str]) -> Iterator[Item]:
    """The runs of logs, as they are read, and what cannot be read; files that are no logs go to ``left_out``.

    Of texts beside the logs of a folder that speak of rewards and cannot be read, tables are logs with a fault; others,
    such as a description of the run, are no logs.
    """
    for place, log in enumerate(logs):
        try:
            readings, faults = read_log(log, **options)
        except InputError as error:
            yield Item(log, None, str(error), place, len(logs))
            continue
        for reading in readings:
            for label in reading.run["run"].values:
                yield Item(log, reading.run.sel(run=[label]), "", place, len(logs))
            for note in reading.notes:
                if note.kind != "left_out" or not note.subject or note.subject in left_out:
                    continue
                if note.subject.endswith(TABLES):
                    yield Item(note.subject, None, note.text, place, len(logs))
                else:
                    left_out[note.subject] = note.text.partition(f"{note.subject}: ")[2]
        for fault in faults:
            yield Item(fault.where or log, None, str(fault), place, len(logs))


def _listed(name: str) -> list[str]:
    path = Path(name)
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(name, f"expected a text file with a path a line, which cannot be read ({error})") from error
    entries = [line.strip() for line in lines if line.strip() and not line.lstrip().startswith("#")]
    if not entries:
        raise InputError(name, "expected a path a line, found none")
    return [str(path.parent / entry) if not _is_address(entry) else entry for entry in entries]


def _matches(text: str) -> list[str]:
    if _is_address(text) or Path(text).exists() or not glob.has_magic(text):
        return [text]
    matches = sorted(glob.glob(text, recursive=True))
    if not matches:
        raise InputError(text, "expected a pattern that matches logs, found that nothing matches")
    return matches


def _below(entry: str, left_out: MutableMapping[str, str]) -> list[str]:
    """A log, or the logs of a folder where there are many; files that are no logs go to ``left_out``."""
    if _is_address(entry) or not Path(entry).is_dir():
        return [entry]
    try:
        search = find(entry)
    except InputError:
        return [entry]  # it is said when it is read
    candidates = search.logs
    left_out.update({str(source): reason for source, reason in search.left_out})
    by_folder: dict[str, list[str]] = {}
    for item in candidates:
        by_folder.setdefault(str(item.source.path.parent), []).append(str(item.source.path))
    if len(candidates) == 1:
        return [entry]
    return [log for folder, logs in by_folder.items() for log in ([folder] if 1 < len(logs) <= MOST_TOGETHER else logs)]


def _is_address(text: str) -> bool:
    return text.startswith(("wandb:", "https://"))
