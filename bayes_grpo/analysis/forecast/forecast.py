"""Forecast of the remaining training: sampled paths of the expected and of the logged reward."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

from bayes_grpo.analysis.forecast.ahead import StepsAhead
from bayes_grpo.analysis.forecast.mixture import (
    MIXTURE,
    PERSISTENCE,
    MemberFit,
    Mixture,
    fit_members,
    load_mixture,
    member_notes,
    mix_paths,
)
from bayes_grpo.analysis.forecast.paths import SAMPLED, Basis, basis_of, collapse_note, sample_paths
from bayes_grpo.analysis.forecast.regimes import chances
from bayes_grpo.analysis.notes import stored
from bayes_grpo.analysis.posterior.bounds import beyond_bounds
from bayes_grpo.errors import InputError, Note
from bayes_grpo.inference.progress import Progress
from bayes_grpo.inference.sampler_settings import Sampler
from bayes_grpo.models.files import load_model
from bayes_grpo.models.spec import ModelSpec
from bayes_grpo.runs.dataset import hyperparameters_of, index_of, one_run

#: Draws of each law that a forecast of a log rests on.
DRAWS, CHAINS = 500, 2


def forecast(
    source: xr.DataTree | xr.Dataset,
    until: float,
    *,
    run: str | None = None,
    model: str | Path | ModelSpec | None = None,
    schedule: str | Path = "planned",
    persistence: float | None = None,
    seed: int = 0,
    sampler: Sampler | None = None,
    progress: Progress | None = None,
) -> xr.Dataset:
    """Sample the training that is left.

    A log is forecast by a mixture of laws, which `bayes_grpo.analysis.forecast.mixture` fits and weighs, or by the law
    that is named. A fit is forecast by its law. A share of the paths, the weight of persistence, stays about the level
    that the last third of the log has reached; the others follow a law from the state that the log leaves, each with
    its own draw of the parameters.

    Parameters
    ----------
    source : xarray.DataTree or xarray.Dataset
        A fit, from `bayes_grpo.fit`, or a log with dims (run, step), from `bayes_grpo.read_run`.
    until : float
        Optimizer step to forecast to, after the last logged one.
    run : str, optional
        Label of the run, where there are several.
    model : str, Path or ModelSpec, optional
        For a log, the law to forecast by, ``mixture`` by default. For a fit, its model, where it did not come with the
        package.
    schedule : str or Path
        How the learning rate goes on: ``planned``, ``constant``, ``linear``, ``cosine`` or a CSV file, see
        `bayes_grpo.runs.schedules.schedule_ahead`.
    persistence : float, optional
        Weight of persistence, 0 to 1; by default what the mixture or the model file states for this horizon, or 0.
    seed : int
        Of the paths, and of the fits of a log.
    sampler : Sampler, optional
        How a log is sampled; by default `CHAINS` times `DRAWS` draws.
    progress : callable, optional
        Called with (densities made, densities wanted) while a log is fitted.

    Returns
    -------
    xarray.Dataset
        Dims (sample, step, logged_row):

        - ``expected_reward``, ``reward`` (sample, step): paths of the expected reward and of a logged one, at the
          coordinate
          ``optimizer_step``, which reaches at least 100 steps further than the log.
        - ``trend`` (sample, step): the expected reward without noise to come.
        - ``plateau`` (sample): NaN for laws without one.
        - ``step_95`` (sample): step at which the curve has made 95 % of its gain; infinite if it does not by the last
          step,
          NaN for laws without a plateau.
        - ``component`` (sample): the law that the path follows, or persistence.
        - ``logged_reward`` (logged_row): the log, at the coordinate ``logged_step``.

        Attributes: run, model, until, last_step, schedule, persistence (its weight), shares (JSON: of all members),
        collapsed (1 or 0), probability_jump and probability_collapse within the next 100 steps (see
        `bayes_grpo.analysis.forecast.regimes`), regime (JSON: probability that the level is steady, jumps or collapses
        now), reward_range, notes.

    Raises
    ------
    InputError
        If the horizon is in the past, the log has fewer than 10 rewards, or the schedule cannot be used.

    Examples
    --------
    >>> import bayes_grpo
    >>> ahead = bayes_grpo.forecast(bayes_grpo.example_run(), until=800)
    >>> ahead.attrs["model"], ahead["reward"].sizes["sample"], float(ahead["optimizer_step"][-1])
    ('mixture', 1000, 800.0)
    """
    if isinstance(source, xr.DataTree):
        return forecast_from(basis_of(source, run, model), until, schedule=schedule, persistence=persistence, seed=seed)
    single = source.isel(run=[index_of(run, source["run"].values, "forecast")])
    StepsAhead.of(one_run(source, str(single["run"].values[0])), until, schedule, persistence)
    sampler = sampler or Sampler(seed=seed, draws=DRAWS, chains=CHAINS)
    options: dict[str, Any] = {"schedule": schedule, "persistence": persistence, "seed": seed}
    if model is None or model == MIXTURE:
        mixture = load_mixture()
        return forecast_mixed(fit_members(single, mixture.specs, sampler, progress=progress), mixture, until, **options)
    spec = model if isinstance(model, ModelSpec) else load_model(model)
    if spec.pooled:
        raise InputError(f"model {spec.name}", "pools over runs; fit them together, then forecast from the fit")
    fits = fit_members(single, {spec.name: spec}, sampler, progress=progress)
    return forecast_from(fits[spec.name].basis, until, notes=member_notes(fits, {spec.name: 1.0}), **options)


def forecast_from(
    basis: Basis,
    until: float,
    *,
    schedule: str | Path = "planned",
    persistence: float | None = None,
    seed: int = 0,
    notes: list[Note] | None = None,
) -> xr.Dataset:
    """As `forecast`, from draws of one law that are not in a fit."""
    ahead = StepsAhead.of(basis.run, until, schedule, persistence)
    weight = persistence_weight(basis.spec, ahead.logged, until) if persistence is None else persistence
    paths = sample_paths(basis, ahead.steps, ahead.planned.rate, weight, seed)
    paths["component"] = np.where(paths["stays"], PERSISTENCE, basis.spec.name)
    shares = {PERSISTENCE: weight, basis.spec.name: 1 - weight}
    return _labelled(basis, basis.spec.name, ahead, until, paths, shares, notes or [])


def forecast_mixed(
    fits: Mapping[str, MemberFit],
    mixture: Mixture,
    until: float,
    *,
    schedule: str | Path = "planned",
    persistence: float | None = None,
    seed: int = 0,
) -> xr.Dataset:
    """As `forecast`, from the fits of all laws of a mixture to one run."""
    basis = next(iter(fits.values())).basis
    ahead = StepsAhead.of(basis.run, until, schedule, persistence)
    shares = mixture.shares(remaining_over_logged(ahead.logged, until))
    if persistence is not None:
        laws = max(1 - shares[PERSISTENCE], 1e-12)
        shares = {name: share * (1 - persistence) / laws for name, share in shares.items()} | {PERSISTENCE: persistence}
    paths = mix_paths(fits, shares, ahead.steps, ahead.planned.rate, seed)
    return _labelled(basis, MIXTURE, ahead, until, paths, shares, member_notes(fits, shares))


def _labelled(
    basis: Basis,
    model: str,
    ahead: StepsAhead,
    until: float,
    paths: Mapping[str, np.ndarray],
    shares: Mapping[str, float],
    notes: list[Note],
) -> xr.Dataset:
    collapse = collapse_note(ahead.rewards)
    planned = ahead.planned
    rate_notes = [Note("assumption", "schedule", planned.assumed)] if planned.assumed else []
    rate_notes += [note for note in (_rate_note(ahead.steps, planned.rate, until), collapse) if note is not None]
    known = basis.setting.values["planned_steps"] if "planned_steps" not in basis.setting.assumptions else 0.0
    soon = chances(ahead.logged, ahead.rewards, min(ahead.logged[-1] / max(known, until, 1.0), 1.0))
    units = {"units": "reward"}
    per_path = {
        key: ("sample", paths[key], {"units": unit}) for key, unit in (("plateau", "reward"), ("step_95", "step"))
    }
    return xr.Dataset(
        {key: (("sample", "step"), paths[key], units) for key in SAMPLED}
        | per_path
        | {"component": ("sample", paths["component"]), "logged_reward": ("logged_row", ahead.rewards, units)},
        coords={"optimizer_step": ("step", ahead.steps), "logged_step": ("logged_row", ahead.logged)},
        attrs={
            "run": str(basis.run["run"].values),
            "model": model,
            "until": float(until),
            "last_step": float(ahead.logged[-1]),
            "schedule": planned.words,
            "persistence": float(shares[PERSISTENCE]),
            "shares": json.dumps({name: round(float(share), 4) for name, share in shares.items()}),
            "collapsed": int(collapse is not None),
            "probability_jump": soon.jump,
            "probability_collapse": soon.collapse,
            "regime": json.dumps({name: round(value, 4) for name, value in soon.regime.items()}),
            "reward_range": basis.setting.values["reward_range"],
            **({} if (seconds := step_seconds(basis.run)) is None else {"step_seconds": seconds}),
            **stored([*rate_notes, *notes, *beyond_bounds(paths["plateau"], hyperparameters_of(basis.run), model)]),
        },
    )


def step_seconds(run: xr.Dataset) -> float | None:
    """Mean duration of a step in the later half of a log, which knows nothing of compiling and warming up."""
    if "step_time" not in run:
        return None
    values = run["step_time"].values
    values = values[np.isfinite(values) & (values > 0)]
    return float(values[values.size // 2 :].mean()) if values.size else None


def remaining_over_logged(steps: np.ndarray, until: float) -> float:
    """Steps to come over steps logged."""
    logged = max(float(steps[-1] - min(steps[0], 0.0)), 1.0)
    return float((until - steps[-1]) / logged)


def persistence_weight(spec: ModelSpec, steps: np.ndarray, until: float) -> float:
    """Weight of persistence: logistic in the log of remaining over logged steps; 0 for models that state none."""
    if spec.persistence is None:
        return 0.0
    intercept, slope = spec.persistence
    return float(1 / (1 + np.exp(-(intercept + slope * np.log(remaining_over_logged(steps, until))))))


def _rate_note(steps: np.ndarray, rate: np.ndarray, until: float) -> Note | None:
    """What to say where the learning rate is zero before the horizon."""
    zero = steps[(rate <= 1e-6 * rate.max()) & (steps < until)]
    if zero.size == 0:
        return None
    text = (
        f"the learning rate is zero from step {zero[0]:g}: nothing is learned after it; ask with --schedule for another"
    )
    return Note("limit", "learning_rate", text)
