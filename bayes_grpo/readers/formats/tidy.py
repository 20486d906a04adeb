"""Tidy tables: a row for each run, metric and step, in any order, as Comet, Neptune, Aim and scripts write them."""

import csv
import json
from collections.abc import Iterable, Iterator
from itertools import chain
from typing import Any, NamedTuple

from bayes_grpo.errors import Note
from bayes_grpo.readers.column_words import reward_rank, step_rank
from bayes_grpo.readers.formats.table import delimiter_of, table_rows
from bayes_grpo.readers.json_stream import stream_list
from bayes_grpo.readers.keys import words
from bayes_grpo.readers.log import Entry, Log, Source
from bayes_grpo.readers.text import flatten, json_lines, text_head

NAME = "tidy table"
ORDER = 54

_RUN = "run of the table"
#: Words of each role's column, the surest first.
_ROLES = {
    "metric": (
        "metric", "metric name", "metric key", "attribute path", "attribute", "scalar name", "key", "tag", "variable",
        "name", "path", "measure", "series",
    ),
    "value": ("value", "metric value", "float value", "y", "val", "last value", "number"),
    "run": (
        "run name", "run", "run id", "run hash", "run uuid", "experiment name", "experiment", "experiment key",
        "experiment id", "trial", "task", "job", "label", "seed",
    ),
}  # fmt: skip


class Roles(NamedTuple):
    """Columns of a tidy table."""

    metric: str
    value: str
    step: str
    run: str | None


def recognises(source: Source) -> bool:
    """A table, JSON lines or a JSON list whose columns are a metric's name, its value and a step."""
    return not source.is_folder and not source.address and _roles_in(source) is not None


def read(source: Source) -> list[Log]:
    """The metrics by step, each under its name; several runs where a column tells them apart."""
    roles = _roles_in(source)
    assert roles is not None
    return [Log(_rows(_all_rows(source), roles), by_step=True, run_column=_RUN if roles.run is not None else "")]


def _roles_in(source: Source) -> Roles | None:
    names = _names(source)
    return roles_of(names) if names else None


def _names(source: Source) -> list[str]:
    """Columns of a table, or keys of the first object."""
    head = text_head(source).lstrip()
    if head[:1] in ("{", "["):
        begin = head.find("{")
        try:
            content, _ = json.JSONDecoder().raw_decode(head[begin:])
        except (ValueError, RecursionError):
            return []
        return [str(key) for key in flatten(content)] if isinstance(content, dict) else []
    line = next((line for line in head.splitlines() if line.strip() and not line.startswith("#")), "")
    try:
        return [name.strip() for name in next(csv.reader([line], delimiter=delimiter_of(line)), [])]
    except csv.Error:
        return []


def roles_of(names: Iterable[str]) -> Roles | None:
    """The columns' roles; None where the table is not tidy, as one with a reward of its own is not."""
    columns = [name for name in names if name]
    if any(reward_rank(name) in (0, 1) for name in columns) or len(columns) > 30:
        return None
    roles: dict[str, str | None] = {}
    for role, phrases in _ROLES.items():
        free = [name for name in columns if name not in roles.values()]
        roles[role] = next((name for phrase in phrases for name in free if words(name) == words(phrase)), None)
    steps = [(rank, name) for name in columns if (rank := step_rank(name)) is not None and name not in roles.values()]
    metric, value = roles["metric"], roles["value"]
    if metric is None or value is None or not steps:
        return None
    return Roles(metric, value, min(steps)[1], roles["run"])


def _all_rows(source: Source) -> Iterator[Entry]:
    head = text_head(source).lstrip()
    if head.startswith("["):
        return chain(flatten(row) for row in stream_list(source.path) if isinstance(row, dict))
    return json_lines(source.path) if head.startswith("{") else table_rows(source.path)


def _rows(rows: Iterable[Entry], roles: Roles) -> Iterator[Entry]:
    for row in rows:
        if isinstance(row, Note) or not isinstance(row, dict):
            yield row
            continue
        key, step = row.get(roles.metric), row.get(roles.step)
        if key in (None, "") or step in (None, ""):
            continue
        out: dict[str, Any] = {"step": step, str(key): row.get(roles.value)}
        if roles.run is not None:
            out[_RUN] = row.get(roles.run)
        yield out
