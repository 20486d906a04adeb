"""Databases of trackers (SQLite), read only; nothing that a file defines is run."""

import sqlite3
from contextlib import closing
from pathlib import Path

from bayes_grpo.errors import InputError
from bayes_grpo.readers.log import Source
from bayes_grpo.readers.text import LONGEST

#: Seconds to wait for a writer.
_PATIENCE = 2.0


def is_database(source: Source) -> bool:
    """Whether a file has SQLite's mark."""
    return source.head.startswith(b"SQLite format 3\0")


def open_database(path: Path) -> sqlite3.Connection:
    """A connection that cannot write, and trusts nothing that the file defines."""
    with path.open("rb") as file:
        writes_ahead = file.read(19)[18:] == b"\2"
    # With a write-ahead log SQLite makes files of its own beside the database even to read it; without one there
    # need be none.
    mode = "immutable=1" if writes_ahead and not path.with_name(f"{path.name}-wal").exists() else "mode=ro"
    database = sqlite3.connect(f"{path.resolve().as_uri()}?{mode}", uri=True, timeout=_PATIENCE)
    database.execute("PRAGMA trusted_schema = OFF")
    database.execute("PRAGMA query_only = ON")
    database.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, LONGEST)
    return database


def columns_of(database: sqlite3.Connection, table: str) -> set[str]:
    """Names of a table's columns; none where there is no such table."""
    return {str(row[1]) for row in database.execute(f"PRAGMA table_info({table})")}


def has_columns(source: Source, table: str, columns: set[str]) -> bool:
    """Whether a file is a database with a table that has these columns; a broken one has not."""
    if not is_database(source):
        return False
    try:
        with closing(open_database(source.path)) as database:
            return columns <= columns_of(database, table)
    except (sqlite3.Error, OSError):
        return False


def fault(path: Path, kind: str, error: sqlite3.Error) -> InputError:
    """The fault of a database that cannot be read."""
    if "locked" in str(error) or "busy" in str(error):
        return InputError(
            str(path), "the database is locked by a program that writes it; try again when it is done, or copy it"
        )
    return InputError(str(path), f"expected {kind}, found a broken or unreadable one ({error})")
