"""A forecast as text that fits a terminal."""

from typing import Any

from bayes_grpo.analysis.tables import figure, render, titled, wrapped

_ROWS = 6


def forecast_table(found: dict[str, Any]) -> str:
    """Bands at a few steps, then plateau, gains and the recommendation."""
    level = f"{found['interval']['prob']:.0%}"
    table = titled(
        f"{found['run']}: {found['model']}, step {found['last_step']:g} to {found['until']:g}, {found['schedule']} learning rate"
    )
    table.add_column("step", justify="right", no_wrap=True)
    for heading in ("expected reward", f"{level} low", f"{level} high", f"logged {level} low", f"{level} high"):
        table.add_column(heading, justify="right", no_wrap=True)
    count = len(found["steps"])
    for i in sorted({round(k * (count - 1) / (_ROWS - 1)) for k in range(_ROWS)}):
        mean = [figure(found["mean"][key][i]) for key in ("median", "lower", "upper")]
        table.add_row(
            f"{found['steps'][i]:.0f}", *mean, *(figure(found["logged"][key][i]) for key in ("lower", "upper"))
        )
    gain, advice = found["gain_per_100_steps"], found["recommendation"]
    lines = [render(table)]
    if found["plateau"]["median"] is not None:
        lines.append(f"plateau: {_interval(found['plateau'])}; {_reached(found)}")
    per_hour = (
        ""
        if found["gain_per_hour"] is None
        else f", per hour (at {figure(found['step_seconds'])} s a step) {_interval(found['gain_per_hour'])}"
    )
    lines.append(
        f"gain in the next 100 steps: {_interval(gain)}{per_hour}; "
        f"P(more than {figure(gain['epsilon'])}) = {gain['probability_above_epsilon']:.2f}"
    )
    lines.append(f"recommendation: {advice['action'].upper()}{_when(found)} ({advice['rule']})")
    return "\n".join([lines[0], *(wrapped(line) for line in lines[1:])])


def _interval(row: dict[str, Any]) -> str:
    return f"{figure(row['median'])} ({figure(row['lower'])} to {figure(row['upper'])})"


def _reached(found: dict[str, Any]) -> str:
    row = found["step_95"]
    chance = f"95 % of the gain is made by step {found['until']:g} with probability {row['probability_reached']:.2f}"
    return chance if row["median"] is None else f"{chance}, at step {row['median']:.0f} in the median"


def _when(found: dict[str, Any]) -> str:
    advice = found["recommendation"]
    if advice["action"] == "look":
        return "; the run has collapsed: find out why before it costs more"
    if advice["action"] == "stop":
        return f"; going on to step {found['until']:g} would bring {_interval(advice['gain_forgone_by_stopping_now'])}"
    if advice["step"] is None:
        return f"; no step before {found['until']:g} at which the rule says stop"
    return (
        f"; as seen now, the rule says stop at step {advice['step']:.0f}: {advice['steps_saved']:.0f} steps saved, "
        f"{_interval(advice['gain_forgone_by_stopping_there'])} forgone"
    )


def live_line(found: dict[str, Any]) -> str:
    """A forecast in a line or two, as for a run that is being watched."""
    gain, advice = found["gain_per_100_steps"], found["recommendation"]
    parts = [f"step {found['last_step']:g}"]
    if found["plateau"]["median"] is not None:
        parts.append(f"plateau {_interval(found['plateau'])}")
    parts.append(f"next 100 steps {_interval(gain)}")
    if found.get("probability_unstable") is not None:
        parts.append(f"P(unstable) {found['probability_unstable']:.2f}")
    if found.get("converged") is False:
        parts.append("NOT CONVERGED")
    return wrapped("; ".join([*parts, advice["action"].upper()]) + f" ({found['seconds']:.1f} s)")
