"""Closed forms of learning rates, recognised by the rows since the last break and the planned length."""

from collections.abc import Callable, Iterator
from typing import NamedTuple

import numpy as np

#: A logged rate follows a closed form where it never departs from it by more than this share of the peak.
CLOSE = 2e-3
#: Rows since a break that are needed to recognise a form.
LEAST = 5
#: Breaks that are tried, and rows that a search looks at.
_MOST_BREAKS, _MOST_ROWS = 8, 200
#: Departures that differ by less than this share of the peak are alike: then the planned length decides.
_ALIKE = 1e-4

#: What is left of the rate where a share x of the decay is over.
SHAPES: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "linear": lambda x: 1 - x,
    "cosine": lambda x: (1 + np.cos(np.pi * x)) / 2,
    "1-sqrt": lambda x: 1 - np.sqrt(x),
}


class Decay(NamedTuple):
    """A rate that falls from ``floor + height`` at ``begin`` to ``floor`` at ``end``, and stays there.

    ``off`` is the largest departure of the logged rates from it, ``planned`` whether it ends at the planned length, and
    ``since`` the first row that follows it.
    """

    shape: str
    begin: float
    end: float
    height: float
    floor: float
    off: float
    planned: bool
    since: float = 0.0

    def rate(self, steps: np.ndarray) -> np.ndarray:
        """The rate at steps."""
        share = np.clip((steps - self.begin) / (self.end - self.begin), 0, 1)
        rate: np.ndarray = self.floor + self.height * SHAPES[self.shape](share)
        return rate


def recognise(step: np.ndarray, rate: np.ndarray, planned: float | None) -> Decay | None:
    """The decay that the rates have followed since their last break; None where they follow none.

    Parameters
    ----------
    step, rate : numpy.ndarray
        Logged rates, the last ones not rising.
    planned : float, optional
        Step that the run was planned to end at, where it is known.
    """
    for start in breaks(step, rate):
        steps, rates = step[start:], rate[start:]
        if steps.size < LEAST:
            break
        earliest = float(step[start - 1]) if start else min(0.0, float(steps[0]))
        candidates = [
            decay
            for shape in SHAPES
            for decay in _fits(shape, steps, rates, earliest, planned)
            if decay.off < CLOSE * rates.max()
        ]
        if candidates:
            best = min(
                candidates, key=lambda decay: (round(decay.off / rates.max() / _ALIKE), not decay.planned, decay.floor)
            )
            return best._replace(since=float(steps[0]))
    return None


def breaks(step: np.ndarray, rate: np.ndarray) -> list[int]:
    """Rows at which a decay may have begun: after the last rise, at the end of its plateau, after each jump."""
    rises = np.flatnonzero(np.diff(rate) > 1e-6 * rate.max()) + 1
    first = int(rises[-1]) if rises.size else 0
    tail = rate[first:]
    level = first + int(np.flatnonzero(tail >= tail.max() * (1 - 1e-6))[-1])
    slope = np.diff(rate) / np.maximum(np.diff(step), 1e-12)
    usual = np.median(np.abs(slope[level:])) if slope[level:].size else 0.0
    jumps = np.flatnonzero(np.abs(slope) > 3 * usual + 1e-15) + 1
    after = sorted(int(at) for at in jumps if at > level)[-_MOST_BREAKS:]
    return sorted({first, level, *after})


def _fits(shape: str, step: np.ndarray, rate: np.ndarray, earliest: float, planned: float | None) -> Iterator[Decay]:
    """Decays of a shape that come closest: to 0 at the planned length, to a floor there, and to 0 anywhere."""
    rows = np.unique(np.linspace(0, step.size - 1, min(step.size, _MOST_ROWS)).astype(int))
    some, rates = step[rows], rate[rows]
    # A decay begins between the rows about the break, or at step 0 where a resumed run has another length.
    begins = (earliest, float(step[1]))

    def off(begin: float, end: float, floor: bool) -> float:
        return _solved(shape, some, rates, begin, end, floor)[2]

    def begun(end: float, floor: bool) -> float:
        near = _best(lambda begin: off(begin, end, floor), *begins)
        return min((near, min(0.0, earliest)), key=lambda begin: off(begin, end, floor))

    for end in (planned, planned + 1) if planned is not None and planned >= step[-1] else ():
        for floor in (False, True) if shape != "linear" else (False,):
            yield _decay(shape, step, rate, begun(end, floor), end, floor, True)
    reach = max(float(np.ptp(step)), 1.0)
    last = float(step[-1])
    rest = _best(
        lambda x: off(begun(last + np.exp(x), False), last + np.exp(x), False), np.log(1e-3 * reach), np.log(30 * reach)
    )
    end = last + float(np.exp(rest))
    yield _decay(shape, step, rate, begun(end, False), end, False, False)


def _best(off: Callable[[float], float], low: float, high: float) -> float:
    """Where a function of one variable is smallest, its ends included."""
    if high - low < 1e-9:
        return float(low)
    from scipy.optimize import minimize_scalar  # takes longer to import than most logs to read

    options = {"xatol": 1e-9 * max(1.0, abs(high))}
    inside = float(minimize_scalar(off, bounds=(low, high), method="bounded", options=options).x)
    return min((float(low), float(high), inside), key=off)


def _solved(
    shape: str, step: np.ndarray, rate: np.ndarray, begin: float, end: float, floor: bool
) -> tuple[float, float, float]:
    """Height and floor of a decay between two steps that come closest to rates, and the largest departure."""
    left = SHAPES[shape](np.clip((step - begin) / max(end - begin, 1e-9), 0, 1))
    if floor:
        columns = np.column_stack([left, np.ones(left.size)])
        height, level = np.linalg.lstsq(columns, rate, rcond=None)[0]
    else:
        height, level = float(left @ rate) / max(float(left @ left), 1e-30), 0.0
    if level < 0 or height <= 0:
        return 0.0, 0.0, 1e3 * float(rate.max())
    return float(height), float(level), float(np.abs(level + height * left - rate).max())


def _decay(
    shape: str, step: np.ndarray, rate: np.ndarray, begin: float, end: float, floor: bool, planned: bool
) -> Decay:
    height, level, off = _solved(shape, step, rate, begin, end, floor)
    return Decay(shape, begin, end, height, level, off, planned)
