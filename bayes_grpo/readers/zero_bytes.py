"""Text with runs of zero bytes in it, as a crash of the machine, or truncation under an open writer, leaves them."""

import io
import re
from collections.abc import Buffer
from pathlib import Path
from typing import TextIO

_RUN = re.compile(rb"\0+")
#: Bytes that no printed text has: control characters other than breaks, tabs and what steers terminals.
_BINARY = re.compile(rb"[\x01-\x06\x0e-\x1a\x1c-\x1f]")
_BUFFER = 1 << 18
#: Files that begin with more zero bytes are no logs.
_MOST = 1 << 26


def without_runs(head: bytes) -> bytes | None:
    """The first bytes of a file with a line break for each run of zero bytes; None for what is no text."""
    filled = _RUN.sub(b"\n", head)
    breaks = filled.count(b"\n")
    # Zeros in binary data, and in UTF-16 without a mark, stand between single characters.
    if _BINARY.search(filled) or 2 * len(_RUN.findall(head)) > breaks + 1:
        return None
    return filled


def first_text(path: Path, size: int) -> bytes:
    """The first bytes of a file after the zero bytes that it begins with."""
    with path.open("rb") as file:
        for _ in range(_MOST // size):
            piece = file.read(size)
            if not piece or piece.strip(b"\0"):
                return piece.lstrip(b"\0")
    return b""


def has_runs(path: Path, head: bytes, size: int) -> bool:
    """Whether zero bytes stand in the first or the last bytes of a file."""
    if b"\0" in head:
        return True
    with path.open("rb") as file:
        end = file.seek(0, io.SEEK_END)
        file.seek(max(0, end - size))
        return b"\0" in file.read(size)


def open_filled(path: Path, encoding: str, newline: str | None, errors: str) -> TextIO:
    """Open a text file with a line break for each run of zero bytes."""
    raw = io.BufferedReader(_Filled(path), _BUFFER)
    return io.TextIOWrapper(raw, encoding=encoding, newline=newline, errors=errors)


class _Filled(io.RawIOBase):
    """A file's bytes, each run of zeros as a line break."""

    def __init__(self, path: Path) -> None:
        self._file = path.open("rb", buffering=0)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Buffer) -> int:
        view = memoryview(buffer)
        piece = self._file.read(len(view))
        if b"\0" in piece:
            piece = _RUN.sub(b"\n", piece)
        view[: len(piece)] = piece
        return len(piece)

    def close(self) -> None:
        self._file.close()
        super().close()
