"""Rows in order: rows of one step joined, restarts resolved, rollouts counted in optimizer steps."""

import numpy as np

from bayes_grpo.errors import InputError, Note
from bayes_grpo.readers.log import reading_note

Arrays = dict[str, np.ndarray]
#: Where more than this share of steps fall, rows are in no order, and a fall is no restart.
_UNORDERED = 0.1


def join_partial(arrays: Arrays) -> Arrays:
    """Join neighbouring rows of one step that complete each other; rows that each have a reward stay apart.

    A row without a reward gives its values to the last row of its step before it that has one, else to the next, else
    to the first row of the step; where both have a value, the receiving row's stays.
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


def newest_first(step: np.ndarray) -> bool:
    """Whether rows stand in falling order of their steps, but for a few restarts."""
    change = np.diff(step[np.isfinite(step)])
    change = change[change != 0]
    return change.size > 1 and bool(np.mean(change < 0) > 1 - _UNORDERED)


def begun_anew(step: np.ndarray) -> list[slice]:
    """Rows of each run in a log to which several were appended: a run begins where steps fall to the first or below."""
    starts = [0]
    for at in np.flatnonzero(np.diff(step) < 0) + 1:
        if step[at] <= step[starts[-1]]:
            starts.append(int(at))
    return [slice(begin, end) for begin, end in zip(starts, [*starts[1:], step.size], strict=True)]


def appended_run(where: str, arrays: Arrays, appended: str) -> tuple[Arrays, list[Note]]:
    """The rows of the one run that a log holds, or of the one that is named by its number or as the last.

    Raises
    ------
    InputError
        Listing the runs, if there are several and none is named, or the one that is named is not there.
    """
    step = arrays["optimizer_step"]
    runs = begun_anew(step)
    if len(runs) == 1 and appended in ("", "1", "last"):
        return arrays, []
    listed = "; ".join(
        f"{number}: {run.stop - run.start} rows, steps {step[run.start]:g} to {step[run.start : run.stop].max():g}"
        for number, run in enumerate(runs[:12], 1)
    ) + (f"; and {len(runs) - 12} more" if len(runs) > 12 else "")
    if not appended:
        at = runs[1].start
        raise InputError(
            where,
            f"optimizer_step: expected one run, found step {step[at]:g} again in row {at + 1} after {step[at - 1]:g}. "
            f"If runs were appended, take one by --run N or --run last ({listed}); if a column tells them apart, name "
            "it by --run-column",
        )
    number = len(runs) if appended == "last" else int(appended) if appended.isdigit() else 0
    if not 1 <= number <= len(runs):
        raise InputError(
            where, f"--run: expected a number from 1 to {len(runs)} or last, found {appended!r} ({listed})"
        )
    taken = runs[number - 1]
    note = reading_note("run", f"run {number} of {len(runs)} in one file was taken ({listed})")
    return {name: values[taken] for name, values in arrays.items()}, [note]


def resume(where: str, arrays: Arrays) -> tuple[Arrays, list[Note]]:
    """Drop rows that a resumed run has logged again.

    Raises
    ------
    InputError
        If the steps are out of order altogether.
    """
    step = arrays["optimizer_step"]
    falls = np.flatnonzero(np.diff(step) < 0) + 1
    if not falls.size:
        return arrays, []
    # A row stays if it lies below every restart after it.
    restarts = np.full(step.size, np.inf)
    restarts[falls] = step[falls]
    lowest = np.minimum.accumulate(np.concatenate([restarts[1:], [np.inf]])[::-1])[::-1]
    keep = step < lowest
    dropped = int((~keep).sum())
    if dropped > step.size / 2 or falls.size > max(1, step.size / 4):
        raise InputError(
            where,
            f"optimizer_step: expected increasing steps, found them out of order ({falls.size} of {step.size} rows "
            "fall back); do two runs write to one file?",
        )
    note = reading_note(
        "optimizer_step", f"the run was resumed: {dropped} rows that it logged again later were left out"
    )
    return {field: array[keep] for field, array in arrays.items()}, [note]


def join_by_step(step: np.ndarray, columns: Arrays) -> tuple[np.ndarray, Arrays, list[Note]]:
    """Make one row of all rows of a step, wherever they stand; each column has its own restarts.

    Parameters
    ----------
    step : numpy.ndarray
        Step of each row, shape (rows,); rows with NaN are left out.
    columns : dict of numpy.ndarray
        The other columns, NaN where a row has no value.

    Returns
    -------
    tuple
        Steps in rising order, the columns at them, and notes of what was dropped.
    """
    useful = np.any([~np.isnan(values) for values in columns.values()], axis=0)
    steps = np.unique(step[np.isfinite(step) & useful])
    out = {}
    again = 0
    for key, values in columns.items():
        held = np.flatnonzero(~np.isnan(values) & np.isfinite(step))
        at = step[held]
        if at.size > 1 and np.mean(np.diff(at) < 0) > _UNORDERED:
            order = np.argsort(at, kind="stable")
            held, at = held[order], at[order]
        later = np.minimum.accumulate(at[::-1])[::-1]
        keep = np.ones(held.size, dtype=bool)
        keep[:-1] = at[:-1] < later[1:]  # a repeated or restarted step: what was logged last holds
        again = max(again, int((~keep).sum()))
        column = np.full(steps.size, np.nan)
        column[np.searchsorted(steps, at[keep])] = values[held[keep]]
        out[key] = column
    text = f"steps were logged again up to {again} times in a column: what was logged last was taken"
    return steps, out, [reading_note("optimizer_step", text)] if again else []


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
