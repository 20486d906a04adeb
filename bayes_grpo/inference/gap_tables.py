"""Tables of the kinds of gap in a log: what depends on a gap alone is computed once a kind, not once a row."""

from typing import NamedTuple

import numpy as np

#: Length of the tables of gap kinds where that is enough; else they have an entry for each row.
FEW_KINDS = 16
#: Nodes of the learning rate between which what depends on it is interpolated, for gaps of up to so many steps in all.
#: At a stiffness of 1/step, the largest there is, and a rate that falls from its peak to 0, transitions are off by less
#: than 1e-9.
NODES = ((2.0, 10), (5.0, 14))


class Rows(NamedTuple):
    """Points in time that the rows of a log visit, one entry a row with a step of its own."""

    gap: np.ndarray  # step, from the row before to the row's first point
    points: np.ndarray
    spacing: np.ndarray  # step, from one point to the next
    rate: np.ndarray  # learning rate over its peak, averaged from the row before to the row's end


def tabled(laid: Rows, size: int, kinds: int, blended: bool) -> tuple[Rows, np.ndarray, np.ndarray | None]:
    """Tables of gap kinds, the kind of each row, and where tables hold nodes of the rate the weights of each row.

    Parameters
    ----------
    laid : Rows
        The rows of a log.
    size : int
        Padded number of rows.
    kinds : int
        Length of the tables, `FEW_KINDS` at least.
    blended : bool
        Whether each row gets weights, though its kind is in the table.
    """
    n = laid.gap.size
    padded = Rows(
        *(np.pad(column, (0, size - n), constant_values=fill) for column, fill in zip(laid, (0, 1, 1, 1), strict=True))
    )
    entries, kind = np.unique(np.stack(padded), axis=1, return_inverse=True)
    kind = kind.reshape(size)
    if entries.shape[1] <= kinds:
        return _table(entries, kinds), kind, np.eye(kinds)[kind] if blended else None
    nodes = _nodes(padded) if kinds == FEW_KINDS else None
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
