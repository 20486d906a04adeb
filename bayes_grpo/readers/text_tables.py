"""Tables among other text: which of them is the log, and the rows in which someone shortened it."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from bayes_grpo.errors import Note
from bayes_grpo.readers.column_words import reward_rank, step_rank
from bayes_grpo.readers.log import Entry, Log, Row, reading_note
from bayes_grpo.readers.values import is_number, number, part_of

#: Cells that stand for the rows that someone left out.
_DOTS = frozenset({"...", "..", ".", "…", "⋮", "⋯", ":", "·"})
#: Types of columns, as polars, databases and R print them below the names.
_TYPE = re.compile(
    r"<\w+>|[iuf](?:8|16|32|64|128)|u?(?:tiny|small|big|huge)?int(?:eger)?\d*|float\d*|double|real|(?:decimal|numeric)"
    r"(?:\(.*|\[.*)?|str(?:ing)?|utf8|text|(?:var)?char.*|bool(?:ean)?|cat|enum|object|json|uuid|binary|blob|"
    r"date(?:time)?.*|time.*|duration.*|interval|list.*|struct.*|array.*",
    re.IGNORECASE,
)
#: A number with a decimal comma that is none of thousands, any with a comma, and one with a point.
_DECIMAL = re.compile(r"[+-]?(?:0,\d+|\d+,(?:\d{1,2}|\d{4,}))(?:[eE][+-]?\d+)?")
_COMMA = re.compile(r"[+-]?\d+,\d+(?:[eE][+-]?\d+)?")
_POINT = re.compile(r"[+-]?\d*\.\d+(?:[eE][+-]?\d+)?")
#: What marks the lines of a quotation.
_QUOTE = re.compile(r"^\s*(?:>[ \t]?)+")


@dataclass
class TextTable:
    """A table in a text.

    Attributes
    ----------
    names : list of str
        Its header.
    rows : list of dict
        Its rows, by the names.
    shortened : int
        Rows of dots, which are left out.
    """

    names: list[str]
    rows: list[Row] = field(default_factory=list)
    shortened: int = 0

    def take(self, cells: Sequence[str]) -> None:
        """Add a row of as many cells as there are names; cells below a name that is cut are left out."""
        if is_shortened(cells):
            self.shortened += 1
        else:
            named = zip(self.names, cells, strict=True)
            self.rows.append({name: cell for name, cell in named if not is_cut(name)})


def unquoted(line: str) -> str:
    """A line without the marks of a quotation."""
    return _QUOTE.sub("", line, count=1) if ">" in line else line


def is_shortened(cells: Iterable[str]) -> bool:
    """Whether a row is of dots, as where someone has shortened a table."""
    held = [cell.strip() for cell in cells if cell.strip()]
    return bool(held) and all(cell in _DOTS for cell in held)


def is_cut(name: str) -> bool:
    """Whether a name is of dots, or was cut where the table was too wide: nobody knows what its column holds."""
    return name in _DOTS or name.endswith(("…", "..."))


def is_of_types(cells: Iterable[str]) -> bool:
    """Whether the cells of a line name the types of their columns; dots and dashes may stand among them."""
    held = [cell.strip() for cell in cells]
    types = [cell for cell in held if _TYPE.fullmatch(cell)]
    return bool(types) and all(not cell or cell in types or cell in _DOTS or not cell.strip("-") for cell in held)


def names_a_log(names: Iterable[str]) -> bool:
    """Whether a header names a step and a reward."""
    header = [name for name in names if not is_cut(name)]
    return any(reward_rank(name) is not None for name in header) and any(step_rank(name) is not None for name in header)


def longest_of(tables: Iterable[TextTable]) -> Log:
    """The log that the longest of the tables with a step and a reward holds."""
    logs = [table for table in tables if table.rows and names_a_log(table.names)]
    if not logs:
        return Log([])
    joined = _continued(logs)
    longest = max(joined, key=lambda table: len(table.rows))
    cells = [cell for row in longest.rows for cell in row.values()]
    rows: list[Entry] = [*longest.rows]
    if have_decimal_commas(cells):
        rows = [{name: with_point(cell) for name, cell in row.items()} for row in longest.rows]
        rows.append(decimal_commas_note())
    if len(joined) < len(logs):
        rows.append(reading_note("", "tables of the same columns whose steps go on are taken as one"))
    if len(joined) > 1:
        rows.append(reading_note("", f"{len(joined)} tables with rewards in the text: the longest was taken"))
    if longest.shortened:
        rows.append(shortened_note(longest.shortened))
    if cut := [name for name in longest.names if is_cut(name)]:
        rows.append(reading_note("", f"columns whose names were cut when printed were left out: {', '.join(cut)}"))
    return Log(rows)


def _continued(tables: list[TextTable]) -> list[TextTable]:
    """Tables, those joined that follow each other with the same header and steps that go on."""
    joined = [TextTable(tables[0].names, [*tables[0].rows], tables[0].shortened)]
    for table in tables[1:]:
        last = joined[-1]
        step = next(name for name in table.names if step_rank(name) is not None)
        before, after = (str(row.get(step, "")) for row in (last.rows[-1], table.rows[0]))
        if table.names == last.names and is_number(before) and is_number(after) and _value(before) < _value(after):
            last.rows += table.rows
            last.shortened += table.shortened
        else:
            joined.append(TextTable(table.names, [*table.rows], table.shortened))
    return joined


def _value(cell: str) -> float:
    part = part_of(cell)
    return part[0] if part else number(cell)


def have_decimal_commas(cells: Iterable[str]) -> bool:
    """Whether numbers have decimal commas: none has a point, and some cannot be thousands."""
    held = [cell.strip() for cell in cells]
    return any(map(_DECIMAL.fullmatch, held)) and not any(map(_POINT.fullmatch, held))


def with_point(cell: str) -> str:
    """A number with a point in place of its decimal comma; another cell as it is."""
    return cell.replace(",", ".") if _COMMA.fullmatch(cell.strip()) else cell


def decimal_commas_note() -> Note:
    """What is said of decimal commas."""
    return reading_note("", "commas are taken as decimal ones: no number has a point, and some cannot be thousands")


def shortened_note(number: int) -> Note:
    """What is said of rows of dots."""
    return reading_note("", f"rows of dots, where the table was shortened, were left out ({number})")
