"""A comparison of laws as text that fits a terminal."""

from collections.abc import Sequence
from typing import Any

from bayes_grpo.analysis.tables import render, titled, wrapped


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
