"""What was foretold of the run, where a plan was made before it."""

from typing import Any

from bayes_grpo.report.run_report import RunReport
from bayes_grpo.report.section import Answer, Block, Finding, Grid, Material, Paragraph, Section
from bayes_grpo.report.words import ends, number


def _answer(material: Material) -> Answer | None:
    return None if material.plan is None else Answer(material.plan)


def _blocks(run: RunReport) -> list[Block]:
    summary: Any = run.parts["plan"]
    rows: list[tuple[str, ...]] = [
        (
            row["option"],
            f"{number(row['plateau']['median'])} ({ends(row['plateau'])})",
            f"{number(row['steps_to_95']['median'])} ({ends(row['steps_to_95'])})",
            f"{row['probability_gain']:.2f}",
            f"{row['power']:.2f}",
        )
        for row in summary["options"]
    ]
    gain = f"P(gain {number(summary['gain'])} in {summary['within']:g} steps)"
    heads = ("", "plateau", "steps to 95 %", gain, "shown if made")
    return [Paragraph(summary["statement"]), Grid("Foretold before the run", heads, rows)]


def _findings(run: RunReport) -> list[Finding]:
    """The plateau that was foretold, against the one that is seen; of several settings the run's own is not known."""
    summary: Any = run.parts["plan"]
    if summary is None:
        return []
    asked: Any = run.parts["ask"]
    seen = asked["plateau"] if asked is not None else run.summary["parameters"].get("plateau")
    if len(summary["options"]) > 1 or seen is None:
        return [Finding("plan", f"Foretold before the run: {summary['statement']}")]
    foretold = summary["options"][0]["plateau"]
    outside = seen["upper"] < foretold["lower"] or seen["lower"] > foretold["upper"]
    verdict = "the two do not overlap: what the plan took for granted does not hold here" if outside else "they agree"
    text = f"The plan foretold a plateau of {ends(foretold)}, and the fit has {ends(seen)}: {verdict}."
    return [Finding("plan", text, attention=outside)]


PLAN = Section(
    name="plan",
    title="What was foretold?",
    blocks=_blocks,
    answer=_answer,
    findings=_findings,
    rank=10,
    shows_notes=True,
)
