"""MLflow: its SQLite store, and the older folders with a file for each metric."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

from bayes_grpo.errors import InputError
from bayes_grpo.readers.indented import LARGEST, settings_of
from bayes_grpo.readers.log import Entry, Facts, Log, Row, Source, reading_note
from bayes_grpo.readers.sqlite import columns_of, fault, has_columns, open_database
from bayes_grpo.readers.values import number

NAME = "MLflow run"
ORDER = 24

_KIND = "MLflow's SQLite file"
_COLUMNS = {"key", "value", "step", "run_uuid"}


def recognises(source: Source) -> bool:
    """A database with MLflow's table of metrics; a run's folder with ``metrics`` and what describes it."""
    if source.is_folder:
        folder = source.path
        return (folder / "metrics").is_dir() and ((folder / "meta.yaml").is_file() or (folder / "params").is_dir())
    return has_columns(source, "metrics", _COLUMNS)


def read(source: Source) -> list[Log]:
    """One log a run, its metrics joined by step.

    Raises
    ------
    InputError
        If the store is locked or broken, or holds no metrics.
    """
    return [_folder(source.path)] if source.is_folder else _database(source.path)


def _database(path: Path) -> list[Log]:
    try:
        with closing(open_database(path)) as database:
            names = dict(database.execute("SELECT run_uuid, name FROM runs")) if columns_of(database, "runs") else {}
            runs = [
                run
                for (run,) in database.execute("SELECT run_uuid FROM metrics GROUP BY run_uuid ORDER BY MIN(timestamp)")
            ]
            config: dict[str, dict[str, Any]] = {}
            for run, key, value in database.execute("SELECT run_uuid, key, value FROM params"):
                config.setdefault(run, {})[_joined(key)] = value
    except sqlite3.Error as error:
        raise fault(path, _KIND, error) from error
    if not runs:
        raise InputError(str(path), "expected logged metrics, found none; has the trainer logged anything yet?")
    return [
        Log(_rows(path, run), label=str(names.get(run) or run), facts=Facts(config=config.get(run, {})), by_step=True)
        for run in runs
    ]


def _rows(path: Path, run: str) -> Iterator[Entry]:
    try:
        with closing(open_database(path)) as database:
            query = "SELECT step, key, value FROM metrics WHERE run_uuid = ? ORDER BY step, timestamp"
            row: Row = {}
            for step, key, value in database.execute(query, (run,)):
                if row and (row["step"] != step or key in row):
                    yield row
                    row = {}
                row = row or {"step": step}
                row[key] = value
            if row:
                yield row
    except sqlite3.Error as error:
        raise fault(path, _KIND, error) from error


def _folder(folder: Path) -> Log:
    config = {
        _joined(path.relative_to(folder / "params").as_posix()): _text(path) for path in _files(folder / "params")
    }
    about = settings_of(_text(folder / "meta.yaml"))
    label = str(about.get("run_name") or _text(folder / "tags" / "mlflow.runName") or folder.name)
    return Log(_lines(folder / "metrics"), label=label, facts=Facts(config=config), by_step=True)


def _lines(folder: Path) -> Iterator[Entry]:
    """Rows of the metrics' files, whose lines are ``timestamp value step``."""
    for path in _files(folder):
        key, broken = path.relative_to(folder).as_posix(), 0
        with path.open(encoding="utf-8", errors="replace") as file:
            stepped = len(file.readline().split()) > 2
            file.seek(0)
            for place, line in enumerate(file, 1):
                cells = line.split()
                try:
                    yield {"step": int(cells[2]) if stepped else place, key: number(cells[1])}
                except (IndexError, ValueError):
                    broken += 1
        if broken:
            yield reading_note(
                key, f"metrics/{key}: {broken} lines that are no timestamp, value and step were left out"
            )


def _files(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.is_file()) if folder.is_dir() else []


def _text(path: Path) -> str:
    try:
        with path.open(encoding="utf-8", errors="replace") as file:
            return file.read(LARGEST).strip()
    except OSError:
        return ""


def _joined(key: str) -> str:
    """A setting's key with '/' between its parts, as all configs have it."""
    return key.replace(".", "/")
