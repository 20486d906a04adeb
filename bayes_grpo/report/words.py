"""Numbers, probabilities, names and foreign text as a page shows them."""

import math
from collections.abc import Mapping
from typing import Any

from bayes_grpo.analysis.intervals import INTERVAL_PROB
from bayes_grpo.errors import printable

#: Least probability of each word; docs/report.md and every page state them.
SCALE = (
    (0.99, "almost certain"),
    (0.9, "very likely"),
    (0.66, "likely"),
    (0.34, "about as likely as not"),
    (0.1, "unlikely"),
    (0.01, "very unlikely"),
    (0.0, "almost impossible"),
)
#: Characters of a label, and of any other text from a log, that are shown.
MOST_LABEL, MOST_TEXT = 80, 600
#: Head of a column of intervals.
INTERVAL_WORDS = f"{INTERVAL_PROB:.0%} interval"


def sure(probability: float) -> str:
    """The word for a probability as it is shown, with two digits."""
    shown = probability if probability < SCALE[-2][0] else float(f"{probability:.2f}")
    return next(word for least, word in SCALE if shown >= least)


def chance(probability: float | None) -> str:
    """A probability as a number; what draws cannot tell from 0 or 1 is not called so."""
    if probability is None:
        return "-"
    return "below 0.01" if probability < 0.01 else "above 0.99" if probability > 0.99 else f"{probability:.2f}"


def surely(probability: float) -> str:
    """The word with its number."""
    return f"{sure(probability)} ({chance(probability)})"


def number(value: Any) -> str:
    """Three significant digits; a hyphen for what is not known."""
    if value is None or not math.isfinite(value):
        return "-"
    return f"{value:.0f}" if 1000 <= abs(value) < 1e6 else f"{value:.3g}"


def ends(row: Mapping[str, Any] | None, unknown: str = "-") -> str:
    """The ends of an interval; ``unknown`` stands for an end that does not exist."""
    if row is None or (row["lower"] is None and row["upper"] is None):
        return unknown
    return " to ".join(unknown if row[end] is None else number(row[end]) for end in ("lower", "upper"))


def plain(name: Any) -> str:
    """A name from the code as words."""
    return str(name).replace("_", " ")


def shown(text: Any, most: int = MOST_TEXT) -> str:
    """Foreign text as it can be shown: control and direction marks as escapes, the middle of long text left out."""
    text = str(text)
    if len(text) > most:
        half = (most - 5) // 2
        text = f"{text[:half]} ... {text[-half:]}"
    return printable(text, keep="")


def label(text: Any) -> str:
    """A run's label, short enough for a table."""
    return shown(text, MOST_LABEL)
