"""All that a page says about one run, worked out from its fits."""

from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

from bayes_grpo.analysis.diagnosis.diagnose import diagnose, summarise_diagnosis
from bayes_grpo.analysis.forecast.forecast import forecast
from bayes_grpo.analysis.forecast.summary import summarise_forecast
from bayes_grpo.analysis.intervals import interval
from bayes_grpo.analysis.posterior.summary import summarise
from bayes_grpo.analysis.stability.oscillation import oscillation, summarise_oscillation
from bayes_grpo.analysis.stability.threshold import summarise_threshold, threshold
from bayes_grpo.errors import InputError
from bayes_grpo.inference.attributes import assumptions, hyperparameters, reading_notes, runs_of
from bayes_grpo.models.spec import ModelSpec
from bayes_grpo.report.drawings import draw_figures
from bayes_grpo.report.findings import list_findings
from bayes_grpo.report.methods import methods_text
from bayes_grpo.report.run_report import RunReport
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
    comparison: dict[str, Any] | None = None,
    no_comparison: str = "",
    figures: bool = True,
    seed: int = 0,
) -> RunReport:
    """Work out everything that a page says about a run.

    Parameters
    ----------
    subject : Subject
        From `bayes_grpo.report.single.pair_fits`.
    until : float, optional
        Step to forecast to; else the planned steps, or half as many steps again as are logged.
    model : str, Path or ModelSpec, optional
        The model, where it did not come with the package.
    comparison : dict, optional
        From `bayes_grpo.analysis.comparison.compare.Comparison.as_dict`.
    no_comparison : str, optional
        Why there is none although it was asked for.
    figures : bool
        Whether to draw any.
    seed : int
        Of forecast paths and unknown lag shares.
    """
    fit, ahead = one_of(subject.fit, subject.run), subject.forecast_fit
    run = one_run(runs_of(fit))
    observed = fit["observed_data"].to_dataset()["reward"]
    rewards, last = observed.values, float(observed["optimizer_step"].values[-1])
    recent = rewards[-max(_RECENT_LEAST, round(_RECENT_SHARE * rewards.size)) :]
    known = hyperparameters(fit)
    end = _horizon(run, known, last) if until is None else until
    absent = {"comparison": no_comparison} if no_comparison else {}
    found: dict[str, xr.Dataset] = {}
    parts: dict[str, dict[str, Any] | None] = {"comparison": comparison}
    tasks: dict[str, Any] = {
        "forecast": (
            lambda: forecast(
                ahead, end, run=subject.run if "run" in ahead["posterior"].dims else None, model=model, seed=seed
            ),
            lambda one: summarise_forecast(one, ahead),
        ),
        "oscillation": (lambda: oscillation(fit), lambda one: summarise_oscillation(fit, one)),
        "threshold": (lambda: threshold(fit, seed=seed), lambda one: summarise_threshold(fit, one)),
        "diagnosis": (lambda: diagnose(runs_of(fit)), summarise_diagnosis),
    }
    for name, (answer, put) in tasks.items():
        try:
            found[name] = answer()
            parts[name] = put(found[name])
        except InputError as error:
            parts[name], absent[name] = None, str(error)
    summary = summarise(fit)
    posterior = fit["posterior"].to_dataset()
    plateau = posterior["plateau"].values.ravel() if "plateau" in posterior else None
    summaries = {tree.attrs["model"]: summarise(tree) for tree in (subject.fit, ahead)}
    return RunReport(
        label=subject.run,
        source=str(run["source"].values) if "source" in run else "",
        rewards=int(rewards.size),
        last_step=last,
        hyperparameters={name: known[name] for name in RUN_FIELDS if name in known},
        assumptions=[str(note) for note in assumptions(fit)],
        notes=[str(note) for note in reading_notes(fit)],
        channels=[str(name) for name in run.data_vars if run[name].dims == ("step",) and name != "optimizer_step"],
        summary=summary,
        prior=_priors(fit),
        fits={name: one["diagnostics"] | {"converged": one["converged"]} for name, one in summaries.items()},
        parts=parts,
        absent=absent,
        findings=list_findings(summary, plateau, (float(recent.mean()), int(recent.size)), parts),
        methods=methods_text(fit, fit if ahead is subject.fit else ahead, subject.run, parts),
        chart=trajectory_chart(fit, parts["forecast"]) if figures else None,
        figures=draw_figures(fit, summary, found, parts) if figures else {},
    )


def _horizon(run: xr.Dataset, known: dict[str, float], last: float) -> float:
    planned = known.get("planned_steps", 0.0)
    if planned > last:
        return planned
    first = min(float(run["optimizer_step"].values[0]), 0.0)
    return float(np.ceil(last + HORIZON_SHARE * (last - first)))


def _priors(fit: xr.DataTree) -> dict[str, dict[str, float]]:
    """Equal-tailed intervals of the prior, and the posterior's width as a share of theirs."""
    prior, posterior = fit["prior"].to_dataset(), fit["posterior"].to_dataset()
    out = {}
    for name in posterior.data_vars:
        if name not in prior:
            continue
        before, after = (interval(group[name].values, axis=None) for group in (prior, posterior))
        width = float(before.upper - before.lower)
        if width > 0:
            share = float(after.upper - after.lower) / width
            out[str(name)] = {"lower": float(before.lower), "upper": float(before.upper), "share": share}
    return out
