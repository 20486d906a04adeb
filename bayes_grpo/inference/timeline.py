"""A run laid out in time, as the laws take it."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import xarray as xr

from bayes_grpo.inference.quantities import Setting
from bayes_grpo.laws.grid import Grid, padded_length

#: Length of the tables of gap kinds where that is enough; else they have an entry for each row.
FEW_KINDS = 16
#: Nodes of the learning rate between which what depends on it is interpolated, for gaps of up to so many steps in all.
#: At a
#: stiffness of 1/step, the largest there is, and a rate that falls from its peak to 0, transitions are off by less than
#: 1e-9.
NODES = ((2.0, 10), (5.0, 14))


class Rows(NamedTuple):
    """Points in time that the rows of a log visit, one entry a row with a step of its own."""

    gap: np.ndarray  # step, from the row before to the row's first point
    points: np.ndarray
    spacing: np.ndarray  # step, from one point to the next
    rate: np.ndarray  # learning rate over its peak, averaged from the row before to the row's end


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
        Least lengths, for runs that are stacked or that grow; by default what the run needs.

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
    size = max(shape.size, padded_length(n))
    table, kind, blend = _tables(laid, size, shape)
    seen = np.isfinite(reward)
    count = np.bincount(rows[seen], minlength=n).astype(float)
    value = np.bincount(rows[seen], reward[seen], minlength=n) / np.maximum(count, 1)
    scatter = np.bincount(rows[seen], (reward[seen] - value[rows[seen]]) ** 2, minlength=n)

    def pad(array: np.ndarray, fill: float = 0.0) -> np.ndarray:
        return np.concatenate([array, np.full(size - n, fill)])

    most = int(laid.points.max()) - 1
    length = max(shape.digits, most.bit_length())
    digits = np.array([(table.points.astype(int) - 1) >> bit & 1 for bit in range(length)], float)
    grid = Grid(
        gap=table.gap,
        rate=table.rate,
        points=table.points,
        spacing=table.spacing,
        digits=digits.reshape(-1, table.gap.size),
        kind=kind,
        blend=blend,
        value=pad(value),
        noise=np.full(size, 1.0 / window),
        repeats=pad(np.maximum(count, 1), 1.0),
        scatter=pad(scatter),
        observed=pad(np.minimum(count, 1)),
        start_rate=np.asarray(laid.rate[1] if n > 1 and laid.points[0] == 1 else laid.rate[0]),
    )
    return grid, rows


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


def _tables(laid: Rows, size: int, shape: GridShape) -> tuple[Rows, np.ndarray, np.ndarray | None]:
    """Tables of gap kinds, the kind of each row, and where tables hold nodes of the rate the weights of each row."""
    n = laid.gap.size
    padded = Rows(
        *(np.pad(column, (0, size - n), constant_values=fill) for column, fill in zip(laid, (0, 1, 1, 1), strict=True))
    )
    entries, kind = np.unique(np.stack(padded), axis=1, return_inverse=True)
    kind = kind.reshape(size)
    if entries.shape[1] <= shape.kinds:
        return _table(entries, shape.kinds), kind, np.eye(shape.kinds)[kind] if shape.blended else None
    nodes = _nodes(padded) if shape.kinds == FEW_KINDS else None
    if nodes is None or nodes[0].shape[1] > FEW_KINDS:
        return _table(entries, size), kind, None
    entries, blend = nodes
    return _table(entries, FEW_KINDS), np.zeros(size, int), np.pad(blend, ((0, 0), (0, FEW_KINDS - entries.shape[1])))


def _table(entries: np.ndarray, length: int) -> Rows:
    more = length - entries.shape[1]
    return Rows(*(np.pad(e, (0, more), constant_values=fill) for e, fill in zip(entries, (0, 1, 1, 1), strict=True)))


def _nodes(rows: Rows) -> tuple[np.ndarray, np.ndarray] | None:
    """Kinds of gap at Chebyshev nodes of the rate, shape (4, kinds), and each row's weights.

    None where gaps are too long.
    """
    shapes, which = np.unique(np.stack(rows[:3]), axis=1, return_inverse=True)
    which = which.reshape(rows.gap.size)
    entries, blocks = [], []
    for index in range(shapes.shape[1]):
        here = np.flatnonzero(which == index)
        rates = np.unique(rows.rate[here])
        gap, points, spacing = shapes[:, index]
        count = next((nodes for longest, nodes in NODES if gap + (points - 1) * spacing <= longest), None)
        if count is not None and rates.size > count:
            at = rates[0] + (rates[-1] - rates[0]) * (1 - np.cos(np.pi * np.arange(count) / (count - 1))) / 2
        elif rates.size <= FEW_KINDS:
            at = rates
        else:
            return None
        weights = np.zeros((rows.gap.size, at.size))
        weights[here] = _interpolation(at, rows.rate[here])
        entries.append(np.stack([np.full(at.size, gap), np.full(at.size, points), np.full(at.size, spacing), at]))
        blocks.append(weights)
    return np.concatenate(entries, axis=1), np.concatenate(blocks, axis=1)


def _interpolation(nodes: np.ndarray, places: np.ndarray) -> np.ndarray:
    """Weights of the nodes of a polynomial at places, shape (place, node).

    Barycentric form (Berrut and Trefethen 2004).
    """
    exact = places[:, None] == nodes
    if exact.any(1).all():
        one_hot: np.ndarray = exact.astype(float)
        return one_hot
    signs = (-1.0) ** np.arange(nodes.size)
    signs[[0, -1]] /= 2
    terms = signs / np.where(exact, 1.0, places[:, None] - nodes)
    weights: np.ndarray = np.where(exact.any(1)[:, None], exact, terms / terms.sum(1, keepdims=True))
    return weights


def _learning_rate_ratio(run: xr.Dataset, times: np.ndarray, peak: float | None) -> np.ndarray:
    """Learning rate over its logged peak at the given times, linear between logged rows, constant beyond them."""
    if "learning_rate" not in run or peak is None:
        return np.ones_like(times)
    logged = run["learning_rate"].values
    known = np.isfinite(logged)
    interpolated: np.ndarray = np.interp(times, run["optimizer_step"].values[known], logged[known] / peak)
    return interpolated
