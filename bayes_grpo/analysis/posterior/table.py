"""A fit as text that fits a terminal."""

from collections.abc import Mapping
from typing import Any

from bayes_grpo.analysis.posterior.columns import TABLE, shown_in
from bayes_grpo.analysis.posterior.summary import RunSummary, Summary
from bayes_grpo.analysis.tables import number, render, titled, wrapped

#: What the line of each of several runs shows.
_OF_RUNS = ("plateau", "timescale", "damping_ratio")


def summary_table(summary: Summary) -> str:
    """Parameters with intervals, a line for each of several runs, probabilities of the regimes, and diagnostics."""
    table = titled(f"{summary['run']}: {summary['model']}")
    table.add_column("parameter", no_wrap=True)
    columns = shown_in(TABLE)
    for column in columns:
        table.add_column(column.heading, justify="left" if column.words else "right", no_wrap=True)
    for name, row in summary["parameters"].items():
        table.add_row(name, *(column.cell(row, number) for column in columns))
    lines = [render(table)]
    if "runs" in summary:
        lines.append(_runs_table(summary["runs"], f"{summary['interval']['prob']:.0%}"))
    probabilities = summary["probabilities"]
    if probabilities:
        lines.append("  ".join(f"P({name}) = {value:.3f}" for name, value in probabilities.items()))
    verdict = "converged" if summary["converged"] else "NOT CONVERGED"
    lines.append(wrapped(f"{verdict}: {_sampling(summary['diagnostics'])}"))
    return "\n".join(lines)


def _sampling(worst: Mapping[str, Any]) -> str:
    """The method, and its worst diagnostics, in a line."""
    if worst["method"] == "importance":
        modes = "1 mode" if worst["modes"] == 1 else f"{worst['modes']} modes"
        return (
            f"importance sampling, Pareto k {worst['khat']:.2f}, ESS {number(worst['importance_ess'])}, {modes}, "
            f"repetitions agree to {worst['disagreement']:.2f} sd, {worst['seconds']:.1f} s"
        )
    return (
        f"R-hat <= {number(worst['max_rhat'])}, ESS >= {number(worst['min_ess_bulk'])} bulk, "
        f"{number(worst['min_ess_tail'])} tail, {worst['divergences']} divergences, "
        f"E-BFMI >= {number(worst['min_bfmi'])}, {worst['seconds']:.0f} s"
    )


def _runs_table(runs: Mapping[str, RunSummary], level: str) -> str:
    """Median and interval of what people ask of each of several runs."""
    table = titled(f"each run: median ({level} interval)")
    table.add_column("run", overflow="fold", min_width=12)
    names = [name for name in _OF_RUNS if name in next(iter(runs.values()))["parameters"]]
    for name in names:
        table.add_column(name.replace("_", " "), justify="right", no_wrap=True)
    for label, run in runs.items():
        rows = [run["parameters"][name] for name in names]
        table.add_row(label, *(f"{row['median']:.3g} ({row['lower']:.3g} to {row['upper']:.3g})" for row in rows))
    return render(table)


def sensitivity_table(sensitivity: Mapping[str, Mapping[str, Any]]) -> str:
    """How much each posterior moves with the weight of prior and likelihood."""
    table = titled("")
    table.add_column("sensitivity of", no_wrap=True)
    for heading in ("to prior", "to rewards"):
        table.add_column(heading, justify="right", no_wrap=True)
    table.add_column("diagnosis")
    for name, row in sensitivity.items():
        table.add_row(name, f"{row['prior']:.3f}", f"{row['likelihood']:.3f}", row["diagnosis"].replace("✓", ""))
    return render(table)
