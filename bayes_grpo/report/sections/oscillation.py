"""Regime: does the training ring?"""

from typing import Any

from bayes_grpo.analysis.notes import notes_of
from bayes_grpo.analysis.stability.figure import plot_oscillation
from bayes_grpo.analysis.stability.oscillation import (
    QUANTITIES,
    VISIBLE_OVERSHOOT,
    oscillation,
    summarise_oscillation,
)
from bayes_grpo.report.figures import Drawn, inline_svg
from bayes_grpo.report.run_report import RunReport
from bayes_grpo.report.section import Answer, Block, Finding, Grid, Material, Paragraph, Picture, Section, likely
from bayes_grpo.report.words import INTERVAL_WORDS, chance, ends, number, surely

#: Probability that the mean runs away above which the finding asks for attention.
_ALARM = 0.1


def _answer(material: Material) -> Answer:
    result = oscillation(material.fit)
    return Answer(summarise_oscillation(result, material.fit), result)


def _blocks(run: RunReport) -> list[Block]:
    summary: Any = run.parts["oscillation"]
    rows: list[tuple[str, ...]] = [
        (f"P(overshoot above {VISIBLE_OVERSHOOT:.0%})", chance(summary["probability_visible"]), ""),
        ("P(rings)", chance(summary["probability_oscillatory"]), ""),
        ("P(runs away)", chance(summary["probability_unstable"]), ""),
    ]
    for key, (name, unit) in QUANTITIES.items():
        if summary[key] is not None:
            label = name if unit == "1" else f"{name} ({unit})"
            rows.append((label, number(summary[key]["median"]), ends(summary[key])))
    return [
        Picture("oscillation"),
        Grid("Regime", ("", "median or probability", INTERVAL_WORDS), rows),
        *(Paragraph(text, soft=True) for text in summary["warnings"]),
    ]


def _draw(material: Material, answers: dict[str, Answer]) -> Drawn | None:
    summary, result = answers["oscillation"]
    if result is None or summary["damping_ratio"] is None:
        return None
    figure = plot_oscillation(result)
    figure.set_size_inches(9.0, 2.5)
    alt = (
        f"Damping ratio {ends(summary['damping_ratio'])}, P(rings) {chance(summary['probability_oscillatory'])}, "
        f"P(runs away) {chance(summary['probability_unstable'])}; period where it rings {ends(summary['period'])} "
        f"steps, overshoot {ends(summary['overshoot'])}."
    )
    caption = (
        "Below a damping ratio of 1 (dashed) the mean rings; period and overshoot are those of the draws that ring."
    )
    return Drawn(inline_svg(figure, "@oscillation", alt), alt, caption)


def _findings(run: RunReport) -> list[Finding]:
    summary: Any = run.parts["oscillation"]
    if summary is None:
        return []
    if any(note.kind == "limit" and note.concerns("mass") for note in notes_of(summary)):
        return [Finding("regime", "Whether it rings was not asked: the fitted law has no mass.")]
    seen, rings = summary["probability_visible"], summary["probability_oscillatory"]
    away = summary["probability_unstable"]
    kinds = {
        "The mean settles without visible ringing": 1 - seen - away,
        "The mean rings visibly as it settles": seen,
        "The mean runs away": away,
    }
    top = max(kinds, key=lambda kind: kinds[kind])
    text = (
        f"{top}: {surely(kinds[top])}. That it overshoots by {VISIBLE_OVERSHOOT:.0%} of the way has probability "
        f"{chance(seen)}, that it runs away {chance(away)}; a damping ratio below 1, visible or not, has "
        f"{chance(rings)}."
    )
    if any(note.kind == "little_learned" and note.concerns("damping") for note in notes_of(run.summary)):
        text += " The log says little about the damping: this is largely what the prior says."
    return [likely("regime", text, kinds[top], away > _ALARM)]


def _overview(run: RunReport) -> list[tuple[str, str]]:
    probabilities = run.summary["probabilities"]
    heads = {"P(rings)": "oscillatory", "P(runs away)": "unstable"}
    return [(head, chance(probabilities[key]) if key in probabilities else "") for head, key in heads.items()]


OSCILLATION = Section(
    name="oscillation",
    title="Regime: does it ring?",
    blocks=_blocks,
    answer=_answer,
    draw=_draw,
    findings=_findings,
    rank=4,
    overview=_overview,
    shows_notes=True,
)
