"""Opening files from strangers: text only, every fault with its cure, nothing ever unpickled or executed."""

import csv
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from bayes_grpo.errors import InputError

Row = dict[str, Any]


def check_text(path: Path) -> None:
    """Refuse what is not a non-empty UTF-8 text file.

    Raises
    ------
    InputError
        If the file is missing, unreadable, empty or binary.
    """
    try:
        with path.open("rb") as file:
            head = file.read(4096)
    except FileNotFoundError as error:
        raise InputError(str(path), "no such file or folder; check the path") from error
    except OSError as error:
        raise InputError(str(path), f"cannot be read ({error.strerror}); check its permissions") from error
    if not head.strip():
        raise InputError(
            str(path), "the file is empty; expected a training log (has the trainer written anything yet?)"
        )
    if b"\0" in head or head[:1] == b"\x80":
        raise InputError(str(path), "binary data, not text; expected JSON, JSONL or CSV (pickles are never opened)")


def load_json(path: Path) -> Any:
    """Parse a JSON file.

    Raises
    ------
    InputError
        With line and column where the text breaks off.
    """
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except UnicodeDecodeError as error:
        raise not_utf8(path, error) from error
    except json.JSONDecodeError as error:
        raise InputError(
            str(path),
            f"expected JSON, found a break at line {error.lineno}, column {error.colno} ({error.msg}); "
            "is the file complete, or the trainer still writing it?",
        ) from error
    except RecursionError as error:
        raise InputError(str(path), "expected a training log, found JSON nested too deeply to be one") from error


def not_utf8(path: Path, error: UnicodeDecodeError) -> InputError:
    """The fault of a file in another encoding."""
    return InputError(str(path), f"expected UTF-8 text, found byte {error.object[error.start]:#04x}; convert the file")


def json_lines(path: Path, notes: list[str]) -> Iterator[Row]:
    """Rows of a JSONL file, one object a line, nested ones flattened with '/'; a cut last line is left out and noted.

    Raises
    ------
    InputError
        With the number of a broken line.
    """
    broken: tuple[int, str] | None = None
    try:
        with path.open(encoding="utf-8") as file:
            for number, line in enumerate(file, 1):
                if not line.strip():
                    continue
                if broken is not None:
                    raise InputError(str(path), f"line {broken[0]}: expected one JSON object a line, found {broken[1]}")
                try:
                    row = json.loads(line)
                except (json.JSONDecodeError, RecursionError) as error:
                    broken = (number, f"a syntax error ({error})")
                    continue
                if not isinstance(row, dict):
                    broken = (number, f"a {type(row).__name__}")
                    continue
                yield flatten(row)
    except UnicodeDecodeError as error:
        raise not_utf8(path, error) from error
    if broken is not None:
        notes.append(f"line {broken[0]}, the last, is cut off and was left out")


def flatten(row: Row) -> Row:
    """One level of keys: {"data": {"a": 1}} becomes {"data/a": 1}; the wrapper key 'data' itself is dropped."""
    if not any(isinstance(value, dict) for value in row.values()):
        return row
    flat: Row = {}
    for key, value in row.items():
        if isinstance(value, dict):
            prefix = "" if key == "data" else f"{key}/"
            flat.update({f"{prefix}{inner}": item for inner, item in flatten(value).items()})
        else:
            flat[key] = value
    return flat


def table_rows(path: Path) -> Iterator[Row]:
    """Rows of a CSV or TSV table with a header line."""
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            header = file.readline()
            file.seek(0)
            delimiter = max("\t;,", key=header.count)
            yield from csv.DictReader(file, delimiter=delimiter)
    except UnicodeDecodeError as error:
        raise not_utf8(path, error) from error
    except csv.Error as error:
        raise InputError(str(path), f"expected a CSV table, found {error}") from error
