"""Thresholds and ringing as text that fits a terminal."""

from typing import Any

from bayes_grpo.analysis.stability.oscillation import QUANTITIES, VISIBLE_OVERSHOOT, OscillationSummary
from bayes_grpo.analysis.stability.threshold_summary import THRESHOLDS, ThresholdSummary
from bayes_grpo.analysis.tables import number, render, titled, wrapped

_ENDS = ("median", "lower", "upper")
#: Where the share of the lag is from, in words.
_SOURCES = {
    "stated": "as stated",
    "posterior": "learned from the runs",
    "prior": "which is its prior: the runs say nothing of it",
    "uniform": "which is unknown and was drawn uniformly",
}


def threshold_table(summary: ThresholdSummary) -> str:
    """Thresholds with intervals, then what they mean for the refresh interval that is asked about."""
    level = f"{summary['interval']['prob']:.0%}"
    table = titled(f"{summary['run']}: refresh interval and delay at which training is unstable (steps)")
    table.add_column("threshold", no_wrap=True)
    for heading in ("median", f"{level} low", f"{level} high", "P(none)"):
        table.add_column(heading, justify="right", no_wrap=True)
    for key, name in THRESHOLDS.items():
        row: Any = summary["threshold"][key]
        table.add_row(name, *(_or_none(row[end]) for end in _ENDS), f"{row['probability_none']:.2f}")
    share = summary["lag_share"]
    lines = [
        render(table),
        f"share of the lag that counts: {_or_none(share['median'])} ({level} interval {_or_none(share['lower'])} to "
        f"{_or_none(share['upper'])}), {_SOURCES[share['source']]}",
    ]
    margin = summary["learning_rate_margin"]
    if margin is not None:
        lines.append(
            f"by lag alone: at K = {summary['refresh_interval']:g} the learning rate could be raised "
            f"{_or_none(margin['median'])} times ({level} interval {_or_none(margin['lower'])} to "
            f"{_or_none(margin['upper'])}); networks broke 5 to 10 times earlier"
        )
    return "\n".join([lines[0], *(wrapped(line) for line in lines[1:])])


def oscillation_table(summary: OscillationSummary) -> str:
    """Damping ratio, period, overshoot and the onset of ringing, with intervals."""
    level = f"{summary['interval']['prob']:.0%}"
    table = titled(f"{summary['run']}: does it ring?")
    table.add_column("quantity")
    for heading in ("median", f"{level} low", f"{level} high"):
        table.add_column(heading, justify="right", no_wrap=True)
    table.add_column("unit", no_wrap=True)
    for key, (name, unit) in QUANTITIES.items():
        row: Any = summary[key]  # type: ignore[literal-required]
        cells = ("none", "", "") if row is None else tuple(number(row[end]) for end in _ENDS)
        table.add_row(name, *cells, unit)
    rings, runs_away = summary["probability_oscillatory"], summary["probability_unstable"]
    seen = (
        f"It rings visibly, beyond its plateau by {VISIBLE_OVERSHOOT:.0%} of the way or more, with probability "
        f"{summary['probability_visible']:.2f}; it runs away with probability {runs_away:.2f}."
    )
    regime = f"P(rings) = {rings:.3f} (a damping ratio below 1, visible or not)  P(unstable) = {runs_away:.3f}"
    if any(note["kind"] == "assumption" and note["subject"] == "momentum" for note in summary["notes"]):
        regime += "; this rests on a momentum that is assumed, not logged"
    return "\n".join([wrapped(seen), render(table), wrapped(regime)])


def _or_none(value: float | None) -> str:
    return "none" if value is None else number(value)
