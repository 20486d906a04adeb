"""Opening text from strangers: encodings, broken lines, every fault with its cure; nothing is unpickled or executed."""

import codecs
import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TextIO

from bayes_grpo.errors import InputError, Note
from bayes_grpo.readers.column_names import SUMMARY_KEYS
from bayes_grpo.readers.log import HEAD, Row, Source, reading_note
from bayes_grpo.readers.zero_bytes import first_text, has_runs, open_filled, without_runs

#: First bytes of what is no log, and what is said of it.
_ARCHIVE = "a compressed or packed archive; unpack it and name the log inside (archives are never unpacked here)"
_MAGIC = (
    (b"\x1f\x8b", _ARCHIVE),
    (b"BZh", _ARCHIVE),
    (b"\xfd7zXZ", _ARCHIVE),
    (b"\x28\xb5\x2f\xfd", _ARCHIVE),
    (b"7z\xbc\xaf", _ARCHIVE),
    (b"PK\x03\x04", f"{_ARCHIVE[:-1]}; PyTorch's .pt and .bin files, which hold pickles, look like this too)"),
)

#: One row or element longer than this is no log.
LONGEST = 1 << 26


def encoding_of(head: bytes) -> str:
    """The encoding that a byte order mark tells, else UTF-8."""
    for mark, name in (
        (codecs.BOM_UTF8, "utf-8-sig"),
        (codecs.BOM_UTF16_LE, "utf-16"),
        (codecs.BOM_UTF16_BE, "utf-16"),
    ):
        if head.startswith(mark):
            return name
    return "utf-8"


def text_head(source: Source) -> str:
    """The first characters of a text file without its byte order mark; '' for what is no text.

    Raises
    ------
    InputError
        If the file is missing or cannot be read.
    """
    head = _text_bytes(source)
    if head is None:
        return ""
    encoding = encoding_of(head)
    return head.decode(encoding, errors="replace").lstrip("\ufeff")


def _text_bytes(source: Source) -> bytes | None:
    """The first bytes of a text file, runs of zero bytes as line breaks; None for what is no text."""
    head = source.head
    if b"\0" not in head or encoding_of(head) == "utf-16":
        return head
    if "text" not in source.memo:
        source.memo["text"] = without_runs(head if head.strip(b"\0") else first_text(source.path, HEAD))
    text: bytes | None = source.memo["text"]
    return text


def check_text(source: Source) -> None:
    """Refuse what is not a non-empty text file.

    Raises
    ------
    InputError
        If the file is missing, unreadable, empty, an archive or otherwise binary.
    """
    head = source.head
    text = _text_bytes(source)
    if text is not None and not text.strip(b" \t\r\n\xef\xbb\xbf"):
        raise InputError(
            str(source), "the file is empty; expected a training log (has the trainer written anything yet?)"
        )
    for magic, kind in _MAGIC:
        if head.startswith(magic):
            raise InputError(str(source), f"expected a training log, found {kind}")
    if head[257:262] == b"ustar":
        raise InputError(str(source), f"expected a training log, found {_ARCHIVE}")
    if head[:1] == b"\x80" or text is None:
        raise InputError(
            str(source),
            "binary data, not text; expected a training log in one of the formats of the documentation (pickles are "
            "never opened)",
        )


def has_zero_bytes(source: Source) -> bool:
    """Whether a text file has runs of zero bytes where it begins or ends."""
    if source.address or source.is_folder or encoding_of(source.head) == "utf-16" or not text_head(source).strip():
        return False
    return has_runs(source.path, source.head, HEAD)


@contextmanager
def open_text(path: Path, newline: str | None = None, errors: str = "strict") -> Iterator[TextIO]:
    """Open a text file in the encoding that its first bytes tell, zero bytes as line breaks; ``errors`` as of `open`.

    Raises
    ------
    InputError
        Where it holds bytes of another encoding.
    """
    with path.open("rb") as file:
        encoding = encoding_of(file.read(4))
    try:
        if encoding == "utf-16":
            opened: TextIO = path.open(encoding=encoding, newline=newline, errors=errors)
        else:
            opened = open_filled(path, encoding, newline, errors)
        with opened as text:
            yield text
    except UnicodeDecodeError as error:
        raise not_utf8(path, error) from error
    except UnicodeError as error:
        raise InputError(str(path), f"expected text, found a broken encoding ({error})") from error


def not_utf8(path: Path, error: UnicodeDecodeError) -> InputError:
    """The fault of a file in another encoding."""
    expected = "UTF-16" if error.encoding.startswith("utf-16") else "UTF-8"
    byte = error.object[error.start]
    return InputError(str(path), f"expected {expected} text, found byte {byte:#04x}; convert the file")


def lines_of(file: TextIO, path: Path) -> Iterator[str]:
    """Lines of a file, none of them longer than a log's can be.

    Raises
    ------
    InputError
        If a line is longer.
    """
    number = 0
    while line := file.readline(LONGEST):
        number += 1
        if len(line) >= LONGEST:
            raise InputError(str(path), f"line {number}: expected a row of a log, found more than {LONGEST} characters")
        yield line


def load_json(path: Path) -> Any:
    """Parse a small JSON file.

    Raises
    ------
    InputError
        With line and column where the text breaks off.
    """
    try:
        with open_text(path) as file:
            return json.load(file)
    except InputError:
        raise
    except json.JSONDecodeError as error:
        raise broken_json(path, error.lineno, error.colno, error.msg) from error
    except (RecursionError, ValueError) as error:
        raise no_log(path, error) from error


