"""A forecast next to what came, as text that fits a terminal."""

from bayes_grpo.analysis.decisions.hindsight.hindsight import Hindsight, PeriodRow
from bayes_grpo.analysis.intervals import INTERVAL_PROB
from bayes_grpo.analysis.tables import number, render, titled, wrapped


def hindsight_table(answer: Hindsight) -> str:
    """What came, in sentences, then the mean reward of each period."""
    level = f"{INTERVAL_PROB:.0%}"
    table = titled("", "mean of steps", "forecast", f"{level} low", f"{level} high", "came", "inside")
    for row in [*answer["parts"], answer["whole"]]:
        table.add_row(*_cells(row))
    return "\n".join([wrapped(f"  {answer['statement']}", indent="  "), render(table)])


def _cells(row: PeriodRow) -> list[str]:
    numbers = [number(value) for value in (row["median"], row["lower"], row["upper"], row["came"])]
    return [f"{row['first_step']:g} to {row['last_step']:g}", *numbers, "yes" if row["inside"] else "NO"]
