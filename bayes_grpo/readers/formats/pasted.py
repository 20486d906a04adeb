"""Tables whose columns tabs, spaces or the signs of some markup part, among other text: pasted, or printed."""

import re
from collections.abc import Iterable, Iterator

from bayes_grpo.readers.column_words import reward_rank, step_rank
from bayes_grpo.readers.formats.table import looks_like_table
from bayes_grpo.readers.log import Log, Source
from bayes_grpo.readers.parted_cells import is_rule, with_tabs
from bayes_grpo.readers.text import begins_like_json, lines_of, open_text, text_head
from bayes_grpo.readers.text_tables import TextTable, is_of_types, is_shortened, longest_of, names_a_log
from bayes_grpo.readers.values import is_missing, is_number
from bayes_grpo.readers.wrapped_frames import unwrapped

NAME = "pasted table"
ORDER = 74

#: So many rows below a header make a table; programs that print a table of their own at each step print fewer.
_FEWEST = 3
#: A longer line is no row of a table that someone pasted.
_LONGEST = 10_000
#: A line that parts a header from the rows, in one piece or one for each column.
_RULE = re.compile(r"[-=─━═╴╶╸╺ ]{3,}")


def recognises(source: Source) -> bool:
    """A header with a step and a reward among the first lines, and rows of numbers below it."""
    if source.is_folder or source.address or not text_head(source).strip():
        return False
    if begins_like_json(source) or looks_like_table(source):
        return False
    return any(len(table.rows) >= _FEWEST for table in tables_of(text_head(source).splitlines()))


def read(source: Source) -> list[Log]:
    """The rows of the longest such table."""
    with open_text(source.path, errors="replace") as file:
        return [longest_of(tables_of(lines_of(file, source.path)))]


def tables_of(lines: Iterable[str]) -> Iterator[TextTable]:
    """The tables in a text; blank lines do not end one."""
    headers: list[list[str]] = []
    table: TextTable | None = None
    above = last = ""
    for line in unwrapped(lines):
        bare = with_tabs(line) if len(line) <= _LONGEST else line
        if not bare.strip() or len(bare) > _LONGEST or _RULE.fullmatch(bare.strip()) or is_rule(bare):
            continue
        if is_of_types(bare.split()):
            continue
        if headers:
            table = next((table for names in headers if (table := _begun(names, bare, above)) is not None), table)
        elif table is not None and (cells := _row(table.names, bare, above)) is not None:
            table.take(cells)
            continue
        elif table is not None:
            yield table
            table = None
        begun = bool(headers) and table is not None
        named = _with_index(last, bare)
        headers = [] if begun else _headers(named)
        above = named if headers else above
        last = bare
    if table is not None:
        yield table


def _with_index(names: str, line: str) -> str:
    """A line; where it is the name of the index below the other names, all of them."""
    word = line.rstrip()
    below = word and " " not in word and "\t" not in names and names[: len(word) + 1].isspace()
    return word + names[len(word) :] if below else line


def _begun(names: list[str], line: str, header: str) -> TextTable | None:
    """A table with its first row; None where the line is no row below such a header."""
    cells = _row(names, line, header)
    if cells is None or is_shortened(cells):
        return None
    table = TextTable(names)
    table.take(cells)
    return table


def _headers(line: str) -> list[list[str]]:
    """The ways to take a line for a header with a step and a reward."""
    lower = line.lower()
    if not any(word in lower for word in ("step", "iter", "epoch", "batch", "update")):
        return []
    return [
        names
        for names in _splits(line)
        if names_a_log(names) and len(set(names)) == len(names) and not any(map(is_number, names))
    ]


def _row(names: list[str], line: str, header: str) -> list[str] | None:
    """The cells of a row, without the index that pandas prints before it; None for another line.

    Of the ways to part a line the one with most numbers is right: pandas leaves one space before a minus, and a cell
    such as ``No log`` has one within. Where cells are empty, those that are there stand below their names.
    """
    splits = [cells[1:] if len(cells) == len(names) + 1 and "\t" not in line else cells for cells in _splits(line)]
    best = max((cells for cells in splits if len(cells) == len(names)), key=_numbers, default=None)
    best = best or _cells_below(names, header, line)
    if best is None or is_shortened(best):
        return best
    pairs = list(zip(names, best, strict=True))
    counted = all(is_number(cell) for name, cell in pairs if step_rank(name) is not None)
    return best if counted and any(is_number(cell) for name, cell in pairs if reward_rank(name) is not None) else None


def _cells_below(names: list[str], header: str, line: str) -> list[str] | None:
    """The cells of a row with empty ones, by where they stand; None where one stands below no name or below two."""
    if "\t" in line or "\t" in header:
        return None
    spans: list[tuple[int, int]] = []
    for name in names:
        begin = header.index(name, spans[-1][1] if spans else 0)
        spans.append((begin, begin + len(name)))
    cells = [""] * len(names)
    for match in re.finditer(r"\S+", line):
        if match.end() <= spans[0][0] and not any(cells):
            continue  # the index
        below = [at for at, (begin, end) in enumerate(spans) if match.start() < end and begin < match.end()]
        if len(below) != 1 or cells[below[0]]:
            return None
        cells[below[0]] = match[0]
    return cells


def _numbers(cells: list[str]) -> int:
    """How many cells are a number, or say that there is none."""
    return sum(is_number(cell) or is_missing(cell) for cell in cells)


def _splits(line: str) -> Iterator[list[str]]:
    """Cells of a line, parted by tabs, by at least two spaces, or by any."""
    if "\t" in line:
        yield [cell.strip() for cell in line.split("\t")]
        return
    yield re.split(r"\s{2,}", line.strip())
    yield line.split()
