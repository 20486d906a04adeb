"""A fit as text that fits a terminal."""

from typing import Any

from rich.box import SIMPLE_HEAD
from rich.table import Table

from bayes_grpo.analysis.tables import figure, render, titled, wrapped


def summary_table(summary: dict[str, Any]) -> str:
    """Parameters with intervals, then regime probabilities and diagnostics; of runs fitted together also a line a run."""
    level = f"{summary['interval']['prob']:.0%}"
    table = titled(f"{summary['run']}: {summary['model']}")
    table.add_column("parameter", no_wrap=True)
    for heading in ("mean", "sd", f"{level} low", f"{level} high", "ESS", "R-hat"):
        table.add_column(heading, justify="right", no_wrap=True)
    table.add_column("unit", no_wrap=True)
    for name, row in summary["parameters"].items():
        if row.get("fixed"):
            value = "none" if row["mean"] is None else figure(row["mean"])
            table.add_row(name, value, "fixed", "", "", "", "", row["unit"])
            continue
        cells = [figure(row[key]) for key in ("mean", "sd", "lower", "upper")]
        rhat = "-" if row["rhat"] is None else f"{row['rhat']:.3f}"
        ess = "-" if row["ess_bulk"] is None else f"{row['ess_bulk']:.0f}"
        table.add_row(name, *cells, ess, rhat, row["unit"])
    lines = [render(table)]
    if "runs" in summary:
        lines.append(_runs_table(summary["runs"], level))
    chances = summary["probabilities"]
    if chances:
        lines.append("  ".join(f"P({name}) = {value:.3f}" for name, value in chances.items()))
    verdict = "converged" if summary["converged"] else "NOT CONVERGED"
    lines.append(wrapped(f"{verdict}: {_diagnostics_line(summary['diagnostics'])}"))
    return "\n".join(lines)


def _diagnostics_line(d: dict[str, Any]) -> str:
    """Sampler diagnostics in a line."""
    if d["method"] == "importance":
        modes = "1 mode" if d["modes"] == 1 else f"{d['modes']} modes"
        return (
            f"importance sampling, Pareto k {d['khat']:.2f}, ESS {figure(d['importance_ess'])}, {modes}, repetitions agree to "
            f"{d['disagreement']:.2f} sd, {d['seconds']:.1f} s"
        )
    return (
        f"R-hat <= {figure(d['max_rhat'])}, ESS >= {figure(d['min_ess_bulk'])} bulk, {figure(d['min_ess_tail'])} tail, "
        f"{d['divergences']} divergences, E-BFMI >= {figure(d['min_bfmi'])}, {d['seconds']:.0f} s"
    )


def _runs_table(runs: dict[str, Any], level: str) -> str:
    """Mean and interval of what people ask of each of several runs."""
    table = titled(f"each run: mean ({level} interval)")
    table.add_column("run", overflow="fold", min_width=12)
    names = [n for n in ("plateau", "timescale", "damping_ratio") if n in next(iter(runs.values()))["parameters"]]
    for name in names:
        table.add_column(name.replace("_", " "), justify="right", no_wrap=True)
    for label, run in runs.items():
        rows = [run["parameters"][name] for name in names]
        table.add_row(label, *(f"{row['mean']:.3g} ({row['lower']:.3g} to {row['upper']:.3g})" for row in rows))
    return render(table)


def sensitivity_table(sensitivity: dict[str, dict[str, Any]]) -> str:
    """How much each posterior moves with the weight of prior and likelihood."""
    table = Table(box=SIMPLE_HEAD, pad_edge=False)
    table.add_column("sensitivity of", no_wrap=True)
    for heading in ("to prior", "to rewards"):
        table.add_column(heading, justify="right", no_wrap=True)
    table.add_column("diagnosis")
    for name, row in sensitivity.items():
        table.add_row(name, f"{row['prior']:.3f}", f"{row['likelihood']:.3f}", row["diagnosis"].replace("✓", ""))
    return render(table)
