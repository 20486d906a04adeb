"""Tables in a frame: Markdown's, and those that rich, polars, tabulate and databases draw."""

import re
from collections.abc import Iterable, Iterator

from bayes_grpo.readers.column_words import reward_rank, step_rank, variable_of
from bayes_grpo.readers.text_tables import TextTable, is_cut, is_of_types, unquoted
from bayes_grpo.readers.values import is_number

#: What parts the cells of a row.
_SIDES = "|│┃║┆┇┊┋╎╏"
_SIDE = re.compile(f"[{_SIDES}]")
_MARKDOWN = re.compile(r"\|?\s*:?-+:?\s*(?:\|\s*:?-+:?\s*)+\|?")
#: Lines of a grid, as tabulate and databases draw it.
_GRID = re.compile(r"[+|][-=:]+(?:\+[-=:]+)*[+|]|[-=]+(?:\+[-=]+)+")
#: A line of box characters, which has more than sides, and one that begins a table.
_BOX = re.compile(r"[\s\u2500-\u257f]+")
_TOP = re.compile(r"^\s*[┌┍┎┏╒╓╔╭╷]")
_DASHES = re.compile(r"-+")
#: Lines over which a header may be wrapped.
_MOST_LINES = 20


def framed_tables(lines: Iterable[str]) -> Iterator[TextTable]:
    """The tables in a text, each as it is when the text leaves it."""
    reader = _Reader()
    for line in lines:
        yield from reader.take(unquoted(line).rstrip("\r\n"))
    yield from reader.end()


def framed_headers(lines: Iterable[str]) -> Iterator[list[str]]:
    """The headers of the tables in a text."""
    reader = _Reader()
    for line in lines:
        before = reader.table
        for _ in reader.take(unquoted(line).rstrip("\r\n")):
            pass
        if reader.table is not None and reader.table is not before:
            yield reader.table.names


def has_sides(text: str) -> bool:
    """Whether a text has a character that parts the cells of a frame."""
    return _SIDE.search(text) is not None


class _Reader:
    """The table that lines are in, and the lines above that may be a header."""

    def __init__(self) -> None:
        self.table: TextTable | None = None
        self._held: list[str] = []
        self._below_edge = self._framed = self._at_rule = False
        self._last = ""

    def take(self, line: str) -> Iterator[TextTable]:
        """Take in a line; a table that it ends."""
        if _is_rule(line.strip()):
            yield from self._rule(line)
            self._at_rule = True
        elif not has_sides(line):
            yield from self.end()
        elif self.table is not None:
            self._row(line, self.table)
            self._held, self._at_rule = [line], False
        else:
            self._held = [*self._held[1 - _MOST_LINES :], line]

    def end(self) -> Iterator[TextTable]:
        """Leave the table, if there is one."""
        if self.table is not None:
            yield self.table
        self.table = None
        self._held, self._below_edge, self._at_rule = [], False, False

    def _rule(self, line: str) -> Iterator[TextTable]:
        """A line of the frame: below a header, between rows, or where a table begins."""
        if _TOP.match(line):
            yield from self.end()
        elif self.table is not None and self._repeats_itself(line):
            self.table.rows.pop()
            held = self._held
            yield from self.end()
            self._held = held
        if self.table is None:
            self._begin()

    def _repeats_itself(self, line: str) -> bool:
        """Whether the last row was the header of a table that follows without a line between."""
        if (
            not _MARKDOWN.fullmatch(line.strip())
            or self._at_rule
            or not self._held
            or not self.table
            or not self.table.rows
        ):
            return False
        cells = _cells(self._held[-1], True)
        return all(cells) and not is_of_types(cells) and not any(map(is_number, cells))

    def _begin(self) -> None:
        """Begin a table below the lines that are held."""
        held = self._held if self._below_edge else self._held[-1:]
        self._framed = bool(held) and held[-1].lstrip()[:1] in _SIDES and held[-1].lstrip() != ""
        rows = [_raw_cells(line, self._framed) for line in held]
        self._held, self._below_edge = [], True
        if not rows or len(rows[-1]) < 2 or any(len(row) != len(rows[-1]) for row in rows):
            return
        self.table = TextTable(_names(rows))

    def _row(self, line: str, table: TextTable) -> None:
        for framed in (self._framed, not self._framed):
            raw = _raw_cells(line, framed)
            if len(raw) == len(table.names):
                break
        else:
            return
        cells = [_bare(cell) for cell in raw]
        if cells == table.names or is_of_types(cells) or not any(cells):
            return
        if self._goes_on(raw, cells, table):
            for name, cell in zip(table.names, cells, strict=True):
                if cell and name in table.rows[-1]:
                    table.rows[-1][name] += cell
            self._last = line
            return
        self._last = line
        table.take(cells)

    def _goes_on(self, raw: list[str], cells: list[str], table: TextTable) -> bool:
        """Whether a line goes on with the cells of the row above that did not fit their columns."""
        if self._at_rule or not table.rows or all(cells):
            return False
        above = _raw_cells(self._last, self._framed)
        step = next((at for at, name in enumerate(table.names) if step_rank(name) is not None), 0)
        if cells[step] or len(above) != len(raw):
            return False
        return all(_is_full(over) for over, cell in zip(above, cells, strict=True) if cell)


