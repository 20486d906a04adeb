"""Notebooks (.ipynb): the table that transformers shows in a cell's output, else what the cells printed."""

import re
from collections.abc import Iterator
from html.parser import HTMLParser
from typing import Any

from bayes_grpo.errors import InputError
from bayes_grpo.readers.column_words import step_rank
from bayes_grpo.readers.formats import console
from bayes_grpo.readers.log import Log, Row, Source, reading_note
from bayes_grpo.readers.printed import rows_of
from bayes_grpo.readers.text import load_json, text_head

NAME = "notebook"
ORDER = 40

_LARGEST = 1 << 29


def recognises(source: Source) -> bool:
    """A JSON object with cells and a notebook format."""
    head = text_head(source).lstrip()
    return head.startswith("{") and (
        source.path.suffix == ".ipynb" or re.search(r'"(cell_type|nbformat)"\s*:', head) is not None
    )


def read(source: Source) -> list[Log]:
    """Rows of the longest table with a step and a reward; without one, printed rows; else any table with a reward."""
    if source.path.stat().st_size > _LARGEST:
        raise InputError(str(source), f"expected a notebook of at most {_LARGEST >> 20} MiB; export the log instead")
    content = load_json(source.path)
    cells = content.get("cells") if isinstance(content, dict) else None
    if not isinstance(cells, list):
        raise InputError(str(source), "expected a notebook with cells, found none")
    outputs = [o for cell in cells if isinstance(cell, dict) for o in cell.get("outputs") or [] if isinstance(o, dict)]
    tables = [rows for output in outputs for rows in _tables(_text((output.get("data") or {}).get("text/html")))]
    tables = [rows for rows in tables if rows and any("reward" in key.lower() for key in rows[0])]
    stepped = [rows for rows in tables if any(step_rank(key) is not None for key in rows[0])]
    lines = "\n".join(_text(output.get("text")) for output in outputs).split("\n")
    dialect = None if stepped else console.best_dialect(iter(lines))
    if dialect is not None:
        return [Log(rows_of(lines, dialect))]
    chosen = max(stepped or tables, key=len, default=None)
    if chosen is None:
        raise InputError(
            str(source), "expected a table of rewards or printed rows in the notebook's outputs, found none"
        )
    text = f"{len(tables)} tables with rewards in the notebook: the longest was taken"
    return [Log(chosen, notes=(reading_note("", text),) if len(tables) > 1 else ())]


def _text(value: Any) -> str:
    return "".join(map(str, value)) if isinstance(value, list) else value if isinstance(value, str) else ""


def _tables(html: str) -> Iterator[list[Row]]:
    if "<table" not in html:
        return
    parser = _Tables()
    parser.feed(html)
    for table in parser.tables:
        header = next((i for i, cells in enumerate(table) if len(cells) > 1), None)
        if header is not None:
            names = [name.strip() for name in table[header]]
            yield [dict(zip(names, cells, strict=False)) for cells in table[header + 1 :] if len(cells) == len(names)]


class _Tables(HTMLParser):
    """The cells of every table."""

    def __init__(self) -> None:
        super().__init__()
        self.tables: list[list[list[str]]] = []
        self._open = False

    def handle_starttag(self, tag: str, attrs: Any) -> None:
        """Begin a table, a row or a cell."""
        if tag == "table":
            self.tables.append([])
        elif tag == "tr" and self.tables:
            self.tables[-1].append([])
        elif tag in ("td", "th") and self.tables and self.tables[-1]:
            self.tables[-1][-1].append("")
            self._open = True

    def handle_endtag(self, tag: str) -> None:
        """End a cell."""
        if tag in ("td", "th"):
            self._open = False

    def handle_data(self, data: str) -> None:
        """Text of a cell."""
        if self._open:
            self.tables[-1][-1][-1] += data.strip()
