"""Several runs beside each other, on the same axes: a small chart each."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from matplotlib.ticker import MaxNLocator

from bayes_grpo.report.trajectory import Chart, band_path, line_path
from bayes_grpo.report.words import number

_LEFT, _RIGHT, _TOP, _BOTTOM = 44.0, 312.0, 8.0, 132.0
_TICKS = 4


class Panel(NamedTuple):
    """A run's panel: band and line of the expected reward, its forecast's median, and what it shows in words."""

    band: str
    line: str
    ahead: str
    alt: str


class SideBySide(NamedTuple):
    """Panels of runs, the ticks that all share as (position, words), and the axes in words."""

    panels: list[Panel]
    x_ticks: list[tuple[float, str]]
    y_ticks: list[tuple[float, str]]
    axes: str


def side_by_side(charts: Sequence[Chart]) -> SideBySide:
    """Draw the expected rewards of several runs on the same axes.

    Parameters
    ----------
    charts : sequence of Chart
        From `bayes_grpo.report.trajectory.trajectory_chart`, at least one.
    """
    rows = [np.array(chart.data["rows"][: chart.data["logged"]]) for chart in charts]
    ahead = [[row[:2] for row in chart.data["rows"][chart.data["logged"] :]] for chart in charts]
    first = min(float(run[0, 0]) for run in rows)
    last = max(float(points[-1][0] if points else run[-1, 0]) for run, points in zip(rows, ahead, strict=True))
    least, most = min(float(run[:, 3].min()) for run in rows), max(float(run[:, 4].max()) for run in rows)
    margin = 0.05 * (most - least) or 1.0
    least, most = least - margin, most + margin

    def x(steps: np.ndarray) -> np.ndarray:
        return _LEFT + (np.asarray(steps) - first) / (last - first or 1.0) * (_RIGHT - _LEFT)

    def y(rewards: np.ndarray) -> np.ndarray:
        inside = np.clip((np.asarray(rewards) - least) / (most - least), 0, 1)
        return _BOTTOM - inside * (_BOTTOM - _TOP)

    panels = []
    for run, points in zip(rows, ahead, strict=True):
        steps, to_come = x(run[:, 0]), np.array(points).reshape(-1, 2)
        alt = (
            f"The expected reward goes from {number(run[0, 2])} at step {run[0, 0]:g} to {number(run[-1, 2])} at step "
            f"{run[-1, 0]:g}"
        )
        if len(to_come):
            alt += f"; forecast at step {to_come[-1, 0]:g}: {number(to_come[-1, 1])}"
        panels.append(
            Panel(
                band_path(steps, y(run[:, 3]), y(run[:, 4])),
                line_path(steps, y(run[:, 2])),
                line_path(x(to_come[:, 0]), y(to_come[:, 1])) if len(to_come) else "",
                alt,
            )
        )
    return SideBySide(
        panels,
        [(round(float(x(np.array(mark))), 1), f"{mark:.6g}") for mark in _marks(first, last)],
        [(round(float(y(np.array(mark))), 1), f"{mark:.6g}") for mark in _marks(least, most)],
        f"steps {first:g} to {last:g}, rewards {number(least)} to {number(most)}",
    )


def _marks(low: float, high: float) -> list[float]:
    return [float(mark) for mark in MaxNLocator(_TICKS).tick_values(low, high) if low <= mark <= high]
