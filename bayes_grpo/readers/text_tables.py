"""Tables among other text: which of them is the log, and the rows in which someone shortened it."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from bayes_grpo.errors import Note
from bayes_grpo.readers.column_words import reward_rank, step_rank
from bayes_grpo.readers.log import Entry, Log, Row, reading_note

#: Cells that stand for the rows that someone left out.
_DOTS = frozenset({"...", "..", ".", "…", "⋮", "⋯", ":", "·"})
#: Types of columns, as polars, databases and R print them below the names.
_TYPE = re.compile(
    r"<\w+>|[iuf](?:8|16|32|64|128)|u?(?:tiny|small|big|huge)?int(?:eger)?\d*|float\d*|double|real|(?:decimal|numeric)"
    r"(?:\(.*|\[.*)?|str(?:ing)?|utf8|text|(?:var)?char.*|bool(?:ean)?|cat|enum|object|json|uuid|binary|blob|"
    r"date(?:time)?.*|time.*|duration.*|interval|list.*|struct.*|array.*",
    re.IGNORECASE,
)
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
    longest = max(logs, key=lambda table: len(table.rows))
    rows: list[Entry] = [*longest.rows]
    if len(logs) > 1:
        rows.append(reading_note("", f"{len(logs)} tables with rewards in the text: the longest was taken"))
    if longest.shortened:
        rows.append(shortened_note(longest.shortened))
    if cut := [name for name in longest.names if is_cut(name)]:
        rows.append(reading_note("", f"columns whose names were cut when printed were left out: {', '.join(cut)}"))
    return Log(rows)


def shortened_note(number: int) -> Note:
    """What is said of rows of dots."""
    return reading_note("", f"rows of dots, where the table was shortened, were left out ({number})")
