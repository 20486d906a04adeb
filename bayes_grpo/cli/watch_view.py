"""The terminal view of a run that is being watched."""

from typing import TYPE_CHECKING

import numpy as np
from rich.console import Group
from rich.panel import Panel
from rich.text import Text

from bayes_grpo.analysis.forecast.table import live_line
from bayes_grpo.analysis.notes import notes_of
from bayes_grpo.errors import printable

if TYPE_CHECKING:
    from bayes_grpo.analysis.forecast.watching import Update

_BARS = " ▁▂▃▄▅▆▇█"
_WIDTH, _HEIGHT, _MOST_NOTES = 72, 10, 3


def live_view(update: "Update | None", message: str) -> Panel:
    """Rewards as a chart of columns, the forecast behind them, and what it says."""
    if update is None or update.run is None:
        return Panel(Text(printable(message)), title="bayes-grpo watch")
    parts = [Text(line) for line in chart(update)] + [Text(printable(message))]
    if update.summary is not None:
        parts.append(Text(printable(live_line(update.summary))))
        parts += [Text(printable(f"note: {note}"), style="yellow") for note in notes_of(update.summary)[:_MOST_NOTES]]
    return Panel(Group(*parts), title=Text(printable(f"bayes-grpo watch: {str(update.run['run'].values[0])[:60]}")))


def chart(update: "Update") -> list[str]:
    """Lines of block characters: means of the logged rewards over columns, then the forecast's median, after a bar."""
    assert update.run is not None
    rewards = update.run["reward"].values[0]
    rewards = rewards[np.isfinite(rewards)]
    steps = update.run["optimizer_step"].values[0]
    ahead = np.array(update.summary["mean"]["median"]) if update.summary is not None else np.zeros(0)
    share = 1.0
    if update.summary is not None:
        share = float(np.clip(steps[-1] / update.summary["until"], 0.1, 0.9))
    left = min(max(8, round(share * _WIDTH)), max(rewards.size, 1))
    columns = [float(part.mean()) for part in np.array_split(rewards, left)] if rewards.size else []
    right = [float(part.mean()) for part in np.array_split(ahead, min(_WIDTH - left, ahead.size))] if ahead.size else []
    values = np.array(columns + right)
    if values.size == 0:
        return []
    low, high = float(values.min()), float(values.max())
    span = max(high - low, 1e-12)
    levels = np.clip((values - low) / span * _HEIGHT * 8, 1, _HEIGHT * 8)
    lines = []
    for row in reversed(range(_HEIGHT)):
        marks = [_BARS[int(np.clip(level - row * 8, 0, 8))] for level in levels]
        label = f"{high:8.3g} " if row == _HEIGHT - 1 else f"{low:8.3g} " if row == 0 else " " * 9
        lines.append(label + "".join(marks[: len(columns)]) + ("|" if right else "") + "".join(marks[len(columns) :]))
    return lines
