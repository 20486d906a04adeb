"""What all tables share: they fit the terminal."""

import io
import shutil
import textwrap

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table


def titled(title: str) -> Table:
    """An empty table under a title."""
    return Table(box=SIMPLE_HEAD, title=title, title_justify="left", pad_edge=False)


def wrapped(text: str) -> str:
    """Text in lines that fit the terminal."""
    return "\n".join(textwrap.wrap(text, max(shutil.get_terminal_size((100, 24)).columns, 80)))


def figure(value: float | None) -> str:
    """A number in four figures."""
    return "-" if value is None else f"{value:.4g}" if abs(value) < 1e5 else f"{value:.3e}"


def render(table: Table) -> str:
    """Text of a table that fits the terminal."""
    width = max(shutil.get_terminal_size((100, 24)).columns, 80)
    console = Console(file=io.StringIO(), width=width, color_system=None)
    # Names and equations are data: square brackets in them are not markup.
    for column in table.columns:
        column._cells = [str(cell).replace("[", "\\[") for cell in column._cells]
    console.print(table)
    written: str = console.file.getvalue()  # type: ignore[attr-defined]
    return written.rstrip()
