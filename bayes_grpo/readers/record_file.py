"""Files of records in LevelDB's log format, as W&B and SwanLab write them.

A header of 7 bytes, then blocks of 32 KiB with records, whole or in parts, each with its checksum.
"""

import struct
import zlib
from collections.abc import Iterator
from pathlib import Path

from bayes_grpo.errors import InputError, Note
from bayes_grpo.readers.log import reading_note
from bayes_grpo.readers.text import LONGEST

_HEADER, _BLOCK, _RECORD = 7, 32768, 7
_WHOLE, _FIRST, _MIDDLE, _LAST = 1, 2, 3, 4


class _Broken(Exception):
    """The file breaks off, or is damaged."""


def records_of(path: Path, mark: bytes, kind: str) -> Iterator[bytes | Note]:
    """Payloads of a file's records, to its end or the first break; a break is noted.

    Parameters
    ----------
    path : Path
        The file.
    mark : bytes
        What it begins with.
    kind : str
        What it is called in messages.

    Raises
    ------
    InputError
        If not even one record is whole.
    """
    count = 0
    try:
        for data in _payloads(path, mark):
            yield data
            count += 1
    except _Broken as error:
        if not count:
            raise InputError(str(path), f"expected {kind}, found {error}") from error
        yield cut_note(path, str(error), count)
    except OSError as error:
        raise InputError(str(path), f"cannot be read ({error.strerror})") from error


def cut_note(path: Path, what: str, count: int) -> Note:
    """What is said of a file of which only the first records could be read."""
    text = f"{path.name}: {what} after {count} records, the last ones were left out; is the run still being written?"
    return reading_note("", text)


def _payloads(path: Path, mark: bytes) -> Iterator[bytes]:
    with path.open("rb") as file:
        if not file.read(_HEADER).startswith(mark):
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
