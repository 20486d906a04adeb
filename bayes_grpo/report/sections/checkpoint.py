"""Which checkpoint?"""

from typing import Any

from bayes_grpo.analysis.decisions.checkpoint.checkpoint import checkpoint
from bayes_grpo.analysis.decisions.checkpoint.summary import summarise_checkpoint
from bayes_grpo.inference.attributes import runs_of
from bayes_grpo.report.run_report import RunReport
from bayes_grpo.report.section import Answer, Block, Finding, Grid, Material, Paragraph, Section, likely
from bayes_grpo.report.words import number

#: Checkpoints in the table: those most probably the best.
_SHOWN = 8
#: Probability that the peak lies before the last checkpoint, and that this one is near it, that ask for attention.
_BEFORE, _NEAR = 0.9, 0.1


def _answer(material: Material) -> Answer:
    result = checkpoint(runs_of(material.fit), fit=material.fit, seed=material.seed)
    return Answer(summarise_checkpoint(result), result)


def _blocks(run: RunReport) -> list[Block]:
    summary: Any = run.parts["checkpoint"]
    ranked = sorted(summary["checkpoints"], key=lambda row: (-row["probability_best"], row["expected_loss"]))
    rows: list[tuple[str, ...]] = [
        (
            f"{row['step']:g}",
            number(row["value"]["median"]),
            f"{row['probability_best']:.2f}",
            f"{row['probability_within']:.2f}",
            number(row["expected_loss"]),
        )
        for row in sorted(ranked[:_SHOWN], key=lambda row: row["step"])
    ]
    near = f"P(within {number(summary['margin'])})"
    heads = ("step", summary["about"], "P(best)", near, "below the best")
    return [Grid("Twenty steps, evenly; those most probably the best", heads, rows), Paragraph(summary["statement"])]


def _findings(run: RunReport) -> list[Finding]:
    summary: Any = run.parts["checkpoint"]
    if summary is None:
        return []
    last = summary["checkpoints"][-1]
    text = (
        f"By the {summary['about']} the peak is nearest to step {summary['best']:g}; the last step is within "
        f"{number(summary['margin'])} of the peak with probability {last['probability_within']:.2f}."
    )
    early = summary["peak_inside"] > _BEFORE and last["probability_within"] < _NEAR
    return [likely("checkpoint", text, last["probability_within"], early)]


CHECKPOINT = Section(
    name="checkpoint",
    title="Which checkpoint?",
    blocks=_blocks,
    answer=_answer,
    findings=_findings,
    rank=8,
)
