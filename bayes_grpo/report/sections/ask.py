"""What does this log say? Five answers, as `bayes-grpo ask` words them: they open the findings."""

from typing import Any

import xarray as xr

from bayes_grpo.analysis.decisions.ask.ask import answers_of
from bayes_grpo.analysis.decisions.ask.summary import summarise_ask
from bayes_grpo.analysis.diagnosis.modes import HEALTHY
from bayes_grpo.report.run_report import RunReport
from bayes_grpo.report.section import Answer, Block, Finding, Material, Paragraph, Section, likely
from bayes_grpo.report.single import one_of

#: What each answer is about, among the findings.
_ABOUT = {
    "plateau": "plateau",
    "go_on": "forecast",
    "health": "diagnosis",
    "staleness": "threshold",
    "to_log": "logging",
}


def _answer(material: Material) -> Answer:
    answered = [name for name in ("forecast", "diagnosis") if name in material.earlier]
    made: dict[str, xr.Dataset | None] = {name: material.earlier[name].result for name in answered}
    parts = {name: result for name, result in made.items() if result is not None}
    fit = one_of(material.forecast_fit, material.run)
    result = answers_of(fit, parts, material.absent, seed=material.seed)
    return Answer(summarise_ask(result), None)


def _blocks(run: RunReport) -> list[Block]:
    summary: Any = run.parts["ask"]
    blocks: list[Block] = [Paragraph(summary["answers"]["to_log"]["text"])]
    if summary["to_log"][3:]:
        blocks.append(Paragraph(f"{', '.join(summary['to_log'][3:])}.", lead="Then:"))
    return blocks


def _findings(run: RunReport) -> list[Finding]:
    summary: Any = run.parts["ask"]
    if summary is None:
        return []
    alarm = {
        "go_on": summary["recommendation"] == "look",
        "health": summary["probabilities"] is not None
        and max(summary["probabilities"], key=summary["probabilities"].get) != HEALTHY,
    }
    findings = []
    for name, reply in summary["answers"].items():
        about, attention = _ABOUT[name], alarm.get(name, False)
        if reply["probability"] is None:
            findings.append(Finding(about, reply["text"], attention=attention))
        else:
            findings.append(likely(about, reply["text"], reply["probability"], attention))
    return findings


ASK = Section(
    name="ask",
    title="What would tell more?",
    blocks=_blocks,
    answer=_answer,
    findings=_findings,
    rank=1,
    headline=lambda run: "",  # its findings answer the questions of other sections
)
