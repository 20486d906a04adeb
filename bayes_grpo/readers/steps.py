"""Rows in order: rows of one step joined, restarts resolved, rollouts counted in optimizer steps."""

import numpy as np

from bayes_grpo.errors import InputError

Arrays = dict[str, np.ndarray]


def join_partial(arrays: Arrays) -> Arrays:
    """Join neighbouring rows of one step that complete each other; rows that each have a reward stay apart.

    A row without a reward gives its values to the last row of its step before it that has one, else to the next, else to
    the first row of the step; where both have a value, the receiving row's stays.
    """
    step, reward = arrays["optimizer_step"], arrays["reward"]
    n = step.size
    if n == 0:
        return arrays
    index = np.arange(n)
    block = np.concatenate([[0], np.cumsum(np.diff(step) != 0)])
    has = ~np.isnan(reward)
    before = np.maximum.accumulate(np.where(has, index, -1))
    after = np.minimum.accumulate(np.where(has, index, n)[::-1])[::-1]
    first = np.maximum.accumulate(np.where(np.concatenate([[True], np.diff(block) > 0]), index, 0))
    after_block = block[np.minimum(after, n - 1)]
    target = np.where((after < n) & (after_block == block), after, first)
    target = np.where((before >= 0) & (block[before] == block), before, target)
    moved = target != index
    if not moved.any():
        return arrays
    out = {}
    for name, array in arrays.items():
        array = array.copy()
        givers = np.flatnonzero(moved & ~np.isnan(array))[::-1]
        gift = np.full(n, np.nan)
        gift[target[givers]] = array[givers]  # of several the first wins, being written last
        array[np.isnan(array)] = gift[np.isnan(array)]
        out[name] = array[~moved]
    return out


def resume(where: str, arrays: Arrays, notes: list[str]) -> Arrays:
    """Drop rows that a resumed run has logged again.

    Raises
    ------
    InputError
        If the steps start over, or are out of order altogether.
    """
    step = arrays["optimizer_step"]
    falls = np.flatnonzero(np.diff(step) < 0) + 1
    if not falls.size:
        return arrays
    over = falls[step[falls] <= step[0]]
    if over.size:
        i = int(over[0])
        raise InputError(
            where,
            f"optimizer_step: expected one run, found step {step[i]:g} again in row {i + 1} after {step[i - 1]:g}; if the "
            "file holds several runs, split it, or name the column that tells them apart by --run-column",
        )
    # A row stays if it lies below every restart after it.
    restarts = np.full(step.size, np.inf)
    restarts[falls] = step[falls]
    lowest = np.minimum.accumulate(np.concatenate([restarts[1:], [np.inf]])[::-1])[::-1]
    keep = step < lowest
    dropped = int((~keep).sum())
    if dropped > step.size / 2 or falls.size > max(1, step.size / 4):
        raise InputError(
            where,
            f"optimizer_step: expected increasing steps, found them out of order ({falls.size} of {step.size} rows fall "
            "back); do two runs write to one file?",
        )
    notes.append(f"the run was resumed: {dropped} rows that it logged again later were left out")
    return {field: array[keep] for field, array in arrays.items()}


def join_by_step(where: str, step: np.ndarray, columns: Arrays, notes: list[str]) -> tuple[np.ndarray, Arrays]:
    """Make one row of all rows of a step, wherever they stand; each column has its own restarts.

    Parameters
    ----------
    where : str
        Named in notes.
    step : numpy.ndarray
        Step of each row, shape (rows,); rows with NaN are left out.
    columns : dict of numpy.ndarray
        The other columns, NaN where a row has no value.
    notes : list of str
        Receives what was dropped.

    Returns
    -------
    tuple
        Steps in rising order, and the columns at them.
    """
    steps = np.unique(step[np.isfinite(step)])
    out = {}
    again = 0
    for key, values in columns.items():
        held = np.flatnonzero(~np.isnan(values) & np.isfinite(step))
        at = step[held]
        later = np.minimum.accumulate(at[::-1])[::-1]
        keep = np.ones(held.size, dtype=bool)
        keep[:-1] = at[:-1] < later[1:]  # a repeated or restarted step: what was logged last holds
        again = max(again, int((~keep).sum()))
        column = np.full(steps.size, np.nan)
        column[np.searchsorted(steps, at[keep])] = values[held[keep]]
        out[key] = column
    if again:
        notes.append(f"steps were logged again up to {again} times in a column: what was logged last was taken")
    return steps, out


def rollouts_to_updates(step: np.ndarray, updates: float) -> np.ndarray:
    """Optimizer steps of rows that count batches of rollouts: the first update made on each.

    Parameters
    ----------
    step : numpy.ndarray
        Numbers of the batches; counting begins at 0 if a 0 is there, else at 1.
    updates : float
        Optimizer updates a batch.
    """
    base = 0.0 if step.size and np.nanmin(step) < 1 else 1.0
    return (step - base) * updates + base


def spacing(step: np.ndarray) -> float | None:
    """Median distance of different steps; None for fewer than two."""
    gaps = np.diff(np.unique(step[np.isfinite(step)]))
    return float(np.median(gaps)) if gaps.size else None
