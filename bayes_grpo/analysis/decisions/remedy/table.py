"""Remedies as text that fits a terminal."""

from bayes_grpo.analysis.decisions.remedy.summary import SUFFICES, RemedySummary
from bayes_grpo.analysis.tables import number, render, titled, wrapped


def remedy_table(summary: RemedySummary) -> str:
    """The answer in words, then a row a change, then what is not known of each."""
    lines = [f"{summary['run']}: {summary['model']}", wrapped(summary["statement"])]
    if not summary["remedies"]:
        return "\n".join(lines)
    table = titled(f"changes, each alone; enough with probability {SUFFICES:g}")
    for heading in ("against", "change", "median", "enough", "cost"):
        left = heading in ("against", "change", "cost")
        table.add_column(heading, justify="left" if left else "right", no_wrap=heading != "cost")
    for row in summary["remedies"]:
        enough = "none" if row["sufficient"] is None else number(row["sufficient"])
        table.add_row(row["against"], row["change"], number(row["value"]["median"]), enough, row["cost"])
    unknown = [f"- {row['change']}, against {row['against']}: {row['unknown']}" for row in summary["remedies"]]
    return "\n".join([*lines, "", render(table), "not known:", *(wrapped(line, indent="  ") for line in unknown)])
