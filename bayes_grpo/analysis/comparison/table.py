"""A comparison of laws as text that fits a terminal."""

from collections.abc import Mapping, Sequence
from typing import Any

from bayes_grpo.analysis.comparison.compare import ComparisonSummary
from bayes_grpo.analysis.tables import render, titled, wrapped

#: Scores of a model that are shown: heading and digits, by their key; nats where they have a unit.
SCORES = {
    "elpd": ("elpd", 1),
    "se": ("se", 1),
    "delta": ("to best", 1),
    "delta_se": ("se of it", 1),
    "weight": ("weight", 2),
    "max_khat": ("max k-hat", 2),
}


def score_cells(row: Mapping[str, Any]) -> list[str]:
    """Scores of a model as text, as far as the row has them."""
    return ["-" if row[key] is None else f"{row[key]:.{digits}f}" for key, (_, digits) in SCORES.items() if key in row]


def model_name(row: Mapping[str, Any]) -> str:
    """A model's name, and whether its fit did not converge."""
    return str(row["model"]) if row["converged"] else f"{row['model']} (not converged)"


def comparison_table(comparison: ComparisonSummary) -> str:
    """Models from best to worst, then runs where there are several, then the result in words."""
    runs = comparison["runs"]
    label = runs[0] if len(runs) == 1 else f"{len(runs)} runs"
    lines = [_scores(f"{label}: {comparison['criterion']}, {comparison['rewards']} rewards", comparison["table"])]
    if len(runs) > 1:
        lines += [_scores(label, [row for row in comparison["per_run"] if row["run"] == label]) for label in runs]
    return "\n".join([*lines, wrapped(comparison["statement"])])


def _scores(title: str, rows: Sequence[Mapping[str, Any]]) -> str:
    table = titled(title)
    table.add_column("model", no_wrap=True)
    for key, (heading, _) in SCORES.items():
        if key in rows[0]:
            table.add_column(heading, justify="right", no_wrap=True)
    for row in rows:
        table.add_row(model_name(row), *score_cells(row))
    return render(table)
