"""A run laid out in time, as the laws take it."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import xarray as xr

from bayes_grpo.inference.gap_tables import FEW_KINDS, Rows, tabled
from bayes_grpo.inference.quantities import Setting
from bayes_grpo.laws.grid import Grid, padded_length


class GridShape(NamedTuple):
    """What a compiled program depends on of a grid.

    Number of rows, of gap kinds and of digits, and whether rates are blended.
    """

    size: int = 0
    kinds: int = FEW_KINDS
    digits: int = 0
    blended: bool = False


def shape_of(grid: Grid) -> GridShape:
    """The shape of a grid."""
    return GridShape(grid.value.size, grid.gap.size, grid.digits.shape[0], grid.blend is not None)


def common_shape(shapes: Sequence[GridShape]) -> GridShape:
    """The shape that grids must be built with, to be stacked."""
    size, kinds, digits = (max(column) for column in list(zip(*shapes, strict=True))[:3])
    by_row = kinds > FEW_KINDS
    return GridShape(size, size if by_row else kinds, digits, not by_row and any(shape.blended for shape in shapes))


def build_grid(run: xr.Dataset, setting: Setting, shape: GridShape | None = None) -> tuple[Grid, np.ndarray]:
    """Lay a single run out in time.

    A row that logs the mean over a window of w optimizer steps is one row with w points. Rows at the same step observe
    the same state: they become one. Steps before an observation without a reward only move the clock.

    Parameters
    ----------
    run : xarray.Dataset
        A single run, dims (step).
    setting : Setting
        Its quantities, from `bayes_grpo.inference.quantities.settle`.
    shape : GridShape
        Least lengths, for runs that are stacked; by default what the run needs.

    Returns
    -------
    grid : Grid
        The run as the laws see it.
    rows : numpy.ndarray
        Index in the grid of each row of the run, shape (step,).
    """
    steps, rows = np.unique(run["optimizer_step"].values, return_inverse=True)
    reward, window, n = run["reward"].values, setting.values["logging_window"], steps.size
    shape = shape or GridShape()
    laid = _rows(run, steps, window, setting.values.get("learning_rate"))
    seen = np.isfinite(reward)
    count = np.bincount(rows[seen], minlength=n).astype(float)
    value = np.bincount(rows[seen], reward[seen], minlength=n) / np.maximum(count, 1)
    scatter = np.bincount(rows[seen], (reward[seen] - value[rows[seen]]) ** 2, minlength=n)
    start_rate = np.asarray(laid.rate[1] if n > 1 and laid.points[0] == 1 else laid.rate[0])
    return _grid(laid, shape, value, count, scatter, 1.0 / window, start_rate), rows


def merged_grid(grid: Grid, most: int) -> Grid:
    """A shorter grid: blocks of neighbouring rows, each taken as the mean over the points of its rows.

    The differences of neighbouring rows in a block count as noise, which is nearly so where the state moves little from
    a row to the next.

    Parameters
    ----------
    grid : Grid
        Of a single run.
    most : int
        Rows at most.
    """
    gap, points, spacing, rate = (
        np.asarray(column) for column in grid.per_row(grid.gap, grid.points, grid.spacing, grid.rate)
    )
    n = 1 + int(np.flatnonzero((grid.observed > 0) | (gap > 0)).max())
    first = np.arange(0, n, -(-n // most))

    def total(column: np.ndarray) -> np.ndarray:
        return np.add.reduceat(column[:n], first)

    duration = gap + (points - 1) * spacing
    inside, number = total(duration) - gap[first], np.round(total(points))
    time = np.maximum(total(duration), 1e-12)
    laid = Rows(
        gap=gap[first],
        points=number,
        spacing=np.where(number > 1, inside / np.maximum(number - 1, 1), 1.0),
        rate=np.where(total(duration) > 0, total(duration * rate) / time, rate[first]),
    )
    count = grid.repeats * grid.observed
    value = total(count * grid.value) / np.maximum(total(count), 1)
    block = np.repeat(np.arange(first.size), np.diff(first, append=n))
    # Neighbours in a block differ by noise, and by what the state moves from one to the next.
    pairs = count[: n - 1] * count[1:n] / np.maximum(count[: n - 1] + count[1:n], 1) * (np.diff(block) == 0)
    between = np.append(pairs * np.diff(grid.value[:n]) ** 2, 0.0)
    scatter = total(grid.scatter[:n] + between)
    return _grid(laid, GridShape(), value, total(count), scatter, float(grid.noise[0]), grid.start_rate)


def _grid(
    laid: Rows,
    shape: GridShape,
    value: np.ndarray,
    count: np.ndarray,
    scatter: np.ndarray,
    noise: float,
    start_rate: np.ndarray,
) -> Grid:
    """Rows in time with the mean of each one's rewards, their number, and their sum of squares about it."""
    n = value.size
    size = max(shape.size, padded_length(n))
    table, kind, blend = tabled(laid, size, shape.kinds, shape.blended)

    def pad(array: np.ndarray, fill: float = 0.0) -> np.ndarray:
        return np.concatenate([array, np.full(size - n, fill)])

    most = int(laid.points.max()) - 1
    length = max(shape.digits, most.bit_length())
    digits = np.array([(table.points.astype(int) - 1) >> bit & 1 for bit in range(length)], float)
    return Grid(
        gap=table.gap,
        rate=table.rate,
        points=table.points,
        spacing=table.spacing,
        digits=digits.reshape(-1, table.gap.size),
        kind=kind,
        blend=blend,
        value=pad(value),
        noise=np.full(size, noise),
        repeats=pad(np.maximum(count, 1), 1.0),
        scatter=pad(scatter),
        observed=pad(np.minimum(count, 1)),
        start_rate=start_rate,
    )


def _rows(run: xr.Dataset, steps: np.ndarray, window: float, peak: float | None) -> Rows:
    width = np.minimum(window, np.diff(steps, prepend=steps[0] - window))
    points = np.maximum(1, np.round(width)).astype(int)
    spacing = np.where(points > 1, width / points, 1.0)
    # A mean over steps up to this one is centred half a step after the middle of its window.
    last = np.where(points > 1, steps - spacing / 2 + 0.5, steps)
    first = last - (points - 1) * spacing
    gap = np.diff(first, prepend=first[0]) - np.concatenate([[0.0], (last - first)[:-1]])
    row = np.repeat(np.arange(steps.size), points)
    inside = np.arange(row.size) - np.repeat(np.cumsum(points) - points, points)
    times = first[row] + inside * spacing[row]
    ratio = _learning_rate_ratio(run, times, peak)
    between = np.diff(times, prepend=times[0])
    mean = np.concatenate([ratio[:1], (ratio[1:] + ratio[:-1]) / 2])
    total = np.bincount(row, between)
    weighted = np.bincount(row, between * mean)
    rate = np.where(total > 0, weighted / np.where(total > 0, total, 1.0), mean[np.cumsum(points) - points])
    single = points == 1
    rate[single] = mean[(np.cumsum(points) - points)[single]]
    return Rows(gap, points.astype(float), spacing, rate)


def _learning_rate_ratio(run: xr.Dataset, times: np.ndarray, peak: float | None) -> np.ndarray:
    """Learning rate over its logged peak at the given times, linear between logged rows, constant beyond them."""
    if "learning_rate" not in run or peak is None:
        return np.ones_like(times)
    logged = run["learning_rate"].values
    known = np.isfinite(logged)
    interpolated: np.ndarray = np.interp(times, run["optimizer_step"].values[known], logged[known] / peak)
    return interpolated
