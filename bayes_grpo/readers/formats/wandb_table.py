"""W&B's CSV export of a panel: a step column, and for each run ``RUN - metric`` with ``__MIN`` and ``__MAX``."""

import csv
import re
from collections.abc import Iterator

from bayes_grpo.errors import Note
from bayes_grpo.readers.formats.table import delimiter_of, table_rows
from bayes_grpo.readers.log import Log, Row, Source
from bayes_grpo.readers.text import text_head

NAME = "W&B panel export (CSV)"
ORDER = 80
ANYTHING = True

_CELL = re.compile(r"(?P<run>.+) - (?P<metric>[^ ]+)")


def _header(source: Source) -> list[str]:
    line = next(iter(text_head(source).lstrip().splitlines()), "")
    try:
        return next(csv.reader([line], delimiter=delimiter_of(line)), [])
    except csv.Error:
        return []


def recognises(source: Source) -> bool:
    """A header with a metric of a run and its extremes."""
    if source.is_folder:
        return False
    names = set(_header(source))
    return any(_CELL.fullmatch(n) and {f"{n}__MIN", f"{n}__MAX"} <= names for n in names)


def read(source: Source) -> list[Log]:
    """One log for each run of the panel."""
    names = _header(source)
    metrics: dict[str, dict[str, str]] = {}
    step = {}
    for name in names:
        if name.endswith(("__MIN", "__MAX")):
            continue
        match = _CELL.fullmatch(name)
        if match is None:
            step[name] = "step" if name.lower() in ("step", "_step") else name
        elif match["metric"] != "_step":
            metrics.setdefault(match["run"], {})[name] = match["metric"]
    logs = []
    for run, columns in metrics.items():
        logs.append(Log(_rows(source, step | columns, set(columns)), label=run))
    return logs


def _rows(source: Source, names: dict[str, str], columns: set[str]) -> Iterator[Row | Note]:
    for row in table_rows(source.path):
        if isinstance(row, Note):
            yield row
            continue
        cells = {names[key]: value for key, value in row.items() if key in names and value != ""}
        if any(row.get(key) for key in columns):
            yield cells
