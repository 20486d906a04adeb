"""A run as the laws see it: gaps in time, the learning-rate clock and observations, padded to one of a few lengths."""

from typing import NamedTuple

import jax.numpy as jnp
import numpy as np
from jax import Array
from jax.typing import ArrayLike


class Grid(NamedTuple):
    """Rows of a log, in order of time, as arrays of shape (n,), n a padded length.

    Many rows have the same kind of gap before them. What depends on the gap alone is a table of shape (kinds,): the
    time from the row before to the row's first point (``gap``, step), the learning rate over its peak, averaged over
    the row's gap (``rate``), the number of ``points`` that the row averages, the time from one to the next
    (``spacing``, step), and the binary digits of the number of points less one (``digits``, shape (digit, kinds)).
    ``kind`` points into the tables. Where the learning rate changes from row to row, a table holds some nodes of the
    rate, and ``blend``, shape (n, kinds), interpolates between them; else it is None.

    ``value`` is the mean of the ``repeats`` log rows that share a step, ``scatter`` their sum of squares about it, and
    ``noise`` the observation variance in units of a one-step mean's. ``observed`` is 1 where there is a reward.
    ``start_rate`` is the clock's rate at the start.
    """

    gap: np.ndarray
    rate: np.ndarray
    points: np.ndarray
    spacing: np.ndarray
    digits: np.ndarray
    kind: np.ndarray
    blend: np.ndarray | None
    value: np.ndarray
    noise: np.ndarray
    repeats: np.ndarray
    scatter: np.ndarray
    observed: np.ndarray
    start_rate: np.ndarray

    @property
    def averages(self) -> bool:
        """Whether rows are means over several points."""
        return len(self.digits) > 0

    def per_row(self, *tables: ArrayLike) -> tuple[Array, ...]:
        """Entries of tables of shape (kinds,) in each row, shape (n,)."""
        if self.blend is None:
            kind = jnp.asarray(self.kind)
            return tuple(jnp.asarray(table)[kind] for table in tables)
        rows = jnp.asarray(self.blend) @ jnp.stack([jnp.asarray(table) for table in tables], axis=-1)
        return tuple(rows[..., i] for i in range(len(tables)))


def padded_length(n: int) -> int:
    """Smallest of the lengths 64, 96, 128, 192, ..., 2048, 2304, 2560, ..., 4096, 4608, ... that holds n rows.

    Rows beyond 2,048 take seconds, so that a tenth of them costs more than one more program now and then.
    """
    size = 64
    while size < n and size < 2048:
        size = size * 3 // 2 if size & (size - 1) == 0 else size * 4 // 3
    if n <= size:
        return size
    part = 1 << (n - 1).bit_length() - 4  # an eighth of the power of two below
    return -(-n // part) * part
