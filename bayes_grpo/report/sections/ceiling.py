"""Entropy ceiling: which reward does the entropy leave to be had?"""

from typing import Any

from bayes_grpo.analysis.ceiling.ceiling import entropy_ceiling
from bayes_grpo.analysis.ceiling.figure import plot_entropy_ceiling
from bayes_grpo.analysis.ceiling.summary import summarise_entropy_ceiling
from bayes_grpo.inference.attributes import runs_of
from bayes_grpo.report.figures import Drawn, inline_svg
from bayes_grpo.report.run_report import RunReport
from bayes_grpo.report.section import Answer, Block, Finding, Grid, Material, Paragraph, Picture, Section, likely
from bayes_grpo.report.words import INTERVAL_WORDS, chance, ends, number


def _answer(material: Material) -> Answer | None:
    log = runs_of(material.fit)
    if "entropy" not in log:
        return None
    result = entropy_ceiling(log, run=material.run, seed=material.seed)
    return Answer(summarise_entropy_ceiling(result), result)


def _blocks(run: RunReport) -> list[Block]:
    summary: Any = run.parts["ceiling"]
    rows: list[tuple[str, ...]] = []
    for name, key in (("reward at no entropy", "ceiling"), ("left above today's reward", "left")):
        if summary[key] is not None:
            rows.append((name, number(summary[key]["median"]), ends(summary[key])))
    rows.append(("P(entropy has bought reward)", chance(summary["probability_pays"]), ""))
    caption = "Entropy is given up for reward: R = b - a exp(H), let to bend a little"
    return [
        Picture("ceiling"),
        Grid(caption, ("", "median", INTERVAL_WORDS), rows),
        *(Paragraph(text, soft=True) for text in summary["warnings"]),
    ]


def _draw(material: Material, answers: dict[str, Answer]) -> Drawn | None:
    summary, result = answers["ceiling"]
    if result is None:
        return None
    figure = plot_entropy_ceiling(result)
    figure.axes[0].set_title("")
    alt = f"Rewards against entropy, and the trade of one for the other. {summary['statement']}"
    caption = "Each point is a row of the log. Where the trade goes on, the reward ends at the ceiling, at no entropy."
    return Drawn(inline_svg(figure, "@ceiling", alt), alt, caption)


def _findings(run: RunReport) -> list[Finding]:
    summary: Any = run.parts["ceiling"]
    if summary is None:
        return []
    return [likely("entropy ceiling", summary["statement"], summary["probability_pays"])]


def _headline(run: RunReport) -> str:
    summary: Any = run.parts["ceiling"]
    ceiling, pays = summary["ceiling"], chance(summary["probability_pays"])
    if ceiling is None:
        return f"Entropy sets no ceiling so far: that it has bought reward has probability {pays}."
    place = f"{number(ceiling['median'])} ({INTERVAL_WORDS} {ends(ceiling)})"
    if summary["left"]["median"] <= 0:
        return f"The run is at its entropy ceiling, {place}."
    return f"At the price so far, the reward ends at {place} when no entropy is left."


def _method(summary: Any) -> str:
    return (
        "The entropy ceiling is that of the trade R = b - a exp(H), whose exponent may differ from 1; the residual is "
        "white noise and a first-order autoregression, and nothing was sampled."
    )


CEILING = Section(
    name="ceiling",
    title="What does the entropy leave to be had?",
    blocks=_blocks,
    answer=_answer,
    draw=_draw,
    findings=_findings,
    rank=11,
    method=_method,
    cites=("entropy",),
    shows_notes=True,
    headline=_headline,
)
