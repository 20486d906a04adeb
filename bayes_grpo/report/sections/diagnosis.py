"""Which failure is it?"""

from typing import Any

from bayes_grpo.analysis.diagnosis.diagnose import WORTH_A_REASON, diagnose
from bayes_grpo.analysis.diagnosis.figure import plot_diagnosis
from bayes_grpo.analysis.diagnosis.modes import HEALTHY, MODES, NOT_LEARNING, UNDETERMINED, answers
from bayes_grpo.analysis.diagnosis.summary import summarise_diagnosis
from bayes_grpo.analysis.diagnosis.table import evidence_for, gain_text, label_of, silent_channels
from bayes_grpo.inference.attributes import runs_of
from bayes_grpo.report.figures import Drawn, inline_svg
from bayes_grpo.report.run_report import RunReport
from bayes_grpo.report.section import Answer, Block, Finding, Grid, Material, Paragraph, Picture, Section, likely
from bayes_grpo.report.words import chance, surely

#: Probability from which the second answer, or a failure that the log cannot show, is named.
_WORTH_NAMING, _WORTH_WARNING = 0.1, 0.01


def _answer(material: Material) -> Answer:
    result = diagnose(runs_of(material.fit))
    return Answer(summarise_diagnosis(result, material.fit), result)


def _blocks(run: RunReport) -> list[Block]:
    summary: Any = run.parts["diagnosis"]
    rows: list[tuple[str, ...]] = []
    for name, probability in summary["probabilities"].items():
        told = name not in MODES or any(name in row for row in summary["evidence"].values())
        cell = chance(probability) if told else "cannot be told"
        rows.append((label_of(name), cell, evidence_for(summary, name)))
    heads = ("", "probability", "what speaks for it against healthy (nats)")
    blocks: list[Block] = [Grid("Diagnosis from all logged channels", heads, rows), Picture("diagnosis")]
    return [*blocks, *(Paragraph(f"{line[0].upper()}{line[1:]}.") for line in silent_channels(summary))]


def _draw(material: Material, given: dict[str, Answer]) -> Drawn | None:
    summary, result = given["diagnosis"]
    if result is None:
        return None
    figure = plot_diagnosis(result)
    figure.axes[0].set_title("")
    numbers = ", ".join(f"{label_of(name)} {p:.2f}" for name, p in summary["probabilities"].items())
    alt = f"Probabilities as seen at each step, above the logged channels. At the end: {numbers}."
    caption = "Above: probabilities from the rows up to each step alone. Below: the channels as the model sees them."
    return Drawn(inline_svg(figure, "@diagnosis", alt), alt, caption)


def _headline(run: RunReport) -> str:
    """The likeliest answer, what it means, and how likely it is."""
    summary: Any = run.parts["diagnosis"]
    top = summary["diagnosis"]
    return f"Diagnosis: {_with_meaning(top)} is {surely(summary['probabilities'][top])}."


def _findings(run: RunReport) -> list[Finding]:
    summary: Any = run.parts["diagnosis"]
    if summary is None:
        return []
    top, chances = summary["diagnosis"], summary["probabilities"]
    second = max((name for name in chances if name != top), key=lambda name: chances[name])
    named = chances[second] >= _WORTH_NAMING and second != UNDETERMINED
    runner_up = f" Next: {label_of(second)} ({chances[second]:.2f})." if named else ""
    text = f"{_headline(run)}{runner_up}"
    asked = run.parts["ask"] is not None  # which tells the likeliest answer, its onset, and what is hidden
    findings = [] if asked else [likely("diagnosis", text, chances[top], top != HEALTHY)]
    if chances[NOT_LEARNING] >= WORTH_A_REASON:
        why = "; ".join(reason["text"] for reason in summary["why_not_learning"])
        likely_why = f" What may keep it from rising, the likeliest first: {why}." if why else ""
        text = f"Does it learn? {gain_text(summary).capitalize()}.{likely_why}"
        findings.append(likely("diagnosis", text, chances[NOT_LEARNING], top == NOT_LEARNING))
    onset, first = summary["onset_step"], summary["first_seen_step"]
    if onset is not None and not asked:
        seen = f" It could have been seen at step {first:.0f}." if first is not None else ""
        text = (
            f"If it is {label_of(onset['failure'])}, it began near step {onset['median']:.0f}: between "
            f"{onset['lower']:.0f} and {onset['upper']:.0f} with probability {onset['prob']:.2g}.{seen}"
        )
        findings.append(Finding("diagnosis", text, attention=True))
    silent = silent_channels(summary)
    if chances[UNDETERMINED] >= _WORTH_WARNING and silent:
        opening = f"With probability {chances[UNDETERMINED]:.2f} it is a failure that this log cannot show"
        sentences = silent if asked else [opening, *silent]
        text = " ".join(f"{sentence[0].upper()}{sentence[1:]}." for sentence in sentences)
        findings.append(likely("diagnosis", text, chances[UNDETERMINED]))
    return findings


def _with_meaning(name: str) -> str:
    meaning = answers()[name].meaning
    return f"{label_of(name)} ({meaning})" if meaning else label_of(name)


def _overview(run: RunReport) -> list[tuple[str, str]]:
    summary: Any = run.parts["diagnosis"]
    if summary is None:
        return [("diagnosis", "")]
    top = summary["diagnosis"]
    return [("diagnosis", f"{label_of(top)} {summary['probabilities'][top]:.2f}")]


def _method(summary: Any) -> str:
    return (
        "Failures were told apart by one Bayesian model over all logged channels, with onset and time constants "
        "summed out and no sampling."
    )


DIAGNOSIS = Section(
    name="diagnosis",
    title="Which failure is it?",
    blocks=_blocks,
    answer=_answer,
    draw=_draw,
    findings=_findings,
    rank=2,
    overview=_overview,
    method=_method,
    headline=_headline,
)
