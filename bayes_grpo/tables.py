"""Tables that fit a terminal."""

import io
import shutil
import textwrap
from collections.abc import Sequence
from typing import Any

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from bayes_grpo.spec import ModelSpec


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
    d = summary["diagnostics"]
    lines.append(
        f"{'converged' if summary['converged'] else 'NOT CONVERGED'}: R-hat <= {figure(d['max_rhat'])}, ESS >= "
        f"{figure(d['min_ess_bulk'])} bulk, {figure(d['min_ess_tail'])} tail, {d['divergences']} divergences, "
        f"E-BFMI >= {figure(d['min_bfmi'])}, {d['seconds']:.0f} s"
    )
    return "\n".join(lines)


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


def titled(title: str) -> Table:
    """An empty table under a title."""
    return Table(box=SIMPLE_HEAD, title=title, title_justify="left", pad_edge=False)


def comparison_table(comparison: dict[str, Any]) -> str:
    """Models from best to worst, then runs where there are several, then the result in words."""
    runs = comparison["runs"]
    title = (
        f"{runs[0] if len(runs) == 1 else f'{len(runs)} runs'}: {comparison['method']}, {comparison['rewards']} rewards"
    )
    lines = [_scores(title, comparison["table"], ("weight",))]
    if len(runs) > 1:
        per_run = comparison["per_run"]
        lines += [_scores(label, [row for row in per_run if row["run"] == label]) for label in runs]
    return "\n".join([*lines, wrapped(comparison["statement"])])


def _scores(title: str, rows: Sequence[dict[str, Any]], more: Sequence[str] = ()) -> str:
    table = titled(title)
    table.add_column("model", no_wrap=True)
    for heading in ("elpd", "se", "to best", "se of it", *more, "max k-hat"):
        table.add_column(heading, justify="right", no_wrap=True)
    for row in rows:
        scores = ["-" if row[key] is None else f"{row[key]:.1f}" for key in ("elpd", "se", "delta", "delta_se")]
        extra = ["-" if row[key] is None else f"{row[key]:.2f}" for key in (*more, "max_khat")]
        table.add_row(row["model"] if row["converged"] else f"{row['model']} (not converged)", *scores, *extra)
    return render(table)


def wrapped(text: str) -> str:
    """Text in lines that fit the terminal."""
    return "\n".join(textwrap.wrap(text, max(shutil.get_terminal_size((100, 24)).columns, 80)))


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
            f"at K = {found['refresh_interval']:g}: P(unstable) = {found['probability_unstable']:.3f}; the learning rate could be "
            f"raised {_or_none(margin['median'])} times ({level} interval {_or_none(margin['lower'])} to {_or_none(margin['upper'])})"
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


def models_table(models: Sequence[ModelSpec]) -> str:
    """Names, equations and summaries of models."""
    table = Table(box=SIMPLE_HEAD, pad_edge=False)
    table.add_column("model", no_wrap=True)
    table.add_column("what it is")
    for model in models:
        table.add_row(model.name, f"{model.summary}\n{model.equation}")
    return render(table)


def figure(value: float | None) -> str:
    """A number in four figures."""
    return "-" if value is None else f"{value:.4g}" if abs(value) < 1e5 else f"{value:.3e}"


def render(table: Table) -> str:
    """Text of a table that fits the terminal."""
    width = max(shutil.get_terminal_size((100, 24)).columns, 80)
    console = Console(file=io.StringIO(), width=width, color_system=None)
    # Names and equations are data: square brackets in them are not markup.
    for column in table.columns:
        column._cells = [str(cell).replace("[", "\\[") for cell in column._cells]
    console.print(table)
    written: str = console.file.getvalue()  # type: ignore[attr-defined]
    return written.rstrip()
