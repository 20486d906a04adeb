"""Steps of rows that carry none: from the progress bar between them, their epoch, their learning rate, or their number.

Standard output is buffered where it goes to a file, and a progress bar, on standard error, is not: then many rows stand
between two positions of the bar, and only the last of them was logged there.
"""

import math
from typing import NamedTuple

import numpy as np

from bayes_grpo.errors import Note
from bayes_grpo.readers.gather_columns import Table
from bayes_grpo.readers.log import BAR, COUNT, reading_note

#: Share of rows that must each have a bar position of their own for the bar to tell the step.
_OWN = 0.8
#: A spacing told by the learning rate agrees with the bar's within this share.
_AGREES = 0.05


class Placed(NamedTuple):
    """Steps of all rows, the planned length that they tell, and notes."""

    step: np.ndarray
    planned: float | None
    notes: list[Note]


def place_rows(table: Table, planned: float | None, start: float = 0.0) -> Placed | None:
    """Steps of the rows of a log that carries none.

    Parameters
    ----------
    table : Table
        With the column `COUNT`, the number of each training row (other rows repeat the last), and perhaps `BAR`.
    planned : float, optional
        The planned length, as the bar tells it.
    start : float
        The bar's first position, above 0 in the log of a resumed run.

    Returns
    -------
    Placed or None
        None where the rows are not counted.
    """
    if COUNT not in table.arrays:
        return None
    count = table.arrays[COUNT]
    begins = np.flatnonzero(np.diff(count) < 0) + 1
    rows = [slice(begin, end) for begin, end in zip([0, *begins], [*begins, count.size], strict=True)]
    if not (count > 0).any():
        return None
    placed = [_place_run(table, part, planned, start) for part in rows]
    notes = [note for run in placed for note in run.notes]
    if len(placed) > 1:
        notes = [
            reading_note(note.subject, f"run {number} in the file: {note.text}")
            for number, run in enumerate(placed, 1)
            for note in run.notes
        ]
    return Placed(np.concatenate([run.step for run in placed]), planned, notes)


def _place_run(table: Table, rows: slice, planned: float | None, start: float) -> Placed:
    """Steps of the rows of one run."""
    count = table.arrays[COUNT][rows]
    bar = table.arrays.get(BAR, np.full(table.length, np.nan))[rows]
    training = np.concatenate([[True], np.diff(count) > 0]) & (count > 0)
    at = np.flatnonzero(training)
    if not at.size:
        return Placed(count, planned, [])
    known = bar[at]
    if np.isnan(known).all():
        return Placed(count, planned, [_counted(at.size)])
    changes = np.count_nonzero(np.diff(known[np.isfinite(known)]) > 0) + 1
    if changes >= _OWN * at.size:
        return Placed(_off_the_bar(count, bar, training), planned, [_read_off(at.size)])
    placed = _in_bursts(
        known, start, planned, _column(table, "epoch", rows, at), _column(table, "learning_rate", rows, at)
    )
    if placed is None:
        return Placed(count, planned, [_counted(at.size)])
    steps, text = placed
    index = np.clip(np.cumsum(training) - 1, 0, None)
    return Placed(steps[index], planned, [reading_note("optimizer_step", text)])


def _counted(rows: int) -> Note:
    text = (
        f"{rows} rows carry no step: counted 1, 2, ... (right for logging_steps=1; else read the trainer state, or "
        "state --logging-window)"
    )
    return reading_note("optimizer_step", text)


def _read_off(rows: int) -> Note:
    return reading_note("optimizer_step", f"steps of {rows} printed rows read off the progress bar before each")


