"""Long JSON documents piece by piece: the rows of a list are handed on as they are read, never held together."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, TextIO

from bayes_grpo.errors import InputError
from bayes_grpo.readers.text import LONGEST, broken_json, no_log, open_text

_CHUNK = 1 << 18
_SPACE = " \t\r\n"


class JsonStream:
    """Reads values and punctuation from a text file, holding only the piece at hand."""

    def __init__(self, file: TextIO, path: Path) -> None:
        self._file = file
        self._path = path
        self._text = ""
        self._at = 0
        self._line, self._column = 1, 1
        self._decoder = json.JSONDecoder()

    def peek(self) -> str:
        """The next character that is no space; '' at the end."""
        while True:
            while self._at < len(self._text) and self._text[self._at] in _SPACE:
                self._at += 1
            if self._at < len(self._text):
                return self._text[self._at]
            if not self._more():
                return ""

    def take(self, expected: str) -> str:
        """Read one character out of those expected.

        Raises
        ------
        InputError
            Where another one stands, or the file ends.
        """
        character = self.peek()
        if not character or character not in expected:
            wanted = " or ".join(repr(c) for c in expected)
            raise self._broken(
                f"expected {wanted}, found {character!r}" if character else f"expected {wanted}, found the end"
            )
        self._at += 1
        return character

    def value(self) -> Any:
        """Read one whole value.

        Raises
        ------
        InputError
            Where the text breaks off, or the value is too large for a row.
        """
        self.peek()
        wanted = _CHUNK
        while True:
            try:
                value, end = self._decoder.raw_decode(self._text, self._at)
                # A number near the end of the piece may go on in the next one.
                if isinstance(value, (int, float)) and len(self._text) - end < 32 and self._more():
                    continue
                self._at = end
                return value
            except json.JSONDecodeError as error:
                held = len(self._text) - self._at
                if held > LONGEST:
                    raise InputError(
                        str(self._path), f"expected rows, found one of over {LONGEST} characters"
                    ) from error
                while len(self._text) - self._at < max(wanted, held + 1) and self._more():
                    pass
                if len(self._text) - self._at == held:
                    raise self._broken(error.msg, error.pos) from error
                wanted *= 4
            except (RecursionError, ValueError) as error:
                raise no_log(self._path, error) from error

    def items(self) -> Iterator[Any]:
        """The values of the list that begins here."""
        self.take("[")
        if self.peek() == "]":
            self.take("]")
            return
        while True:
            yield self.value()
            if self.take(",]") == "]":
                return

    def _more(self) -> bool:
        """Read on; what lies behind is let go."""
        piece = self._file.read(_CHUNK)
        if not piece:
            return False
        passed = self._text[: self._at]
        if passed:
            self._line, self._column = _moved(self._line, self._column, passed)
        self._text = self._text[self._at :] + piece
        self._at = 0
        return True

    def _broken(self, message: str, position: int | None = None) -> InputError:
        at = self._at if position is None else min(max(position, 0), len(self._text))
        line, column = _moved(self._line, self._column, self._text[:at])
        return broken_json(self._path, line, column, message)


def _moved(line: int, column: int, text: str) -> tuple[int, int]:
    breaks = text.count("\n")
    return (line + breaks, len(text) - text.rfind("\n")) if breaks else (line, column + len(text))


def stream_list(path: Path) -> Iterator[Any]:
    """The values of a file that is one JSON list."""
    with open_text(path) as file:
        stream = JsonStream(file, path)
        yield from stream.items()


def stream_member(path: Path, name: str, others: dict[str, Any]) -> Iterator[Any]:
    """The values of the list that an object holds under a name; its other members, but for long ones, go to ``others``.

    Raises
    ------
    InputError
        If the file breaks off or holds no such list.
    """
    seen = False
    with open_text(path) as file:
        stream = JsonStream(file, path)
        stream.take("{")
        while stream.peek() != "}":
            key = stream.value()
            stream.take(":")
            if key == name and stream.peek() == "[":
                seen = True
                yield from stream.items()
            else:
                others[str(key)] = stream.value()
            if stream.take(",}") == "}":
                break
    if not seen:
        keys = ", ".join(list(others)[:8])
        raise InputError(str(path), f"{name}: expected TRL's list of log rows, found keys {keys or 'none'}")
