"""W&B run folders and their ``.wandb`` files, read without login, network or service.

Such a file is a header of 7 bytes, then LevelDB's log format: blocks of 32 KiB with records, whole or in parts, each a
``wandb_internal_pb2.Record``. The package's own reader of it is gone since 0.31; its message definitions are used.
"""

import json
import re
import struct
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO

from bayes_grpo.errors import InputError
from bayes_grpo.readers.contract import Log, Row, Source
from bayes_grpo.readers.optional import need
from bayes_grpo.readers.text import LONGEST, flatten

NAME = "W&B run"
ORDER = 30

_MARK = b":W&B"
_HEADER, _BLOCK, _RECORD = 7, 32768, 7
_WHOLE, _FIRST, _MIDDLE, _LAST = 1, 2, 3, 4


def recognises(source: Source) -> bool:
    """The mark of a ``.wandb`` file, or a folder with one."""
    if source.is_folder:
        return _file(source.path) is not None
    return source.head.startswith(_MARK)


def _file(folder: Path) -> Path | None:
    return next((path for path in sorted(folder.glob("run-*.wandb")) if path.is_file()), None)


def read(source: Source) -> list[Log]:
    """The history, with the run's config; folders of one run id are parts of one run."""
    path = (_file(source.path) or source.path) if source.is_folder else source.path
    records = need("wandb.proto.wandb_internal_pb2", str(path), "W&B run files")
    log = Log([], same_run=f"wandb {path.parent.parent} {path.stem}" if path.stem.startswith("run-") else "")
    # The run's name stands in one of the first records.
    for number, record in enumerate(_records(path, records, [])):
        if record.WhichOneof("record_type") == "run":
            log.label = record.run.display_name or record.run.run_id
            break
        if number > 50:
            break
    version = _installed(path.parent / "files" / "requirements.txt", "trl")
    if version:
        log.extras["trl_version"] = version
    log.rows = _rows(path, records, log)
    return [log]


def _rows(path: Path, records: Any, log: Log) -> Iterator[Row]:
    for record in _records(path, records, log.notes):
        kind = record.WhichOneof("record_type")
        if kind == "history":
            row: Row = {}
            for item in record.history.item:
                text = item.value_json
                if text[:1] not in ("[", "{") and len(text) < 100:
                    row["/".join(item.nested_key) or item.key] = _value(text)
            row.setdefault("_step", record.history.step.num)
            yield row
        elif kind in ("run", "config"):
            for item in (record.run.config if kind == "run" else record.config).update:
                key = "/".join(item.nested_key) or item.key
                if key != "_wandb":
                    log.config |= flatten({key: _value(item.value_json)})


def _value(text: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None


def _records(path: Path, records: Any, notes: list[str]) -> Iterator[Any]:
    """Records of a file, to its end or the first break; a break is noted.

    Raises
    ------
    InputError
        If not even one record is whole.
    """
    decode_error = need("google.protobuf.message", str(path), "W&B run files").DecodeError

    count = 0
    try:
        with path.open("rb") as file:
            for data in _log_records(file):
                yield records.Record.FromString(data)
                count += 1
    except (_Broken, decode_error) as error:
        if not count:
            raise InputError(str(path), f"expected a W&B run file, found {error or 'no record'}") from error
        notes.append(
            f"{path.name}: {error} after {count} records, the last ones were left out; is the run still being written?"
        )
    except OSError as error:
        raise InputError(str(path), f"cannot be read ({error.strerror})") from error


class _Broken(Exception):
    """The file breaks off, or is damaged."""


def _log_records(file: BinaryIO) -> Iterator[bytes]:
    """Payloads of a log in LevelDB's format, checked by their CRC."""
    if not file.read(_HEADER).startswith(_MARK):
        raise _Broken("another header")
    at = _HEADER
    parts: list[bytes] = []
    while True:
        left = _BLOCK - at % _BLOCK
        if left < _RECORD:
            file.read(left)
            at += left
            continue
        head = file.read(_RECORD)
        if not head:
            if parts:
                raise _Broken("a record that is cut off")
            return
        if len(head) < _RECORD:
            raise _Broken("a record that is cut off")
        crc, length, kind = struct.unpack("<IHB", head)
        data = file.read(length)
        if len(data) < length:
            raise _Broken("a record that is cut off")
        at += _RECORD + length
        if kind not in (_WHOLE, _FIRST, _MIDDLE, _LAST) or zlib.crc32(data, zlib.crc32(bytes([kind]))) != crc:
            raise _Broken("a damaged record")
        if kind in (_WHOLE, _FIRST):
            parts = []
        parts.append(data)
        if sum(map(len, parts)) > LONGEST:
            raise _Broken("a record too long for a run's")
        if kind in (_WHOLE, _LAST):
            yield b"".join(parts)
            parts = []


def _installed(path: Path, package: str) -> str:
    """The version of a package in the run's list of requirements."""
    try:
        text = path.read_text(encoding="utf-8", errors="replace")[:1_000_000]
    except OSError:
        return ""
    found = re.search(rf"^{package}==(\S+)", text, re.MULTILINE)
    return found[1] if found else ""
