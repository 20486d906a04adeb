"""Twinkle's event log: JSONL of events; those of one rollout partition are joined to one row."""

import json
import math
from collections.abc import Iterator
from typing import Any

from bayes_grpo.errors import Note
from bayes_grpo.readers.log import Entry, Facts, Log, Row, Source
from bayes_grpo.readers.text import json_lines, text_head
from bayes_grpo.readers.values import number

NAME = "Twinkle events"
ORDER = 55

#: Partitions that may be open at a time (asynchronous training).
_MOST_OPEN = 10_000


def recognises(source: Source) -> bool:
    """JSONL whose first row has an event, a partition and metrics."""
    line = text_head(source).lstrip().split("\n", 1)[0]
    if not line.startswith("{"):
        return False
    try:
        row = json.loads(line)
    except (ValueError, RecursionError):
        return False
    return (
        isinstance(row, dict)
        and {"event", "partition_id", "metrics"} <= row.keys()
        and isinstance(row["metrics"], dict)
    )


def read(source: Source) -> list[Log]:
    """A row for each step trained, with its rollouts' and its groups' figures."""
    return [Log(_joined(json_lines(source.path)), trainer="Twinkle", by_step=True)]


def _joined(events: Iterator[Row | Note]) -> Iterator[Entry]:
    groups: dict[Any, list[tuple[float, float, float]]] = {}
    rollouts: dict[Any, Row] = {}
    trained: dict[Any, Any] = {}
    sizes: set[float] = set()
    for event in events:
        if isinstance(event, Note):
            yield event
            continue
        key, kind = event.get("partition_id"), event.get("event")
        metrics = {name.removeprefix("metrics/"): value for name, value in event.items() if name.startswith("metrics/")}
        if kind == "advantage_done":
            count = _number(metrics.get("group_count"))
            spread, zero = (
                _number(metrics.get("group_reward_std_mean")),
                _number(metrics.get("zero_advantage_group_ratio")),
            )
            groups.setdefault(key, []).append((count, spread, zero))
            if count == count and count > 0:
                sizes.add(_number(metrics.get("sample_count")) / count)
        elif kind == "rollout_partition_done":
            if key in trained:  # it may come after the step that was trained on it
                yield {"optimizer_step": trained.pop(key), **metrics}
            else:
                rollouts[key] = metrics
        elif kind == "train_step_done":
            if key not in rollouts:
                trained[key] = metrics.get("optimizer_step")
            yield {**rollouts.pop(key, {}), **metrics, **_spread(groups.pop(key, []))}
        for held in (groups, rollouts, trained):
            if len(held) > _MOST_OPEN:
                held.pop(next(iter(held)))
    if len(sizes) == 1 and (size := sizes.pop()) >= 1:
        yield Facts(stated={"group_size": size})


def _spread(groups: list[tuple[float, float, float]]) -> Row:
    """Root of the mean of the groups' squared deviations, and the share of groups without any."""
    whole = [(n, s, z) for n, s, z in groups if n > 0 and math.isfinite(s)]
    total = sum(n for n, _, _ in whole)
    if not total:
        return {}
    row: Row = {"group_reward_std": math.sqrt(sum(n * s * s for n, s, _ in whole) / total)}
    shares = [(n, z) for n, _, z in whole if math.isfinite(z)]
    if shares:
        row["zero_advantage_group_ratio"] = sum(n * z for n, z in shares) / sum(n for n, _ in shares)
    return row


def _number(value: Any) -> float:
    try:
        return number(value)
    except ValueError:
        return math.nan
