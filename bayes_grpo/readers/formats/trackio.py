"""trackio's SQLite files, read only and with the standard library."""

import json
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

from bayes_grpo.errors import InputError
from bayes_grpo.readers.log import Facts, Log, Row, Source
from bayes_grpo.readers.sqlite import columns_of, fault, is_database, open_database
from bayes_grpo.readers.text import flatten

NAME = "trackio (SQLite)"
ORDER = 25

_KIND = "trackio's SQLite file"


def recognises(source: Source) -> bool:
    """SQLite's mark."""
    return is_database(source)


def read(source: Source) -> list[Log]:
    """One log a run.

    Raises
    ------
    InputError
        If the file is locked, broken or holds other tables.
    """
    try:
        with closing(open_database(source.path)) as database:
            names = {str(row[0]) for row in database.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
            if "metrics" not in names:
                tables = ", ".join(sorted(names)[:8]) or "no table"
                raise InputError(str(source), f"expected a table of metrics of trackio or MLflow, found {tables}")
            columns = columns_of(database, "metrics")
            if not {"run_name", "step", "metrics"} <= columns:
                raise InputError(
                    str(source),
                    f"expected trackio's columns run_name, step, metrics, found {', '.join(sorted(columns))}",
                )
            key = "run_id" if "run_id" in columns else "run_name"
            runs = database.execute(
                f"SELECT {key}, MAX(run_name) FROM metrics GROUP BY {key} ORDER BY MIN(rowid)"
            ).fetchall()
            configs = _configs(database, names)
    except sqlite3.Error as error:
        raise fault(source.path, _KIND, error) from error
    if not runs:
        raise InputError(str(source), "expected logged metrics, found none; has the trainer logged anything yet?")
    return [
        Log(
            _rows(source.path, key, run),
            label=str(name),
            facts=Facts(config=configs.get(run) or configs.get(name) or {}),
        )
        for run, name in runs
    ]


def _configs(database: sqlite3.Connection, tables: set[str]) -> dict[Any, dict[str, Any]]:
    if "configs" not in tables:
        return {}
    columns = columns_of(database, "configs")
    key = "run_id" if "run_id" in columns else "run_name"
    configs = {}
    for run, text in database.execute(f"SELECT {key}, config FROM configs"):
        content = _json(text)
        if content:
            configs[run] = {k: v for k, v in flatten(content).items() if not k.startswith("_")}
    return configs


def _json(text: Any) -> dict[str, Any]:
    try:
        content = json.loads(text)
    except (TypeError, ValueError, RecursionError):
        return {}
    return content if isinstance(content, dict) else {}


def _rows(path: Path, key: str, run: Any) -> Iterator[Row]:
    try:
        with closing(open_database(path)) as database:
            for step, text in database.execute(
                f"SELECT step, metrics FROM metrics WHERE {key} = ? ORDER BY rowid", (run,)
            ):
                yield {"_step": step, **flatten(_json(text))}
    except sqlite3.Error as error:
        raise fault(path, _KIND, error) from error
