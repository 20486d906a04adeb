"""Is its configuration better than another? A comparison that was made before, where the run belongs to it."""

from typing import Any

from bayes_grpo.analysis.decisions.contrast.measures import MEASURES
from bayes_grpo.report.run_report import RunReport
from bayes_grpo.report.section import Answer, Block, Finding, Grid, Material, Paragraph, Section
from bayes_grpo.report.words import INTERVAL_WORDS, ends, number


def _answer(material: Material) -> Answer | str | None:
    summary = material.contrast
    if summary is None:
        return None
    if not any(material.run in row["runs"] for row in summary["ranking"]):
        names = ", ".join(name for row in summary["ranking"] for name in row["runs"])
        return f"this run is not among those that were compared, which are {names}"
    return Answer(summary)


def _blocks(run: RunReport) -> list[Block]:
    summary: Any = run.parts["contrast"]
    about = MEASURES[summary["by"]]
    rows: list[tuple[str, ...]] = [
        (
            row["configuration"] + (" (this run)" if run.label in row["runs"] else ""),
            number(row["value"]["median"]),
            ends(row["value"]),
            f"{row['probability_best']:.2f}",
        )
        for row in summary["ranking"]
    ]
    grid = Grid(f"Configurations by {about.title}", ("", "median", INTERVAL_WORDS, "P(best)"), rows)
    return [Paragraph(summary["statement"]), grid]


def _findings(run: RunReport) -> list[Finding]:
    summary: Any = run.parts["contrast"]
    return [] if summary is None else [Finding("contrast", summary["statement"])]


CONTRAST = Section(
    name="contrast",
    title="Is this configuration better?",
    blocks=_blocks,
    answer=_answer,
    findings=_findings,
    rank=9,
    shows_notes=True,
)
