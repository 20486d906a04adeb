"""The one interval that is reported everywhere: equal-tailed, of probability 90 %, about the median."""

from typing import Any, NamedTuple, TypedDict

import numpy as np

#: Probability of the interval.
INTERVAL_PROB = 0.9
#: The interval as a summary states it: its probability and its kind (equal-tailed).
INTERVAL = {"prob": INTERVAL_PROB, "kind": "eti"}
#: Probabilities below the interval's lower limit, below its centre and below its upper limit.
LEVELS = ((1 - INTERVAL_PROB) / 2, 0.5, (1 + INTERVAL_PROB) / 2)


class Interval(NamedTuple):
    """Limits and median of draws: numbers, or arrays of the shape that the draws have without their draw dimension."""

    lower: Any
    median: Any
    upper: Any


class IntervalRow(TypedDict):
    """One quantity's median and interval in a summary; None stands for infinite or undefined."""

    median: float | None
    lower: float | None
    upper: float | None


def interval(draws: np.ndarray, axis: int | None = 0) -> Interval:
    """Median and 90 % equal-tailed interval of draws.

    Parameters
    ----------
    draws : numpy.ndarray
        Draws of one quantity, or of many. Infinite draws count as beyond all others.
    axis : int or None
        Dimension of the draws; None takes all values together.

    Returns
    -------
    Interval
        NaN where some draw is NaN.

    Examples
    --------
    >>> import numpy as np
    >>> from bayes_grpo.analysis.intervals import interval
    >>> lower, median, upper = interval(np.arange(101.0))
    >>> [round(float(limit), 9) for limit in (lower, median, upper)]
    [5.0, 50.0, 95.0]
    """
    # Interpolation between a finite and an infinite draw would give NaN.
    finite = bool(np.isfinite(draws).all())
    return Interval(*np.quantile(draws, LEVELS, axis=axis, method="linear" if finite else "inverted_cdf"))


def interval_row(draws: np.ndarray) -> IntervalRow:
    """Median and interval of one quantity's draws, for a summary.

    Parameters
    ----------
    draws : numpy.ndarray
        Draws of one quantity, of any shape.
    """
    if np.size(draws) == 0 or np.isnan(draws).any():
        return {"median": None, "lower": None, "upper": None}
    lower, median, upper = (float(limit) if np.isfinite(limit) else None for limit in interval(draws, axis=None))
    return {"median": median, "lower": lower, "upper": upper}
