"""Threshold: how stale may rollouts get before training is unstable?"""

from typing import Any

from bayes_grpo.analysis.intervals import INTERVAL_PROB
from bayes_grpo.analysis.stability.breakdown import breakdown_text
from bayes_grpo.analysis.stability.figure import plot_threshold
from bayes_grpo.analysis.stability.threshold import threshold
from bayes_grpo.analysis.stability.threshold_summary import THRESHOLDS, summarise_threshold
from bayes_grpo.report.figures import Drawn, inline_svg
from bayes_grpo.report.run_report import RunReport
from bayes_grpo.report.section import Answer, Block, Finding, Grid, Material, Paragraph, Picture, Section, likely
from bayes_grpo.report.words import INTERVAL_WORDS, chance, ends, number, surely

#: Larger factors of the learning rate are not worth a number: the linear law does not hold so far.
_MOST_FACTOR = 100.0
#: Probability of instability above which the finding asks for attention.
_ALARM = 0.1


def _answer(material: Material) -> Answer:
    result = threshold(material.fit, seed=material.seed)
    return Answer(summarise_threshold(result, material.fit), result)


def _blocks(run: RunReport) -> list[Block]:
    summary: Any = run.parts["threshold"]
    rows: list[tuple[str, ...]] = []
    for key, name in THRESHOLDS.items():
        row = summary["threshold"][key]
        median = "none" if row["median"] is None else number(row["median"])
        rows.append((name, median, ends(row, unknown="none"), chance(row["probability_none"])))
    if summary["probability_beyond_threshold"] is not None:
        label = f"P(unstable) at this run's K = {summary['refresh_interval']:g}"
        rows.append((label, chance(summary["probability_beyond_threshold"]), "", ""))
    caption = "First unstable refresh interval or delay (steps), by the linear law near a plateau"
    return [
        Picture("threshold"),
        Grid(caption, ("", "median", INTERVAL_WORDS, "P(none)"), rows),
        *(Paragraph(text, soft=True) for text in summary["warnings"]),
    ]


def _draw(material: Material, answers: dict[str, Answer]) -> Drawn | None:
    summary, result = answers["threshold"]
    if result is None:
        return None
    figure = plot_threshold(result)
    figure.set_size_inches(8.5, 3.0)
    exact = summary["threshold"]["exact"]
    alt = (
        "Probability of instability against refresh interval or delay. Exact threshold: median "
        f"{number(exact['median'])} updates, {INTERVAL_PROB:.0%} interval {ends(exact, unknown='none')}, none with "
        f"probability {chance(exact['probability_none'])}."
    )
    caption = (
        "How probable it is that the mean is unstable at each refresh interval or delay, and the learning rate's "
        "margin at this run's K."
    )
    return Drawn(inline_svg(figure, "@threshold", alt), alt, caption)


def _findings(run: RunReport) -> list[Finding]:
    summary: Any = run.parts["threshold"]
    if summary is None:
        return []
    if summary["broke_down"] is not None:
        return [Finding("threshold", breakdown_text(summary["broke_down"]["refresh_interval"]), attention=True)]
    unstable, at = summary["probability_beyond_threshold"], summary["refresh_interval"]
    if unstable is None:
        text = "How near stale rollouts bring it to instability cannot be told: the refresh interval is unknown."
        return [Finding("threshold", text)]
    margin, more = summary["learning_rate_margin"], ""
    if margin is not None and margin["lower"] is not None:
        factor = f"{_MOST_FACTOR:g} or more" if margin["lower"] > _MOST_FACTOR else number(margin["lower"])
        more = (
            f" By lag alone, the learning rate could rise by a factor of {factor} before that has probability 0.05; on "
            "networks other things may break first."
        )
    text = (
        f"Near its plateau this run, at {at:g} update{'s' * (at != 1)} a batch of rollouts, is unstable: "
        f"{surely(unstable)}.{more}"
    )
    return [likely("threshold", text, unstable, unstable > _ALARM)]


THRESHOLD = Section(
    name="threshold",
    title="Threshold: how stale may rollouts get?",
    blocks=_blocks,
    answer=_answer,
    draw=_draw,
    findings=_findings,
    rank=6,
    shows_notes=True,
)
