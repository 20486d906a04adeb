"""Python's dicts and JSON objects among other text: TRL, ms-swift, slime, SkyRL, ROLL and whoever prints what it logs.

An OrderedDict may show itself as a list of pairs. An object may be spread over several lines, as pprint does it, with
those of other processes between them, and named by words before it: ``step 5: {...}``.
"""

import ast
import json
import re
from collections.abc import Iterable, Iterator
from typing import Any

from bayes_grpo.readers.column_words import is_step, reward_rank
from bayes_grpo.readers.log import Row
from bayes_grpo.readers.printed_pairs import PairLists
from bayes_grpo.readers.text import flatten
from bayes_grpo.readers.values import is_number

NAME = "printed dicts"
ORDER = 10
COUNTED = True

_FLAT = re.compile(r"\{\s*(['\"])[^{}]*\}")
_OPEN = re.compile(r"\{\s*(?:['\"]|$)")
#: What stands before an object that is a member of another.
_MEMBER = re.compile(r"['\"]\s*:\s*$")
#: A line of an object that is spread over lines; other processes may print between them.
_LINE = re.compile(r"\s*(?:(['\"])[^'\"]+\1\s*:|[\[\](){},\s]+$)")
_BARE = re.compile(r"(?<=[:,\[] )(nan|inf|-inf|NaN|Infinity|-Infinity)(?=\s*[,}\])])")
_WRAPPED = re.compile(r"(?:np|numpy)\.\w+\(([^()]*)\)|tensor\(([^(),]*)[^()]*\)")
_HEADER = re.compile(
    r"(?:^|[^\w/])(rollout|global[_ ]step|step|iteration|iter|eval|perf|train)\s*[:=#]?\s*(\d+)\s*[:=-]*\s*$",
    re.IGNORECASE,
)
#: An object of more lines or characters is none that was logged.
_MOST_LINES, _MOST_CHARACTERS = 500, 1_000_000
_NESTED = (list, tuple, dict, set, bytes)
#: Names of objects that only wrap the metrics.
_WRAPPERS = ("metrics", "data", "logs")


def rows(lines: Iterable[str]) -> Iterator[Row]:
    """Rows of all objects with a number in them."""
    held, pair_lists = _Held(), PairLists()
    header: tuple[str, int] | None = None
    for line in lines:
        if "[{" in line and (several := _several(line)) is not None:
            yield from several
            continue
        row = _in_line(line, header) if "{" in line and "}" in line else None
        if row is None and (pairs := pair_lists.take(line)) is not None:
            row = _of_pairs(pairs[1], _header(pairs[0].removesuffix("OrderedDict(")) or header)
        if row is None:
            row = held.take(line, header)
        if row is not None:
            held.forget()
            header = None
            yield row
        elif line.strip():
            header = _header(line)


def _several(line: str) -> list[Row] | None:
    """Rows of a list in one line, as ``print(trainer.state.log_history)`` writes it; None for others."""
    begin, end = line.find("[{"), line.rfind("}]")
    if begin < 0 or line.find("}, {", begin, end) < 0 or len(line) > _MOST_CHARACTERS:
        return None
    content = _parsed(f"{{'rows': {line[begin : end + 2]}}}")
    members = content["rows"] if isinstance(content, dict) else []
    rows = [row for member in members if (row := _row(member, None)) is not None]
    return rows if sum(any(is_step(key) for key in row) for row in rows) > 1 else None


def _of_pairs(text: str, header: tuple[str, int] | None) -> Row | None:
    """The row that a list of pairs holds, as an OrderedDict shows itself; None where it names no step and no reward."""
    pairs = _parsed(text)
    if not isinstance(pairs, list) or not all(isinstance(pair, tuple) and len(pair) == 2 for pair in pairs):
        return None
    if not all(isinstance(key, str) for key, _ in pairs):
        return None
    return _row(dict(pairs), header) if any(is_step(key) or reward_rank(key) in (0, 1) for key, _ in pairs) else None


class _Held:
    """Lines of an object that is still open."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self.header: tuple[str, int] | None = None

    def forget(self) -> None:
        """Begin anew."""
        self.lines = []

    def take(self, line: str, above: tuple[str, int] | None) -> Row | None:
        """Add a line; the object, if that completes it."""
        begin = _OPEN.search(line) if "{" in line else None
        inside = begin is not None and _MEMBER.search(line[: begin.start()]) is not None
        whole = begin is not None and line.count("{", begin.start()) <= line.count("}", begin.start())
        if begin is not None and not (self.lines and (inside or whole)):
            self.lines = [line[begin.start() :]]
            self.header = _header(line[: begin.start()]) or above
        elif self.lines:
            self.lines.append(line)
            if len(self.lines) > _MOST_LINES or sum(map(len, self.lines)) > _MOST_CHARACTERS:
                self.lines = []
        if not self.lines or "}" not in line:
            return None
        row = _joined(self.lines, self.header)
        if row is None:
            members = [self.lines[0], *filter(_LINE.match, self.lines[1:])]
            row = _joined(members, self.header) if len(members) < len(self.lines) else None
        return row


def _joined(lines: list[str], header: tuple[str, int] | None) -> Row | None:
    """The object that lines hold up to its end."""
    text = "".join(lines)
    return _object(text[: text.rfind("}") + 1], header)


def _header(text: str) -> tuple[str, int] | None:
    match = _HEADER.search(text[-80:])
    return (match[1].lower().replace(" ", "_"), int(match[2])) if match else None


def _in_line(line: str, above: tuple[str, int] | None) -> Row | None:
    """The object in a line: a flat one, or the widest that can be read."""
    if len(line) > _MOST_CHARACTERS:
        return None
    match = _FLAT.search(line)
    begin = line.find("{")
    if match is not None and match.start() == begin:
        row = _object(match[0], _header(line[: match.start()]) or above)
        if row is not None:
            return row
    end = line.rfind("}")
    if end > begin:
        row = _object(line[begin : end + 1], _header(line[:begin]) or above)
        if row is not None:
            return row
    if match is not None and match.start() != begin:
        return _object(match[0], _header(line[: match.start()]) or above)
    return None


def _object(text: str, header: tuple[str, int] | None) -> Row | None:
    """The row that an object's text holds, if it holds one; nothing is executed."""
    return _row(_parsed(text), header)


def _row(content: Any, header: tuple[str, int] | None) -> Row | None:
    """The row that a parsed object is, if it is one."""
    if not isinstance(content, dict) or not content or not all(isinstance(key, str) for key in content):
        return None
    row = content
    if any(isinstance(value, _NESTED) for value in row.values()):
        for wrapper in _WRAPPERS:
            row = flatten(row, wrapper=wrapper)
        row = {key: value for key, value in row.items() if not isinstance(value, _NESTED)}
    if not any(is_number(value) for value in row.values()):
        return None
    if header is not None and header[0] not in row:
        row[header[0]] = header[1]
    return row


def _parsed(text: str) -> Any:
    if '"' not in text and "\\" not in text:
        try:
            return json.loads(text.replace("'", '"'))  # far faster, where Python's text and JSON's mean the same
        except ValueError:
            pass
    try:
        if text[1:].lstrip()[:1] == '"':
            try:
                return json.loads(text)
            except ValueError:
                pass
        if "(" in text:
            text = _WRAPPED.sub(lambda m: m[1] or m[2], text)
        if "nan" in text or "inf" in text or "NaN" in text or "Infinity" in text:
            text = _BARE.sub(lambda m: f"'{m[1]}'", text)
        return ast.literal_eval(text)
    except (ValueError, SyntaxError, RecursionError, MemoryError):
        return None
