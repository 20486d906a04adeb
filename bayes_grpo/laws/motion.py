"""Motion over all rows of a run: a transition a row, or a table of few transitions that the rows look up."""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
from jax import Array, lax

from bayes_grpo.laws.oscillator import Transition


class Motion(NamedTuple):
    """Transitions of shape (n,), or of shape (kinds,) with the ``kind`` of each row, shape (n,)."""

    table: Transition
    kind: Array | None = None

    def per_row(self) -> Transition:
        """A transition for each row, entries of shape (n,)."""
        if self.kind is None:
            return self.table
        rows: Transition = jax.tree.map(lambda entry: entry[self.kind], self.table)
        return rows


def scan_rows(
    step: Callable[[Any, Transition, Any], tuple[Any, Any]],
    start: Any,
    motion: Motion | Transition,
    rows: Any,
    *,
    reverse: bool = False,
) -> tuple[Any, Any]:
    """`jax.lax.scan` over the rows of a run, with each row's transition.

    A table is looked up row by row: where many draws are computed at once, that is several times faster than to spread
    it over the rows first.

    Parameters
    ----------
    step : callable
        Given the state, the row's transition and the row, returns the state after it and what is collected.
    start
        State before the first row.
    motion : Motion or Transition
        Transitions of all rows.
    rows
        What else belongs to each row, entries of shape (n, ...).
    reverse : bool
        From the last row to the first.
    """
    if isinstance(motion, Transition):
        motion = Motion(motion)
    table, kind = motion
    if kind is None:
        return lax.scan(lambda state, row: step(state, *row), start, (table, rows), reverse=reverse)

    def looked_up(state: Any, inputs: tuple[Array, Any]) -> tuple[Any, Any]:
        index, row = inputs
        return step(state, jax.tree.map(lambda entry: entry[index], table), row)

    return lax.scan(looked_up, start, (kind, rows), reverse=reverse)
