"""Thresholds and ringing as text that fits a terminal."""

from typing import Any

from bayes_grpo.analysis.tables import figure, render, titled


def threshold_table(found: dict[str, Any]) -> str:
    """Thresholds with intervals, then what they mean for the refresh interval that is asked about."""
    level = f"{found['interval']['prob']:.0%}"
    table = titled(f"{found['run']}: refresh interval and delay at which training is unstable (steps)")
    table.add_column("threshold", no_wrap=True)
    for heading in ("median", f"{level} low", f"{level} high", "P(none)"):
        table.add_column(heading, justify="right", no_wrap=True)
    names = {
        "leading": "refresh, leading order 1 + 2 / (lambda k)",
        "exact": "refresh, exact",
        "frozen": "refresh, exact, all lag counts (lambda = 1)",
        "delay": "constant delay, exact",
    }
    for key, name in names.items():
        row = found["threshold"][key]
        table.add_row(name, *(_or_none(row[k]) for k in ("median", "lower", "upper")), f"{row['probability_none']:.2f}")
    lines = [render(table)]
    if found["refresh_interval"] is not None:
        margin = found["learning_rate_margin"]
        lines.append(
            f"by lag alone: at K = {found['refresh_interval']:g} the learning rate could be raised {_or_none(margin['median'])} times "
            f"({level} interval {_or_none(margin['lower'])} to {_or_none(margin['upper'])}); networks broke 5 to 10 times earlier"
        )
    return "\n".join(lines)


def oscillation_table(found: dict[str, Any]) -> str:
    """Damping ratio, period, overshoot and the onset of ringing, with intervals."""
    level = f"{found['interval']['prob']:.0%}"
    table = titled(f"{found['run']}: does it ring?")
    table.add_column("quantity", no_wrap=True)
    for heading in ("median", f"{level} low", f"{level} high"):
        table.add_column(heading, justify="right", no_wrap=True)
    table.add_column("unit", no_wrap=True)
    names = {
        "damping_ratio": ("damping ratio (rings below 1)", "1"),
        "period": ("period, where it rings", "step"),
        "overshoot": ("overshoot, where it rings", "share of the way"),
        "learning_rate_factor": ("learning rate at the onset, over today's (closed form)", "1"),
        "onset_factor": ("the same, of the exact heavy ball", "1"),
        "onset_momentum": ("momentum at the onset", "1"),
    }
    for key, (name, unit) in names.items():
        row = found[key]
        cells = ("none", "", "") if row is None else tuple(figure(row[k]) for k in ("median", "lower", "upper"))
        table.add_row(name, *cells, unit)
    chances = f"P(rings) = {found['probability_underdamped']:.3f}  P(unstable) = {found['probability_unstable']:.3f}"
    return f"{render(table)}\n{chances}"


def _or_none(value: float | None) -> str:
    return "none" if value is None else figure(value)
