"""A run as the laws see it: gaps in time, the learning rate and what is observed, padded to one of a few lengths."""

from typing import NamedTuple

import numpy as np


class Grid(NamedTuple):
    """Arrays of shape (n,), with n a padded length; a row is a point in time at which the state is looked at.

    Most runs have few kinds of gap, and a transition is computed once for each kind. So ``gap``, the time since the
    row before (step), and ``rate``, the mean learning rate over the gap divided by its peak, are tables of shape
    (kinds,), and ``kind`` says which entry a row takes. ``start_rate`` is the learning rate over its peak at the
    start.

    ``noise`` is the observation variance in units of that of a mean over one step. ``repeats`` is the number of log
    rows that share the row's step, ``value`` their mean reward, and ``scatter`` the sum of their squared distances
    from it. The other fields are those of `bayes_grpo.laws.kalman.Observations`.
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
    """Smallest of the lengths 64, 96, 128, 192, 256, ... that holds n rows."""
    size = 64
    while size < n:
        size = size * 3 // 2 if size & (size - 1) == 0 else size * 4 // 3
    return size
