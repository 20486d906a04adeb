"""Forecast of the remaining training from a fit: sampled paths of the expected and of the logged reward."""

from pathlib import Path

import numpy as np
import xarray as xr

from bayes_grpo.analysis.forecast.paths import SAMPLED, Basis, basis_of, collapse_note, sample_paths
from bayes_grpo.analysis.notes import stored
from bayes_grpo.errors import InputError, Note
from bayes_grpo.models.spec import ModelSpec
from bayes_grpo.runs.schedules import schedule_ahead

#: Rewards without which nothing is forecast.
LEAST_REWARDS = 10
#: Rows to come at most; over longer horizons they lie further apart than the log's.
MOST_ROWS = 600
#: Steps over which gains are stated; paths always reach so far.
GAIN_STEPS = 100


def forecast(
    fit: xr.DataTree,
    until: float,
    *,
    run: str | None = None,
    model: str | Path | ModelSpec | None = None,
    schedule: str | Path = "planned",
    persistence: float | None = None,
    seed: int = 0,
) -> xr.Dataset:
    """Sample the training that is left.

    A share of the paths, the weight of persistence, stays at the level of the last tenth of the log; the others follow
    the law from the state that the log leaves, each with its own draw of the parameters.

    Parameters
    ----------
    fit : xarray.DataTree
        From `bayes_grpo.fit`.
    until : float
        Optimizer step to forecast to, after the last logged one.
    run : str, optional
        Label of the run, where the fit is of several.
    model : str, Path or ModelSpec, optional
        The model, where it did not come with the package.
    schedule : str or Path
        How the learning rate goes on: ``planned``, ``constant``, ``linear``, ``cosine`` or a CSV file, see
        `bayes_grpo.runs.schedules.schedule_ahead`.
    persistence : float, optional
        Weight of persistence, 0 to 1; by default what the model file states for this horizon, or 0.
    seed : int
        Of the paths.

    Returns
    -------
    xarray.Dataset
        Dims (sample, step, logged_row):

        - ``expected_reward``, ``reward`` (sample, step): paths of the expected reward and of a logged one, at the
          coordinate
          ``optimizer_step``, which reaches at least `GAIN_STEPS` further than the log.
        - ``trend`` (sample, step): the expected reward without noise to come.
        - ``plateau`` (sample): NaN for laws without one.
        - ``step_95`` (sample): step at which the curve has made 95 % of its gain; infinite if it does not by the last
          step,
          NaN for laws without a plateau.
        - ``component`` (sample): law or persistence.
        - ``logged_reward`` (logged_row): the log, at the coordinate ``logged_step``.

        Attributes: run, model, until, last_step, schedule, persistence (its weight), collapsed (1 or 0), reward_range,
        notes.

    Raises
    ------
    InputError
        If the horizon is in the past, the log has fewer than `LEAST_REWARDS` rewards, or the schedule cannot be used.

    Examples
    --------
    >>> import bayes_grpo
    >>> fit = bayes_grpo.fit(bayes_grpo.example_run(), "overdamped", draws=50, tune=100, chains=2)
    >>> ahead = bayes_grpo.forecast(fit, until=800)
    >>> ahead["reward"].sizes["sample"], float(ahead["optimizer_step"][-1])
    (1000, 800.0)
    """
    return forecast_from(basis_of(fit, run, model), until, schedule=schedule, persistence=persistence, seed=seed)


def forecast_from(
    basis: Basis, until: float, *, schedule: str | Path = "planned", persistence: float | None = None, seed: int = 0
) -> xr.Dataset:
    """As `forecast`, from draws that are not in a fit."""
    name, setting = str(basis.run["run"].values), basis.setting
    seen = np.isfinite(basis.run["reward"].values)
    steps, rewards = basis.run["optimizer_step"].values[seen], basis.run["reward"].values[seen]
    _check(name, steps, until, persistence)
    ahead = _steps_ahead(steps, until)
    known = None if "planned_steps" in setting.assumptions else setting.values["planned_steps"]
    planned = schedule_ahead(basis.run, ahead, schedule, known)
    collapse = collapse_note(rewards)
    schedule_note = Note("assumption", "schedule", planned.assumed) if planned.assumed else None
    weight = persistence_weight(basis.spec, steps, until) if persistence is None else persistence
    paths = sample_paths(basis, ahead, planned.rate, weight, seed)
    units = {"units": "reward"}
    per_path = {
        key: ("sample", paths[key], {"units": unit}) for key, unit in (("plateau", "reward"), ("step_95", "step"))
    }
    return xr.Dataset(
        {key: (("sample", "step"), paths[key], units) for key in SAMPLED}
        | per_path
        | {
            "component": ("sample", np.where(paths["stays"], "persistence", "law")),
            "logged_reward": ("logged_row", rewards, units),
        },
        coords={"optimizer_step": ("step", ahead), "logged_step": ("logged_row", steps)},
        attrs={
            "run": name,
            "model": basis.spec.name,
            "until": float(until),
            "last_step": float(steps[-1]),
            "schedule": planned.words,
            "persistence": float(weight),
            "collapsed": int(collapse is not None),
            "reward_range": setting.values["reward_range"],
            **stored(
                note for note in (schedule_note, _rate_note(ahead, planned.rate, until), collapse) if note is not None
            ),
        },
    )


def persistence_weight(spec: ModelSpec, steps: np.ndarray, until: float) -> float:
    """Weight of persistence: logistic in the log of remaining over logged steps; 0 for models that state none."""
    if spec.persistence is None:
        return 0.0
    intercept, slope = spec.persistence
    logged = max(float(steps[-1] - min(steps[0], 0.0)), 1.0)
    return float(1 / (1 + np.exp(-(intercept + slope * np.log((until - steps[-1]) / logged)))))


def _rate_note(steps: np.ndarray, rate: np.ndarray, until: float) -> Note | None:
    """What to say where the learning rate is zero before the horizon."""
    zero = steps[(rate <= 1e-6 * rate.max()) & (steps < until)]
    if zero.size == 0:
        return None
    text = (
        f"the learning rate is zero from step {zero[0]:g}: nothing is learned after it; ask with --schedule for another"
    )
    return Note("limit", "learning_rate", text)


def _check(name: str, steps: np.ndarray, until: float, persistence: float | None) -> None:
    faults = []
    if steps.size < LEAST_REWARDS:
        faults.append(f"expected at least {LEAST_REWARDS} rewards, found {steps.size}: too few to forecast from; wait")
    if not np.isfinite(until) or until <= steps[-1]:
        faults.append(f"until: expected a step after the last logged one, {steps[-1]:g}, found {until:g}")
    if persistence is not None and not 0 <= persistence <= 1:
        faults.append(f"persistence: expected a weight from 0 to 1, found {persistence:g}")
    if faults:
        raise InputError(name, faults)


def _steps_ahead(steps: np.ndarray, until: float) -> np.ndarray:
    """Steps to come, as far apart as the last logged ones, with ``until`` among them."""
    gaps = np.diff(steps[-50:])
    gap = float(np.median(gaps[gaps > 0])) if (gaps > 0).any() else 1.0
    far = max(until, steps[-1] + GAIN_STEPS)
    gap = max(gap, (far - steps[-1]) / MOST_ROWS)
    ahead = np.arange(steps[-1] + gap, far + gap, gap)
    marks = [until, steps[-1] + GAIN_STEPS]
    return np.unique(np.concatenate([ahead[ahead < far], marks]))
