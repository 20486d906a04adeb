"""A plan as text that fits a terminal."""

from rich.table import Table

from bayes_grpo.analysis.decisions.plan.summary import OptionRow, PlanSummary
from bayes_grpo.analysis.intervals import IntervalRow
from bayes_grpo.analysis.tables import number, render, titled, wrapped

#: What tables call the setting that is varied.
_SHORT = {"group_size": "G", "prompts_per_step": "B", "refresh_interval": "K", "learning_rate": "rate", "kl": "KL"}


def plan_table(summary: PlanSummary) -> str:
    """The answer in words, then what each setting brings, then how well the log would show it."""
    rows = summary["options"]
    label = _SHORT.get(summary["varied"], "")
    brings = titled(f"from a success rate of {summary['start']:.3g}: medians and 90% intervals")
    _heads(brings, label, "plateau", "steps to 95 %", "in budget", *(["P(best)"] if len(rows) > 1 else []))
    shows = titled("groups with a signal, scatter of a logged reward, power, and P(refresh interval too long)")
    _heads(shows, label, "signal", "noise", "P(gain)", "power", "P(too stale)")
    for row in rows:
        best = [f"{row['probability_best']:.2f}"] if len(rows) > 1 else []
        brings.add_row(
            _value(row), _span(row["plateau"]), _steps(row["steps_to_95"]), _span(row["reward_in_budget"]), *best
        )
        chances = (row["probability_gain"], row["power"], row["probability_too_stale"])
        noise = number(row["noise"]["median"])
        shows.add_row(_value(row), f"{row['signal_share']:.2f}", noise, *(f"{value:.2f}" for value in chances))
    return "\n".join([wrapped(summary["statement"]), "", render(brings), render(shows)])


def _heads(table: Table, *headings: str) -> None:
    for heading in headings:
        table.add_column(heading, justify="right", no_wrap=True)


def _value(row: OptionRow) -> str:
    """The value that is varied."""
    return row["option"].rpartition("=")[2]


def _span(row: IntervalRow) -> str:
    return f"{row['median']:.3g} ({row['lower']:.3g}, {row['upper']:.3g})"


def _steps(row: IntervalRow) -> str:
    return f"{row['median']:.0f} ({row['lower']:.0f}, {row['upper']:.0f})"
