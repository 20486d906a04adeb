"""A run as the laws see it: gaps in time, the learning-rate clock and observation masks, padded to one of a few lengths."""

from typing import NamedTuple

import numpy as np


class Grid(NamedTuple):
    """Arrays of shape (n,), n a padded length; a row is a point in time at which the state is visited.

    The time since the row before (``gap``, step) and the learning rate over its peak, averaged over that gap
    (``rate``), are tables of shape (kinds,) that ``kind`` points into: most runs have few kinds of gap, and a
    transition is computed once for each. ``noise`` is the observation variance in units of a one-step mean's; ``repeats`` the
    number of log rows that a point stands for, ``value`` their mean and ``scatter`` their sum of squares about it. The other
    fields are those of `bayes_grpo.laws.kalman.Observations` with ``value`` in reward units. ``start_rate`` is the clock's
    rate at the start.
    """

    gap: np.ndarray
    rate: np.ndarray
    kind: np.ndarray
    value: np.ndarray
    noise: np.ndarray
    repeats: np.ndarray
    scatter: np.ndarray
    observed: np.ndarray
    keep: np.ndarray
    weight: np.ndarray
    start_rate: np.ndarray


def padded_length(n: int) -> int:
    """Length from 64, 96, 128, 192, 256, ... that holds n rows."""
    size = 64
    while size < n:
        size = size * 3 // 2 if size & (size - 1) == 0 else size * 4 // 3
    return size
