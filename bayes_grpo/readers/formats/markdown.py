"""Tables framed by '|', as they are pasted into issues and model cards, among any other text; tabulate's grids too."""

import re
from collections.abc import Iterable, Iterator

from bayes_grpo.readers.log import Log, Source
from bayes_grpo.readers.text import lines_of, open_text, text_head
from bayes_grpo.readers.text_tables import TextTable, longest_of, names_a_log, unquoted

NAME = "Markdown table"
ORDER = 73

_RULE = re.compile(r"^\s*\|?\s*:?-+:?\s*(?:\|\s*:?-+:?\s*)+\|?\s*$")
#: Lines of a grid, as tabulate and databases draw it.
_GRID = re.compile(r"^\s*[+|][-=:]+(?:\+[-=:]+)*[+|]\s*$")
#: Longer files hold more than tables.
_LARGEST = 1 << 27


def recognises(source: Source) -> bool:
    """A header with a step or a reward over a line of dashes."""
    if source.is_folder or source.address or "|" not in text_head(source):
        return False
    if _has_table(text_head(source).splitlines()):
        return True
    if source.path.stat().st_size > _LARGEST or source.path.suffix.lower() not in (".md", ".markdown"):
        return False
    with open_text(source.path, errors="replace") as file:
        return _has_table(file)


def read(source: Source) -> list[Log]:
    """The rows of the longest table with a reward."""
    with open_text(source.path, errors="replace") as file:
        return [longest_of(tables_of(lines_of(file, source.path)))]


def _has_table(lines: Iterable[str]) -> bool:
    above = ""
    for line in map(unquoted, lines):
        if _is_rule(line) and "|" in above and names_a_log(_cells(above)):
            return True
        above = line
    return False


def tables_of(lines: Iterable[str]) -> Iterator[TextTable]:
    """The tables in a text."""
    above = ""
    table: TextTable | None = None
    for line in map(unquoted, lines):
        if table is not None and _GRID.match(line) and not _RULE.match(line):
            continue
        if _is_rule(line) and "|" in above:
            if table is not None:
                yield table
            table = TextTable(_cells(above))
        elif table is not None and "|" in line:
            cells = _cells(line)
            if len(cells) == len(table.names):
                table.take(cells)
        elif table is not None:
            yield table
            table = None
        above = line
    if table is not None:
        yield table


def _is_rule(line: str) -> bool:
    return _RULE.match(line) is not None or _GRID.match(line) is not None


def _cells(line: str) -> list[str]:
    """Cells of a table's line without what marks their text."""
    bare = line.strip().removeprefix("|")
    bare = bare[:-1] if bare.endswith("|") else bare
    return [cell.strip().strip("*`_").replace("\\|", "|").replace("\\_", "_").strip() for cell in bare.split("|")]
