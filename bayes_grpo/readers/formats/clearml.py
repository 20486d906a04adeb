"""ClearML's scalars as JSON: a title, its series, and for each the points ``x`` (the iteration) and ``y``."""

import re
from collections.abc import Iterator
from typing import Any

from bayes_grpo.errors import InputError
from bayes_grpo.readers.log import Entry, Log, Source
from bayes_grpo.readers.text import is_json, load_json, text_head

NAME = "ClearML scalars (JSON)"
ORDER = 57

_LARGEST = 1 << 29


def recognises(source: Source) -> bool:
    """An object of objects with points."""
    head = text_head(source)
    return head.lstrip().startswith("{") and is_json(source) and re.search(r'"x"\s*:\s*\[', head) is not None


def read(source: Source) -> list[Log]:
    """The points of all series by iteration.

    Raises
    ------
    InputError
        If there are none.
    """
    if source.path.stat().st_size > _LARGEST:
        raise InputError(str(source), f"expected scalars of at most {_LARGEST >> 20} MiB; export fewer")
    series = list(_series("", load_json(source.path)))
    if not series:
        raise InputError(str(source), "expected series with lists x and y of equal length, found none")
    return [Log(_rows(series), by_step=True)]


def _series(key: str, content: Any) -> Iterator[tuple[str, list[Any], list[Any]]]:
    """Series with their titles before them."""
    if isinstance(content, list):
        for held in content:
            name = str(held.get("name", "")) if isinstance(held, dict) else ""
            yield from _series("/".join(part for part in (key, name) if part), held)
        return
    if not isinstance(content, dict):
        return
    x, y = content.get("x"), content.get("y")
    if isinstance(x, list) and isinstance(y, list) and len(x) == len(y):
        yield key, x, y
        return
    for name, held in content.items():
        yield from _series("/".join(part for part in (key, str(name)) if part), held)


def _rows(series: list[tuple[str, list[Any], list[Any]]]) -> Iterator[Entry]:
    for key, steps, values in series:
        yield from ({"iteration": step, key: value} for step, value in zip(steps, values, strict=True))
