"""What all tables share: they fit the terminal."""

import io
import shutil
import textwrap

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.measure import Measurement
from rich.table import Column, Table

from bayes_grpo.errors import printable

#: Characters of the longest word that counts as a number.
_LONGEST_NUMBER = 12


def titled(title: str, *headings: str) -> Table:
    """An empty table under a title; further headings are of columns of numbers, which stand on the right."""
    table = Table(box=SIMPLE_HEAD, title=printable(title), title_justify="left", pad_edge=False)
    for heading in headings:
        table.add_column(heading, justify="right", no_wrap=True)
    return table


def wrapped(text: str, indent: str = "") -> str:
    """Text in lines that fit the terminal, all but the first of them indented."""
    width = max(shutil.get_terminal_size((100, 24)).columns, 80)
    return "\n".join(textwrap.wrap(text, width, subsequent_indent=indent))


def number(value: float | None) -> str:
    """A number with four significant digits."""
    return "-" if value is None else f"{value:.4g}" if abs(value) < 1e5 else f"{value:.3e}"


def render(table: Table) -> str:
    """Text of a table that fits the terminal: where it is too wide, words and headings wrap, and no number is cut."""
    width = max(shutil.get_terminal_size((100, 24)).columns, 80)
    # Names and equations are data: square brackets and colons in them are not markup.
    console = Console(file=io.StringIO(), width=width, color_system=None, markup=False, emoji=False)
    for column in table.columns:
        column._cells = [printable(str(cell)) for cell in column._cells]
    if Measurement.get(console, console.options.update(max_width=10 * width), table).maximum > width:
        table.collapse_padding = True
        words = [max(map(len, _words(column)), default=0) for column in table.columns]
        fits = sum(words) + 2 * len(words) <= width
        for column, longest in zip(table.columns, words, strict=True):
            column.no_wrap, column.overflow = False, "fold"
            numbers = max(map(len, filter(_is_number, _words(column))), default=0)
            column.min_width = longest if fits else numbers
    console.print(table)
    written: str = console.file.getvalue()  # type: ignore[attr-defined]
    return written.rstrip()


def _words(column: Column) -> list[str]:
    """Words of a column's heading and cells."""
    return [word for cell in (column.header, *column._cells) for word in str(cell).split()]


def _is_number(word: str) -> bool:
    """Whether a word is a number, perhaps with a unit of a few letters."""
    return any(character.isdigit() for character in word) and len(word) <= _LONGEST_NUMBER