def _is_rule(bare: str) -> bool:
    """Whether a line, without blanks around it, is one of a frame."""
    if _GRID.fullmatch(bare) or _MARKDOWN.fullmatch(bare):
        return True
    return _BOX.fullmatch(bare) is not None and bare.strip(_SIDES + " \t") != ""


def _names(rows: list[list[str]]) -> list[str]:
    """The names of columns in the lines of a header, which may be wrapped and have rows of types below."""
    if len(rows) == 1:
        return [_bare(cell) for cell in rows[0]]
    texts = [[cell.strip() for cell in row] for row in rows]
    typed = any(any(map(_DASHES.fullmatch, row)) for row in texts)
    if not typed and is_of_types(texts[-1]):
        texts = texts[:-1]
    return [_name([row[at] for row in texts], [row[at] for row in rows], typed) for at in range(len(rows[-1]))]


def _name(parts: list[str], raw: list[str], typed: bool) -> str:
    """A name from the lines of its cell; one that may be read in two ways is marked as cut.

    A line that fills its column may end within a word. Names with underscores or slashes are of one word.
    """
    if typed:  # polars: dashes and the type stand below the name
        parts = parts[: next((at for at, part in enumerate(parts) if _DASHES.fullmatch(part)), None)]
    joined = spaced = ""
    for part, above in zip(parts, ["", *raw], strict=False):
        spaced = f"{spaced} {part}".strip()
        joined += part if not joined or _is_full(above) else f" {part}".rstrip()
    if typed or "_" in joined or "/" in joined or is_cut(joined):
        return joined
    return spaced if _meaning(joined) == _meaning(spaced) else f"{spaced}…"


def _meaning(name: str) -> tuple[object, ...]:
    return variable_of(name), reward_rank(name), step_rank(name)


def _is_full(cell: str) -> bool:
    """Whether a cell's text fills its column."""
    return bool(cell.strip()) and len(cell.strip()) >= len(cell) - 2


def _raw_cells(line: str, framed: bool) -> list[str]:
    """Cells as they stand, without the sides of the frame."""
    if framed:
        line = line.strip()
        line = line[1:] if line[:1] in _SIDES else line
        line = line[:-1] if line[-1:] in _SIDES else line
    return _SIDE.split(line)


def _cells(line: str, framed: bool) -> list[str]:
    return [_bare(cell) for cell in _raw_cells(line, framed)]


def _bare(cell: str) -> str:
    """A cell without what marks its text."""
    return cell.strip().strip("*`_").replace("\\|", "|").replace("\\_", "_").strip()
