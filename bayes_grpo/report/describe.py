"""All that a page says about one run, worked out from its fits."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

from bayes_grpo.analysis.intervals import IntervalRow
from bayes_grpo.analysis.notes import notes_of
from bayes_grpo.analysis.posterior.summary import summarise
from bayes_grpo.errors import InputError
from bayes_grpo.inference.attributes import assumptions, hyperparameters, reading_notes, runs_of
from bayes_grpo.models.spec import ModelSpec
from bayes_grpo.report.figures import Drawn
from bayes_grpo.report.methods import methods_text
from bayes_grpo.report.run_report import RunReport
from bayes_grpo.report.section import Answer, Finding, Material
from bayes_grpo.report.sections import SECTIONS
from bayes_grpo.report.single import Subject, one_of
from bayes_grpo.report.trajectory import trajectory_chart
from bayes_grpo.runs.dataset import one_run
from bayes_grpo.runs.fields import RUN_FIELDS

#: Of a run without a known end, the forecast goes on for this share of the logged steps.
HORIZON_SHARE = 0.5
#: Share of the log, and least number of rewards, that count as where the run is now.
_RECENT_SHARE, _RECENT_LEAST = 0.1, 5


def describe_run(
    subject: Subject,
    *,
    until: float | None = None,
    model: str | Path | ModelSpec | None = None,
    comparison: Any = None,
    no_comparison: str = "",
    plan: Any = None,
    contrast: Any = None,
    figures: bool = True,
    seed: int = 0,
) -> RunReport:
    """Work out everything that a page says about a run.

    Parameters
    ----------
    subject : Subject
        From `bayes_grpo.pair_fits`.
    until : float, optional
        Step to forecast to; else the planned steps, or half as many steps again as are logged.
    model : str, Path or ModelSpec, optional
        The model, where it did not come with the package.
    comparison : dict, optional
        From `bayes_grpo.analysis.comparison.compare.Comparison.as_dict`.
    no_comparison : str, optional
        Why there is none although it was asked for.
    plan, contrast : dict, optional
        What was foretold, from `bayes_grpo.summarise_plan`, and a comparison of configurations that the run may belong
        to, from `bayes_grpo.summarise_contrast`.
    figures : bool
        Whether to draw any.
    seed : int
        Of forecast paths and unknown lag shares.

    Returns
    -------
    RunReport
        - ``summary``, ``parts``: the posterior's summary, and those of the answers by section.
        - ``findings``: sentences with their probabilities, those that ask for attention first.
        - ``notes``, ``assumptions``, ``reading_notes``: what a reader should know.
        - ``absent``: why an answer is missing. A question that cannot be answered does not stop the others.
        - ``methods``, ``chart``, ``figures``: the rest of the page.

    Examples
    --------
    >>> import bayes_grpo
    >>> fit = bayes_grpo.fit(bayes_grpo.example_run(), "overdamped", draws=50, tune=100, chains=2)
    >>> report = bayes_grpo.describe_run(bayes_grpo.pair_fits([fit])[0], figures=False)
    >>> report.rewards, "forecast" in {finding.about for finding in report.findings}
    (380, True)
    """
    fit = one_of(subject.fit, subject.run)
    run = one_run(runs_of(fit))
    observed = fit["observed_data"].to_dataset()["reward"]
    last = float(observed["optimizer_step"].values[-1])
    horizon = _horizon(run, hyperparameters(fit), last) if until is None else until
    ahead = subject.forecast_fit
    material = Material(fit, ahead, subject.run, horizon, model, comparison, no_comparison, seed, plan, contrast)
    answers, absent = _answers(material)
    report = _facts(material, run, answers, absent)
    methods = [
        (section.method(answers[section.name].summary), section.cites)
        for section in SECTIONS
        if section.method is not None and section.name in answers
    ]
    return replace(
        report,
        extra_notes=[
            note
            for section in SECTIONS
            if section.name in answers and not section.shows_notes
            for note in notes_of(answers[section.name].summary)
        ],
        findings=_findings(report),
        methods=methods_text(fit, fit if ahead is subject.fit else ahead, subject.run, methods),
        chart=trajectory_chart(fit, report.parts["forecast"], _plateau(report)) if figures else None,
        figures=_figures(material, answers) if figures else {},
    )


def _answers(material: Material) -> tuple[dict[str, Answer], dict[str, str]]:
    """The answers by section, and why others are missing."""
    answers, absent = material.earlier, material.absent
    for section in SECTIONS:
        if section.answer is None:
            continue
        try:
            answer = section.answer(material)
        except InputError as error:
            answer = str(error)
        if isinstance(answer, str):
            absent[section.name] = answer
        elif answer is not None:
            answers[section.name] = answer
    return answers, absent


def _facts(material: Material, run: xr.Dataset, answers: dict[str, Answer], absent: dict[str, str]) -> RunReport:
    """The report without what is worked out from it: findings, methods and figures."""
    fit = material.fit
    observed = fit["observed_data"].to_dataset()["reward"]
    rewards, known = observed.values, hyperparameters(fit)
    recent = rewards[-max(_RECENT_LEAST, round(_RECENT_SHARE * rewards.size)) :]
    posterior = fit["posterior"].to_dataset()
    above = float((posterior["plateau"].values > recent.mean()).mean()) if "plateau" in posterior else None
    summary = summarise(fit)
    summaries = {fit.attrs["model"]: summary, material.forecast_fit.attrs["model"]: summarise(material.forecast_fit)}
    return RunReport(
        label=material.run,
        source=fit.attrs["source"],
        rewards=int(rewards.size),
        last_step=float(observed["optimizer_step"].values[-1]),
        recent_reward=float(recent.mean()),
        recent_rows=int(recent.size),
        plateau_above=above,
        hyperparameters={name: known[name] for name in RUN_FIELDS if name in known},
        assumptions=list(assumptions(fit)),
        reading_notes=list(reading_notes(fit)),
        channels=[str(name) for name in run.data_vars if run[name].dims == ("step",) and name != "optimizer_step"],
        summary=summary,
        fits={name: {**fitted["diagnostics"], "converged": fitted["converged"]} for name, fitted in summaries.items()},
        parts={
            s.name: answers[s.name].summary if s.name in answers else None for s in SECTIONS if s.answer is not None
        },
        absent=absent,
    )


def _plateau(report: RunReport) -> IntervalRow | None:
    """The plateau that the answers state."""
    return report.parts["ask"]["plateau"] if report.parts["ask"] is not None else None


def _findings(report: RunReport) -> list[Finding]:
    """The sentences of all sections by rank, those that ask for attention first."""
    ranked = sorted(SECTIONS, key=lambda section: section.rank)
    findings = [finding for section in ranked for finding in section.findings(report)]
    return sorted(findings, key=lambda finding: not finding.attention)


def _figures(material: Material, answers: dict[str, Answer]) -> dict[str, Drawn]:
    """The figures by section; their ids start with ``@``, which the page replaces by what tells runs apart."""
    figures = {}
    for section in SECTIONS:
        if section.draw is None or (section.answer is not None and section.name not in answers):
            continue
        drawn = section.draw(material, answers)
        if drawn is not None:
            figures[section.name] = drawn
    return figures


def _horizon(run: xr.Dataset, known: dict[str, float], last: float) -> float:
    planned = known.get("planned_steps", 0.0)
    if planned > last:
        return planned
    first = min(float(run["optimizer_step"].values[0]), 0.0)
    return float(np.ceil(last + HORIZON_SHARE * (last - first)))
