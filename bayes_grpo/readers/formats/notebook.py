"""Notebooks (.ipynb): the table that transformers shows in a cell's output, else what the cells printed."""

import re
from typing import Any

from bayes_grpo.errors import InputError
from bayes_grpo.readers.as_printed import AsPrinted
from bayes_grpo.readers.column_words import step_rank
from bayes_grpo.readers.formats import console
from bayes_grpo.readers.html_tables import html_tables
from bayes_grpo.readers.log import Log, Source, reading_note
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
    shown = (_text((output.get("data") or {}).get("text/html")) for output in outputs)
    tables = [table.rows for html in shown for table in html_tables(html)]
    tables = [rows for rows in tables if rows and any("reward" in key.lower() for key in rows[0])]
    stepped = [rows for rows in tables if any(step_rank(key) is not None for key in rows[0])]
    printed = AsPrinted("\n".join(_text(output.get("text")) for output in outputs).split("\n"))
    lines = list(printed)
    dialect = None if stepped else console.best_dialect(iter(lines))
    if dialect is not None:
        return [Log(rows_of(lines, dialect), notes=tuple(printed.notes()))]
    chosen = max(stepped or tables, key=len, default=None)
    if chosen is None:
        raise InputError(
            str(source), "expected a table of rewards or printed rows in the notebook's outputs, found none"
        )
    text = f"{len(tables)} tables with rewards in the notebook: the longest was taken"
    return [Log(chosen, notes=(reading_note("", text),) if len(tables) > 1 else ())]


def _text(value: Any) -> str:
    return "".join(map(str, value)) if isinstance(value, list) else value if isinstance(value, str) else ""
