"""A forecast as text that fits a terminal."""

from bayes_grpo.analysis.collapses import recovery_text
from bayes_grpo.analysis.forecast.live import LiveSummary
from bayes_grpo.analysis.forecast.summary import ForecastSummary
from bayes_grpo.analysis.intervals import IntervalRow
from bayes_grpo.analysis.tables import number, render, titled, wrapped

_ROWS = 6


def forecast_table(summary: ForecastSummary) -> str:
    """Bands at a few steps, then plateau, gains and the recommendation."""
    level, until = f"{summary['interval']['prob']:.0%}", summary["until"]
    title = (
        f"{summary['run']}: {summary['model']}, step {summary['last_step']:.0f} to {until:.0f}, {summary['schedule']}"
    )
    headings = ("step", "expected reward", f"{level} low", f"{level} high", f"logged {level} low", f"{level} high")
    table = titled(f"{title} learning rate", *headings)
    mean, logged = summary["mean"], summary["logged"]
    last = len(summary["steps"]) - 1
    for i in sorted({round(k * last / (_ROWS - 1)) for k in range(_ROWS)}):
        bands = (mean["median"], mean["lower"], mean["upper"], logged["lower"], logged["upper"])
        table.add_row(f"{summary['steps'][i]:.0f}", *(number(values[i]) for values in bands))
    gain, advice = summary["gain_per_100_steps"], summary["recommendation"]
    lines = []
    if summary["plateau"]["median"] is not None:
        lines.append(f"plateau: {_interval(summary['plateau'])}; {_reached(summary)}")
    per_hour = (
        ""
        if summary["gain_per_hour"] is None
        else f", per hour (at {number(summary['step_seconds'])} s a step) {_interval(summary['gain_per_hour'])}"
    )
    lines.append(
        f"gain in the next 100 steps: {_interval(gain)}{per_hour}; "
        f"P(more than {number(gain['epsilon'])}) = {gain['probability_above_epsilon']:.2f}"
    )
    if summary["probability_jump"] is not None:
        lines.append(
            f"within 100 steps: P(jump) = {summary['probability_jump']:.2f}, P(collapse) = "
            f"{summary['probability_collapse']:.2f}, as often as in other runs; the bands hold neither"
        )
    if summary["regime"] is not None:
        now = ", ".join(f"{name} {probability:.2f}" for name, probability in summary["regime"].items())
        lines.append(f"the level now, with probability: {now}")
    if summary["recovery"] is not None:
        lines.append(recovery_text(summary["recovery"]))
    lines.append(f"recommendation: {advice['action'].upper()}{_when(summary)} ({advice['rule']})")
    return "\n".join([render(table), *(wrapped(line) for line in lines)])


def _interval(row: IntervalRow) -> str:
    return f"{number(row['median'])} ({number(row['lower'])} to {number(row['upper'])})"


def _reached(summary: ForecastSummary) -> str:
    row = summary["step_95"]
    text = f"95 % of the gain is made by step {summary['until']:.0f} with probability {row['probability_reached']:.2f}"
    if row["median"] is None:
        return text
    if row["median"] <= summary["last_step"]:  # how long ago is not worked out
        return f"{text}; in the median it is made already, by the last logged step, {summary['last_step']:.0f}"
    return f"{text}, at step {row['median']:.0f} in the median"


def _when(summary: ForecastSummary) -> str:
    """What the recommendation means: what stopping would cost, or when the rule would say stop."""
    advice, until = summary["recommendation"], summary["until"]
    if advice["action"] == "look":
        return "; the run has collapsed: find out why before it costs more"
    if advice["action"] == "stop":
        return f"; going on to step {until:.0f} would bring {_interval(advice['gain_forgone_by_stopping_now'])}"
    if advice["step"] is None:
        return f"; no step before {until:.0f} at which the rule says stop"
    return (
        f"; as seen now, the rule says stop at step {advice['step']:.0f}: {advice['steps_saved']:.0f} steps saved, "
        f"{_interval(advice['gain_forgone_by_stopping_there'])} forgone"
    )


def live_line(summary: LiveSummary) -> str:
    """A forecast in a line or two, as for a run that is being watched."""
    parts = [f"step {summary['last_step']:g}"]
    if summary["plateau"]["median"] is not None:
        parts.append(f"plateau {_interval(summary['plateau'])}")
    parts.append(f"next 100 steps {_interval(summary['gain_per_100_steps'])}")
    if summary["probability_unstable"] is not None:
        parts.append(f"P(unstable) {summary['probability_unstable']:.2f}")
    if summary["alarms"]:
        last = summary["alarms"][-1]
        parts.append(
            f"ALARM at step {last['step']:g}: reward fell from {number(last['best'])} to {number(last['reward'])}"
        )
    if summary["recovery"] is not None:
        parts.append(recovery_text(summary["recovery"]))
    if not summary["converged"]:
        parts.append("NOT CONVERGED")
    advice = summary["recommendation"]["action"].upper()
    return wrapped("; ".join([*parts, advice]) + f" ({summary['seconds']:.1f} s)")
