"""Which law? A comparison, where one was asked for."""

from typing import Any

from bayes_grpo.analysis.comparison.table import SCORES, model_name, score_cells
from bayes_grpo.report.run_report import RunReport
from bayes_grpo.report.section import Answer, Block, Finding, Grid, Material, Paragraph, Section
from bayes_grpo.report.words import label


def _answer(material: Material) -> Answer | str | None:
    if material.no_comparison:
        return material.no_comparison
    return None if material.comparison is None else Answer(material.comparison)


def _blocks(run: RunReport) -> list[Block]:
    summary: Any = run.parts["comparison"]
    heads = ("model", *(heading for heading, _ in SCORES.values()))
    rows = [(model_name(row), *score_cells(row)) for row in summary["table"]]
    return [
        Paragraph(summary["statement"]),
        Grid("Expected log predictive density (nat), leave-one-out", heads, rows),
        *(Paragraph(text, soft=True) for text in summary["warnings"]),
    ]


def _findings(run: RunReport) -> list[Finding]:
    summary: Any = run.parts["comparison"]
    return [] if summary is None else [Finding("comparison", summary["statement"])]


def _overview(run: RunReport) -> list[tuple[str, str]]:
    summary: Any = run.parts["comparison"]
    return [("best law", label(summary["table"][0]["model"]) if summary else "")]


def _method(summary: Any) -> str:
    return (
        "Laws were compared by expected log predictive density under Pareto-smoothed leave-one-out cross-validation, "
        "and weighted by stacking."
    )


COMPARISON = Section(
    name="comparison",
    title="Which law?",
    blocks=_blocks,
    answer=_answer,
    findings=_findings,
    rank=7,
    overview=_overview,
    method=_method,
    cites=("loo", "stacking"),
    shows_notes=True,
)
