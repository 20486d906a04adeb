"""JSON documents: a list of rows; columns by name (pandas); W&B's JSON exports."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from bayes_grpo.errors import InputError
from bayes_grpo.readers.column_words import reward_rank, step_rank
from bayes_grpo.readers.formats import console
from bayes_grpo.readers.json_stream import stream_list
from bayes_grpo.readers.log import COUNT, Entry, Facts, Log, Row, Source
from bayes_grpo.readers.text import begins_like_json, flatten, holds_messages, is_json, load_json, text_head

NAME = "JSON rows"
ORDER = 70
ANYTHING = True

_ROWS = ("log_history", "history", "rows", "logs", "metrics", "data")
#: An object of columns is held as a whole, so it may not be longer.
LARGEST = 1 << 29


def recognises(source: Source) -> bool:
    """A JSON list of objects, or an object over several lines or of lists."""
    if source.is_folder or source.address or (holds_messages(source) and console.recognises(source)):
        return False
    return is_json(source) or (begins_like_json(source) and not console.recognises(source))


def read(source: Source) -> list[Log]:
    """Its rows."""
    if text_head(source).lstrip().startswith("["):
        return [Log(_listed(source.path))]
    if source.path.stat().st_size > LARGEST:
        raise InputError(
            str(source), f"expected an object of at most {LARGEST >> 20} MiB; write the log as JSONL, a row a line"
        )
    content = load_json(source.path)
    if not isinstance(content, dict):
        raise InputError(str(source), f"expected rows, found a {type(content).__name__}")
    return [Log(_object(source.path, content))]


def _listed(path: Path) -> Iterator[Row]:
    for number, row in enumerate(stream_list(path), 1):
        if not isinstance(row, dict):
            raise InputError(str(path), f"row {number}: expected an object, found a {type(row).__name__}")
        yield flatten(row, wrapper="data")


def _object(path: Path, content: dict[str, Any]) -> Iterator[Entry]:
    """Rows of an object: under a usual name, or columns as lists, as {row: value}, or as pandas splits a table."""
    columns, data = content.get("columns"), content.get("data")
    if isinstance(columns, list) and isinstance(data, list):
        yield from (dict(zip(map(str, columns), row, strict=False)) for row in data if isinstance(row, list))
        return
    for name in _ROWS:
        rows = content.get(name)
        if isinstance(rows, list) and any(isinstance(row, dict) for row in rows):
            beside = {k: v for k, v in content.items() if k != name and isinstance(v, (int, float, str, dict))}
            settings = beside.pop("config", {})
            yield Facts(config=flatten(beside | (settings if isinstance(settings, dict) else {})))
            yield from (flatten(row, wrapper="data") for row in rows if isinstance(row, dict))
            return
    wrapped = next((content[name] for name in _ROWS if _columns(content.get(name))), content)
    lists = _columns(wrapped)
    mapped = {key: value for key, value in content.items() if isinstance(value, dict)}
    if lists:
        yield from _from_lists(lists)
        return
    if len(mapped) > 1 and all(str(at).lstrip("-").isdigit() for values in mapped.values() for at in values):
        places = sorted({at for values in mapped.values() for at in values}, key=int)
        yield from ({key: values[at] for key, values in mapped.items() if at in values} for at in places)
        return
    keys = ", ".join(list(content)[:8])
    raise InputError(
        str(path), f"log_history: expected TRL's list of log rows, or columns of rows, found keys {keys or 'none'}"
    )


def _columns(content: Any) -> dict[str, list[Any]]:
    """The columns of an object of lists, nested objects with their keys joined; {} for what is none."""
    if not isinstance(content, dict):
        return {}
    lists = {key: value for key, value in flatten(content).items() if isinstance(value, list) and len(value) > 1}
    return lists if len(lists) > 1 or any(reward_rank(key) is not None for key in lists) else {}


def _from_lists(lists: dict[str, list[Any]]) -> Iterator[Entry]:
    """Rows of columns; without a column of steps, rows are counted."""
    counted = not any((rank := step_rank(key)) is not None and rank < 100 for key in lists)
    for i in range(max(map(len, lists.values()))):
        row = {key: values[i] for key, values in lists.items() if i < len(values)}
        yield row | {COUNT: i + 1} if counted else row
