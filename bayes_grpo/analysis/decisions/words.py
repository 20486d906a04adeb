"""How decisions put numbers into sentences."""

from collections.abc import Sequence

from bayes_grpo.analysis.intervals import INTERVAL_PROB, IntervalRow


def rounded(value: float | None, unknown: str = "beyond all steps looked at") -> str:
    """A number with three significant digits."""
    return unknown if value is None else f"{value:.3g}" if abs(value) < 1000 else f"{value:,.0f}"


def with_interval(row: IntervalRow, unknown: str = "no bound") -> str:
    """Median and interval, as in '0.71 (90 % interval 0.65 to 0.78)'."""
    lower, upper = rounded(row["lower"], unknown), rounded(row["upper"], unknown)
    return f"{rounded(row['median'], unknown)} ({INTERVAL_PROB:.0%} interval {lower} to {upper})"


def chance(probability: float) -> str:
    """A probability with two digits that never says certain."""
    return "below 0.01" if probability < 0.005 else "above 0.99" if probability > 0.995 else f"{probability:.2f}"


def listed(items: Sequence[str], last: str = "and") -> str:
    """Items in a row, as in 'a, b and c'."""
    return f" {last} ".join(part for part in (", ".join(items[:-1]), *items[-1:]) if part)


def sentence(text: str) -> str:
    """Text that begins with a capital and ends with a full stop."""
    return text[:1].upper() + text[1:] + ("" if text.endswith((".", "!", "?")) else ".")