def _off_the_bar(count: np.ndarray, bar: np.ndarray, training: np.ndarray) -> np.ndarray:
    """The bar's position where it has moved on since the last training row, else one more than the last.

    A bar that falls back to a checkpoint goes on from there; one that begins anew is that of the next epoch.
    """
    out = np.empty(count.size)
    last = 0.0
    moves = np.diff(bar[training & np.isfinite(bar)])
    usual = float(np.median(moves[moves > 0])) if (moves > 0).any() else math.inf
    for i in range(count.size):
        if i and bar[i - 1] > bar[i] > 2 * usual:
            last = 0.0
        moved = np.isfinite(bar[i]) and (bar[i] > last or (bar[i] == last and not training[i]))
        if moved:
            last = bar[i]
        elif training[i]:
            last += 1
        out[i] = last
    return out


def _in_bursts(
    bar: np.ndarray, start: float, planned: float | None, epoch: np.ndarray | None, rate: np.ndarray | None
) -> tuple[np.ndarray, str] | None:
    """Steps of rows that came in bursts, and how they were told; None where nothing tells them."""
    number = np.arange(1, bar.size + 1)
    window, exact = _window(bar - start, number)
    by_rate = _window_by_rate(rate, planned and planned - start, number)
    if by_rate is not None and (window is None or not exact):
        window, exact = by_rate, True
    if window is None:
        return None
    steps = start + window * number.astype(float)
    if _first_step_logged(epoch) and window > 1:
        steps = np.concatenate([[start + 1.0], steps[:-1]])
    says = "rows between two positions of the bar"
    if by_rate is not None and abs(by_rate - window) <= _AGREES * window:
        says += ", and the learning rate agrees"
    text = (
        f"the rows of standard output came in bursts, so the progress bar does not tell their steps: they are taken as "
        f"{steps[0]:g}, {steps[1]:g}, ..., {steps[-1]:g} ({says})"
    )
    return steps, text


def _window(bar: np.ndarray, number: np.ndarray) -> tuple[int | None, bool]:
    """The whole number of steps between rows that the bar's positions allow, and whether it is the only one.

    The last row n of a burst was logged at step w n, at or before the bar's position then; the first row of the next
    burst at w (n + 1), after the position that the bar had when the burst before it came out.
    """
    held = np.isfinite(bar)
    last = np.flatnonzero(np.diff(bar[held]) > 0)
    ends = np.concatenate([last, [held.sum() - 1]])
    position, rows = bar[held][ends], number[held][ends]
    if position[-1] < rows[-1]:
        return None, False
    candidates = np.arange(1, int(position[-1] // rows[-1]) + 2)
    late = (candidates[:, None] * rows > position + 1e-9).sum(axis=1)
    early = (candidates[:, None] * (rows + 1) < position - 1e-9)[:, :-1].sum(axis=1)
    faults = late + early
    best = np.flatnonzero(faults == faults.min())
    if faults.min() > 0.2 * rows.size:
        return None, False
    return int(candidates[best[-1]]), best.size == 1


def _window_by_rate(rate: np.ndarray | None, planned: float | None, number: np.ndarray) -> int | None:
    """Steps between rows from a learning rate that decays in a straight line to 0 at the planned length."""
    if rate is None or planned is None or rate.size < 4:
        return None
    peak = int(np.argmax(rate))
    held = np.isfinite(rate[peak:])
    if held.sum() < 4 or np.ptp(rate[peak:][held]) == 0:
        return None
    slope, level = np.polyfit(number[peak:][held], rate[peak:][held], 1)
    off = np.abs(level + slope * number[peak:] - rate[peak:])[held].max()
    if slope >= 0 or off > 0.01 * rate[peak]:
        return None
    window = planned / (-level / slope)
    return round(window) if window >= 0.5 and abs(window - round(window)) < _AGREES * window else None


def _first_step_logged(epoch: np.ndarray | None) -> bool:
    """Whether the first row is step 1 and the next ones whole intervals, as with logging_first_step."""
    if epoch is None or epoch.size < 4 or not np.isfinite(epoch).all():
        return False
    usual = float(np.median(np.diff(epoch)))
    return usual > 0 and epoch[0] < 0.5 * usual and epoch[1] < 1.3 * usual


def _column(table: Table, name: str, rows: slice, at: np.ndarray) -> np.ndarray | None:
    return table.arrays[name][rows][at] if name in table.arrays else None
