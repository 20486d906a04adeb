"""Posteriors against priors: what are the parameters, and how much has the log told of them?"""

from dataclasses import replace
from typing import Any

from bayes_grpo.analysis.intervals import INTERVAL_PROB
from bayes_grpo.analysis.notes import notes_of
from bayes_grpo.analysis.posterior.columns import REPORT, shown_in
from bayes_grpo.analysis.posterior.figure import plot_marginals
from bayes_grpo.analysis.posterior.summary import summarise
from bayes_grpo.report.figures import Drawn, inline_svg
from bayes_grpo.report.run_report import RunReport
from bayes_grpo.report.section import Answer, Block, Finding, Grid, Material, Picture, Section, likely
from bayes_grpo.report.words import ends, number, plain, surely


def _blocks(run: RunReport) -> list[Block]:
    columns = shown_in(REPORT)
    heads = ("parameter", *(column.heading for column in columns))
    rows = [
        (plain(name), *(column.cell(row, number) for column in columns))
        for name, row in run.summary["parameters"].items()
    ]
    return [Picture("posterior"), Grid(f"Parameters, intervals of {INTERVAL_PROB:.0%}", heads, rows)]


def _draw(material: Material, answers: dict[str, Answer]) -> Drawn:
    figure = plot_marginals(material.fit)
    figure.suptitle("")
    rows = {n: row for n, row in summarise(material.fit)["parameters"].items() if not row.get("fixed")}
    numbers = "; ".join(f"{plain(name)} {ends(row)}" for name, row in rows.items())
    alt = f"Posterior densities against priors. {INTERVAL_PROB:.0%} intervals: {numbers}."
    caption = f"Posterior (filled), its {INTERVAL_PROB:.0%} interval (shaded), and the prior (dotted)."
    return Drawn(inline_svg(figure, "@posterior", alt), alt, caption)


def _findings(run: RunReport) -> list[Finding]:
    findings = []
    vague = [note for note in notes_of(run.summary) if note.kind == "little_learned"]
    row = run.summary["parameters"].get("plateau")
    if row is not None and run.plateau_above is not None and not row.get("fixed"):
        weak = " This is hardly narrower than before the log was read: it says little."
        text = (
            f"The expected reward settles at {ends(row)} with probability {INTERVAL_PROB:g}, if the dynamics stay as "
            f"they are.{weak if any(note.concerns('plateau') for note in vague) else ''}"
        )
        findings.append(Finding("plateau", text, INTERVAL_PROB))
        recent = f"the mean of the last {run.recent_rows} rewards, {number(run.recent_reward)},"
        text = f"That the plateau lies above {recent} is {surely(run.plateau_above)}."
        findings.append(likely("plateau", text, run.plateau_above))
    row = run.summary["parameters"].get("timescale")
    if row is not None and not row.get("fixed"):
        weak = " The log says little about it." if any(note.concerns("timescale") for note in vague) else ""
        text = (
            f"The distance to the plateau falls to about a third (1/e) in {ends(row)} steps, with probability "
            f"{INTERVAL_PROB:g}.{weak}"
        )
        findings.append(Finding("timescale", text, INTERVAL_PROB))
    return [replace(finding, text=_by_law(run, finding.text)) for finding in findings]


def _by_law(run: RunReport, text: str) -> str:
    """A sentence that names the law where the five answers, which rest on that of the forecast, are by another."""
    asked: Any = run.parts["ask"]
    if asked is None or asked["model"] == run.summary["model"]:
        return text
    return f"By the law {run.summary['model']}, {text[0].lower()}{text[1:]}"


def _overview(run: RunReport) -> list[tuple[str, str]]:
    parameters = run.summary["parameters"]
    return [(name, ends(parameters[name]) if name in parameters else "") for name in ("plateau", "timescale")]


POSTERIOR = Section(
    name="posterior",
    title="Posteriors against priors",
    blocks=_blocks,
    draw=_draw,
    findings=_findings,
    rank=3,
    overview=_overview,
)
