"""What a forecast says in numbers: bands, gains still to come, and whether to go on."""

import json
from typing import Any

import numpy as np
import xarray as xr

from bayes_grpo.analysis.forecast.forecast import GAIN_STEPS
from bayes_grpo.analysis.intervals import INTERVAL, interval, interval_row
from bayes_grpo.analysis.posterior.summary import prior_conflicts
from bayes_grpo.inference.attributes import assumptions
from bayes_grpo.inference.convergence import diagnose_sampling

#: A gain below this share of the reward's range in `GAIN_STEPS` steps is not worth them, unless said otherwise.
EPSILON_SHARE = 0.01
#: Stop where a gain worth its steps is less likely than the first, go on where it is more likely than the second.
STOP_BELOW, GO_ON_ABOVE = 0.1, 0.5
#: Rows that a summary states bands for.
_SHOWN = 60


def summarise_forecast(
    forecast: xr.Dataset,
    fit: xr.DataTree | None = None,
    *,
    epsilon: float | None = None,
    step_seconds: float | None = None,
) -> dict[str, Any]:
    """Summary of a forecast as one JSON-ready object.

    Parameters
    ----------
    forecast : xarray.Dataset
        From `bayes_grpo.forecast`.
    fit : xarray.DataTree, optional
        The fit it was made of, for its diagnostics and assumptions.
    epsilon : float, optional
        Gain in expected reward per `GAIN_STEPS` steps that makes them worth while; by default `EPSILON_SHARE` of the range.
    step_seconds : float, optional
        Duration of an optimizer step, for gains per hour; by default the mean over the later half of the fitted log's rows.

    Returns
    -------
    dict
        Keys run, model, last_step, until, schedule, persistence; steps, mean, logged (bands over the steps to come: median,
        lower, upper); plateau; step_95 (None beyond ``until``; with the probability that it is reached by then);
        gain_per_100_steps and the probability of more than epsilon; gain_per_hour and step_seconds (None where unknown); recommendation; interval; warnings.
    """
    attrs = forecast.attrs
    epsilon = EPSILON_SHARE * attrs["reward_range"] if epsilon is None else epsilon
    if step_seconds is None and fit is not None:
        step_seconds = _logged_step_seconds(fit, attrs["run"])
    steps = forecast["optimizer_step"].values
    inside = np.flatnonzero(steps <= attrs["until"])
    shown = inside[np.unique(np.linspace(0, inside.size - 1, min(_SHOWN, inside.size)).round().astype(int))]
    next_gain = _gains(forecast)[:, 0]
    chance = float((next_gain > epsilon).mean())
    out = {
        "run": attrs["run"],
        "model": attrs["model"],
        "last_step": attrs["last_step"],
        "until": attrs["until"],
        "schedule": attrs["schedule"],
        "persistence": attrs["persistence"],
        "steps": steps[shown].tolist(),
        "mean": _bands(forecast["expected_reward"].values[:, shown]),
        "logged": _bands(forecast["reward"].values[:, shown]),
        "plateau": interval_row(forecast["plateau"].values),
        "step_95": _step_95(forecast),
        "gain_per_100_steps": {**interval_row(next_gain), "epsilon": epsilon, "probability_above_epsilon": chance},
        "gain_per_hour": None if step_seconds is None else interval_row(next_gain * 3600 / step_seconds / GAIN_STEPS),
        "step_seconds": step_seconds,
        "recommendation": _recommend(forecast, epsilon, chance),
        "interval": INTERVAL,
        "warnings": json.loads(attrs["warnings"]),
    }
    if fit is not None:
        failures = [str(failure) for failure in diagnose_sampling(fit).failures()]
        assumed = [str(note) for note in assumptions(fit)]
        out["warnings"] = [*failures, *out["warnings"], *assumed, *prior_conflicts(fit)]
    return out


def _logged_step_seconds(fit: xr.DataTree, run: str) -> float | None:
    """Mean duration of a step in the later half of a log, which knows nothing of compiling and warming up."""
    logged = fit["constant_data"].dataset
    if "step_time" not in logged:
        return None
    times = logged["step_time"]
    values = times.sel(run=run).values if "run" in times.dims else times.values
    values = values[np.isfinite(values) & (values > 0)]
    return float(values[values.size // 2 :].mean()) if values.size else None


def _gains(forecast: xr.Dataset) -> np.ndarray:
    """Gain of the noise-free trend over the next `GAIN_STEPS` steps from the last step and from each row to come, (sample, start).

    Rows within `GAIN_STEPS` of the end have none.
    """
    steps = np.concatenate([[forecast.attrs["last_step"]], forecast["optimizer_step"].values])
    trend = forecast["trend"].values
    slope = (trend[:, 1] - trend[:, 0]) / (steps[2] - steps[1]) if trend.shape[1] > 1 else np.zeros(len(trend))
    trend = np.column_stack([trend[:, 0] - slope * (steps[1] - steps[0]), trend])
    starts = steps[steps + GAIN_STEPS <= steps[-1] + 1e-9]
    later = np.stack([np.interp(starts + GAIN_STEPS, steps, path) for path in trend])
    gains: np.ndarray = later - trend[:, : starts.size]
    return gains


def _recommend(forecast: xr.Dataset, epsilon: float, chance: float) -> dict[str, Any]:
    """Whether to go on, until when, and what a wrong decision costs."""
    attrs = forecast.attrs
    rule = f"stop where P(gain over {GAIN_STEPS} steps > {epsilon:.3g}) < {STOP_BELOW:g}, go on while it is above {GO_ON_ABOVE:g}"
    worth = (_gains(forecast) > epsilon).mean(axis=0)
    starts = np.concatenate([[attrs["last_step"]], forecast["optimizer_step"].values])[: worth.size]
    spent = starts[worth < STOP_BELOW]
    step = float(spent[0]) if spent.size and spent[0] <= attrs["until"] else None
    at = -1 if step is None else int(np.flatnonzero(starts == step)[0])
    if attrs["collapsed"]:
        action, step, at = "look", attrs["last_step"], 0
    elif chance < STOP_BELOW:
        action = "stop"
    else:
        action = "go on" if chance > GO_ON_ABOVE else "cannot tell yet"
    trend = forecast["trend"].values
    inside = forecast["optimizer_step"].values <= attrs["until"]
    end = trend[:, inside][:, -1]
    # Rows start at the first step to come: the start of index 0 is the last logged step.
    here = trend[:, max(at - 1, 0)] if at >= 0 else end
    return {
        "action": action,
        "step": step,
        "rule": rule,
        "gain_forgone_by_stopping_there": interval_row(end - here),
        "gain_forgone_by_stopping_now": interval_row(end - trend[:, 0]),
        "steps_saved": None if step is None else attrs["until"] - step,
    }


def _step_95(forecast: xr.Dataset) -> dict[str, Any]:
    steps = forecast["step_95"].values
    if np.isnan(steps).any():
        return {**interval_row(steps), "probability_reached": None}
    steps = np.where(steps <= forecast.attrs["until"], steps, np.inf)
    return {**interval_row(steps), "probability_reached": float(np.isfinite(steps).mean())}


def _bands(paths: np.ndarray) -> dict[str, list[float]]:
    lower, median, upper = interval(paths)
    return {"median": median.tolist(), "lower": lower.tolist(), "upper": upper.tolist()}
