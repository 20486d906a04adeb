"""SwanLab's run folders and their ``.swanlab`` files, read without the package, login or network.

Such a file holds records (see `bayes_grpo.readers.record_file`), each a message whose field 10 is the run's beginning
and whose field 13 is a scalar: 1 its key, 2 its step, 5 its value (SwanLab 0.10, layout version 2). The config is in
``files/config.yaml``.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from bayes_grpo.errors import InputError, Note
from bayes_grpo.readers.indented import LARGEST, settings_of
from bayes_grpo.readers.log import Entry, Facts, Log, Row, Source
from bayes_grpo.readers.protobuf import fields_of, message_field, signed, text_field
from bayes_grpo.readers.record_file import cut_note, records_of
from bayes_grpo.readers.text import flatten

NAME = "SwanLab run"
ORDER = 32

_MARK = b":SWL"
_KIND = "a SwanLab run file"
_START, _SCALAR = 10, 13


def recognises(source: Source) -> bool:
    """The mark of a ``.swanlab`` file, or a run's folder with one."""
    if source.is_folder:
        return _file(source.path) is not None
    return source.head.startswith(_MARK)


def _file(folder: Path) -> Path | None:
    return next((path for path in sorted(folder.glob("*.swanlab")) if path.is_file()), None)


def read(source: Source) -> list[Log]:
    """The scalars by step, with the run's config."""
    path = (_file(source.path) or source.path) if source.is_folder else source.path
    config = _config(path.parent / "files" / "config.yaml")
    return [Log(_rows(path), label=_label(path), facts=Facts(config=config), by_step=True)]


def _label(path: Path) -> str:
    for number, message in enumerate(_messages(path)):
        if number > 50 or isinstance(message, Note):
            break
        if _START in message:
            start = message_field(message, _START)
            return text_field(start, 4) or text_field(start, 10)
    return ""


def _rows(path: Path) -> Iterator[Entry]:
    row: Row = {}
    for message in _messages(path):
        if isinstance(message, Note):
            yield message
            continue
        scalar = message_field(message, _SCALAR)
        value = message_field(scalar, 5).get(1, 0.0) if 5 in scalar else None
        if not isinstance(value, float):
            continue
        step, key = signed(scalar.get(2)), text_field(scalar, 1)
        if row and (row["step"] != step or key in row):
            yield row
            row = {}
        row = row or {"step": step}
        row[key] = value
    if row:
        yield row


def _messages(path: Path) -> Iterator[dict[int, Any] | Note]:
    """Messages of a file, and a note where it breaks off."""
    for count, data in enumerate(records_of(path, _MARK, _KIND)):
        if isinstance(data, Note):
            yield data
            return
        try:
            message = fields_of(data)
            message_field(message, _SCALAR)
        except ValueError as error:
            if not count:
                raise InputError(str(path), f"expected {_KIND}, found {error}") from error
            yield cut_note(path, str(error), count)
            return
        yield message


def _config(path: Path) -> dict[str, Any]:
    """Settings, each with its description and place beside its value."""
    try:
        with path.open(encoding="utf-8", errors="replace") as file:
            content = settings_of(file.read(LARGEST))
    except OSError:
        return {}
    return flatten({key: held.get("value") if isinstance(held, dict) else held for key, held in content.items()})