def no_log(path: Path, error: Exception) -> InputError:
    """The fault of JSON that is whole and yet no log."""
    fault = "JSON nested too deeply" if isinstance(error, RecursionError) else "a number of too many digits"
    return InputError(str(path), f"expected a training log, found {fault} to be one")


def broken_json(path: Path, line: int, column: int, message: str) -> InputError:
    """The fault of JSON that breaks off."""
    return InputError(
        str(path),
        f"expected JSON, found a break at line {line}, column {column} ({message}); is the file complete, or the "
        "trainer still writing it?",
    )


def json_lines(path: Path) -> Iterator[Row | Note]:
    """Rows of a JSONL file, one object a line, nested ones flattened with '/'.

    A cut last line, and the summary that a trainer writes at the end, are left out and noted.

    Raises
    ------
    InputError
        With the number of a broken line.
    """
    broken: tuple[int, str] | None = None
    with open_text(path) as file:
        for number, line in enumerate(lines_of(file, path), 1):
            if not line.strip():
                continue
            if broken is not None:
                raise InputError(str(path), f"line {broken[0]}: expected one JSON object a line, found {broken[1]}")
            try:
                row = json.loads(line)
            except (ValueError, RecursionError) as error:
                broken = (number, f"a syntax error ({error})")
                continue
            if not isinstance(row, dict):
                broken = (number, f"a {type(row).__name__}")
                continue
            if not SUMMARY_KEYS.isdisjoint(row) and row.keys().isdisjoint(("reward", "optimizer_step")):
                yield reading_note("", f"line {number}, a summary of training, was left out")
                continue
            yield flatten(row, wrapper="data")  # some write {"step": 1, "data": {...}}
    if broken is not None:
        if "syntax" not in broken[1]:
            raise InputError(str(path), f"line {broken[0]}: expected one JSON object a line, found {broken[1]}")
        yield reading_note("", f"line {broken[0]}, the last, is cut off and was left out")


def flatten(row: Row, wrapper: str = "", depth: int = 20) -> Row:
    """One level of keys: {"a": {"b": 1}} becomes {"a/b": 1}; the key of a wrapper is left out."""
    if not any(isinstance(value, dict) for value in row.values()):
        return row
    flat: Row = {}
    for key, value in row.items():
        if isinstance(value, dict) and depth > 0:
            prefix = "" if key == wrapper else f"{key}/"
            flat.update({f"{prefix}{inner}": item for inner, item in flatten(value, "", depth - 1).items()})
        else:
            flat[key] = value
    return flat


#: A number, word or escape of JSON that is cut breaks so many characters before the end at most.
_LONGEST_WORD = 16


def is_json(source: Source) -> bool:
    """Whether a file is JSON, or JSON lines, rather than text that begins with a bracket."""
    if not begins_like_json(source):
        return False
    head = text_head(source).strip()
    end = 0
    while end < len(head) and (end == 0 or head[end] in "{["):
        try:
            _, end = json.JSONDecoder().raw_decode(head, end)
        except json.JSONDecodeError as error:
            # Longer than the head, or still being written: it breaks at the end. Text that only begins like JSON
            # breaks before.
            longer = source.path.stat().st_size > len(source.head)
            cut = longer and error.msg.startswith("Unterminated string")
            return cut or error.pos >= len(head) - (_LONGEST_WORD if longer else 1)
        except (ValueError, RecursionError):
            return True
        while end < len(head) and head[end].isspace():
            end += 1
    return end == len(head)


#: Keys of the text in the JSON lines that loggers and containers write of what was printed.
_MESSAGES = ("message", "log", "msg", "text", "line")


def message_in(line: str) -> str:
    """The printed text in a logger's JSON line; the line itself where it is none."""
    try:
        content = json.loads(line)
    except (ValueError, RecursionError):
        return line
    if not isinstance(content, dict):
        return line
    text = next((content[key] for key in _MESSAGES if isinstance(content.get(key), str)), None)
    return line if text is None or _has_metrics(content) else text


def holds_messages(source: Source) -> bool:
    """Whether a file's first line is a logger's, with printed text in it and no metrics."""
    first = text_head(source).lstrip().split("\n", 1)[0]
    return first.startswith('{"') and message_in(first) is not first


def _has_metrics(content: dict[str, Any]) -> bool:
    """Whether a row has figures beside what loggers add: a time, a line number, a process."""
    figures = [key for key, value in content.items() if isinstance(value, float) or "reward" in key.lower()]
    return any(key not in ("timestamp", "time", "created", "relativeCreated", "msecs", "ts") for key in figures)


def begins_like_json(source: Source) -> bool:
    """Whether a file begins as a JSON object or list does, whole or broken."""
    head = text_head(source).lstrip()
    return _OBJECT.match(head) is not None or _LIST.match(head) is not None


#: A JSON list, and no timestamp or number in brackets.
_LIST = re.compile(r"""\[\s*(?:[{\["\]]|$|-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?\s*(?:,\s*(?:[-\d{"\[]|$)|\]\s*$|$))""")
_OBJECT = re.compile(r'\{\s*(?:"|\}|$)')
