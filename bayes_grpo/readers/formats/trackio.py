"""trackio's SQLite files, read only and with the standard library."""

import json
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

from bayes_grpo.errors import InputError
from bayes_grpo.readers.contract import Log, Row, Source
from bayes_grpo.readers.text import LONGEST, flatten

NAME = "trackio (SQLite)"
ORDER = 25

#: Seconds to wait for a writer.
_PATIENCE = 2.0


def recognises(source: Source) -> bool:
    """SQLite's mark."""
    return source.head.startswith(b"SQLite format 3\0")


def read(source: Source) -> list[Log]:
    """One log a run.

    Raises
    ------
    InputError
        If the file is locked, broken or holds other tables.
    """
    try:
        with closing(_open(source.path)) as database:
            names = {str(row[0]) for row in database.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
            if "metrics" not in names:
                found = ", ".join(sorted(names)[:8]) or "no table"
                raise InputError(str(source), f"expected trackio's table of metrics, found {found}")
            columns = {str(row[1]) for row in database.execute("PRAGMA table_info(metrics)")}
            if not {"run_name", "step", "metrics"} <= columns:
                raise InputError(
                    str(source), f"expected trackio's columns run_name, step, metrics, found {', '.join(columns)}"
                )
            key = "run_id" if "run_id" in columns else "run_name"
            runs = database.execute(
                f"SELECT {key}, MAX(run_name) FROM metrics GROUP BY {key} ORDER BY MIN(rowid)"
            ).fetchall()
            configs = _configs(database, names)
    except sqlite3.Error as error:
        raise _fault(source.path, error) from error
    if not runs:
        raise InputError(str(source), "expected logged metrics, found none; has the trainer logged anything yet?")
    return [
        Log(_rows(source.path, key, run), label=str(name), config=configs.get(run) or configs.get(name) or {})
        for run, name in runs
    ]


def _open(path: Path) -> sqlite3.Connection:
    """A connection that cannot write, and trusts nothing that the file defines."""
    with path.open("rb") as file:
        writes_ahead = file.read(19)[18:] == b"\2"
    # With a write-ahead log SQLite makes files of its own beside the database even to read it; without one there need be none.
    mode = "immutable=1" if writes_ahead and not path.with_name(f"{path.name}-wal").exists() else "mode=ro"
    database = sqlite3.connect(f"{path.resolve().as_uri()}?{mode}", uri=True, timeout=_PATIENCE)
    database.execute("PRAGMA trusted_schema = OFF")
    database.execute("PRAGMA query_only = ON")
    database.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, LONGEST)
    return database


def _configs(database: sqlite3.Connection, tables: set[str]) -> dict[Any, dict[str, Any]]:
    if "configs" not in tables:
        return {}
    columns = {str(row[1]) for row in database.execute("PRAGMA table_info(configs)")}
    key = "run_id" if "run_id" in columns else "run_name"
    found = {}
    for run, text in database.execute(f"SELECT {key}, config FROM configs"):
        content = _json(text)
        if content:
            found[run] = {k: v for k, v in flatten(content).items() if not k.startswith("_")}
    return found


def _json(text: Any) -> dict[str, Any]:
    try:
        content = json.loads(text)
    except (TypeError, ValueError, RecursionError):
        return {}
    return content if isinstance(content, dict) else {}


def _rows(path: Path, key: str, run: Any) -> Iterator[Row]:
    try:
        with closing(_open(path)) as database:
            for step, text in database.execute(
                f"SELECT step, metrics FROM metrics WHERE {key} = ? ORDER BY rowid", (run,)
            ):
                yield {"_step": step, **flatten(_json(text))}
    except sqlite3.Error as error:
        raise _fault(path, error) from error


def _fault(path: Path, error: sqlite3.Error) -> InputError:
    if "locked" in str(error) or "busy" in str(error):
        return InputError(
            str(path), "the database is locked by a program that writes it; try again when it is done, or copy it"
        )
    return InputError(str(path), f"expected trackio's SQLite file, found a broken or unreadable one ({error})")
