"""What a forecast says in numbers: bands, gains still to come, and whether to go on."""

import json
from typing import Any, TypedDict

import numpy as np
import xarray as xr

from bayes_grpo.analysis.collapses import Recovery, recovery
from bayes_grpo.analysis.forecast.ahead import GAIN_STEPS
from bayes_grpo.analysis.intervals import INTERVAL, IntervalRow, interval, interval_row
from bayes_grpo.analysis.notes import Noted, fit_notes, noted, stored_notes
from bayes_grpo.analysis.posterior.notes import prior_conflicts
from bayes_grpo.inference.draws import evenly

#: A gain below this share of the reward's range in `GAIN_STEPS` steps is not worth them, unless said otherwise.
EPSILON_SHARE = 0.01
#: Stop where a gain worth its steps is less probable than the first, go on where it is more probable than the second.
STOP_BELOW, GO_ON_ABOVE = 0.1, 0.5
#: Rows that a summary states bands for.
_SHOWN = 60


class Band(TypedDict):
    """Median and interval at every step of a summary."""

    median: list[float]
    lower: list[float]
    upper: list[float]


class GainRow(IntervalRow):
    """The gain of the next steps, the gain that would make them worth while, and how probable more than that is."""

    epsilon: float
    probability_above_epsilon: float


class ReachedRow(IntervalRow):
    """The step with 95 % of the gain, and the probability that it comes before the horizon."""

    probability_reached: float | None


class Recommendation(TypedDict):
    """What the rule advises: ``action``, the step at which it says stop, and what stopping would cost and save."""

    action: str
    step: float | None
    rule: str
    gain_forgone_by_stopping_there: IntervalRow
    gain_forgone_by_stopping_now: IntervalRow
    steps_saved: float | None


class ForecastSummary(Noted):
    """What `summarise_forecast` says; see there."""

    run: str
    model: str
    last_step: float
    until: float
    schedule: str
    persistence: float
    shares: dict[str, float] | None
    steps: list[float]
    mean: Band
    logged: Band
    plateau: IntervalRow
    step_95: ReachedRow
    gain_per_100_steps: GainRow
    gain_per_hour: IntervalRow | None
    step_seconds: float | None
    probability_jump: float | None
    probability_collapse: float | None
    regime: dict[str, float] | None
    recovery: Recovery | None
    recommendation: Recommendation
    interval: dict[str, Any]


def summarise_forecast(
    result: xr.Dataset,
    fit: xr.DataTree | None = None,
    *,
    epsilon: float | None = None,
    step_seconds: float | None = None,
) -> ForecastSummary:
    """Summary of a forecast, ready for JSON.

    Parameters
    ----------
    result : xarray.Dataset
        From `bayes_grpo.forecast`.
    fit : xarray.DataTree, optional
        The fit that was forecast from, where a fit was. Its assumptions, and why it cannot be believed if it did not
        converge, join the notes.
    epsilon : float, optional
        Gain in expected reward per `GAIN_STEPS` steps that makes them worth while; by default `EPSILON_SHARE` of the
        range.
    step_seconds : float, optional
        Duration of an optimizer step, for gains per hour; by default the mean over the later half of the fitted log's
        rows.

    Returns
    -------
    dict
        - ``run``, ``model``, ``last_step``, ``until``, ``schedule``, ``persistence``, ``shares``: what was forecast,
          and how; the shares are those of persistence and of each law in the paths.
        - ``steps``: optimizer steps to come; ``mean`` and ``logged``: bands of the expected and of the logged reward at
          each, with ``median``, ``lower`` and ``upper``.
        - ``plateau``: median and interval, over the paths whose law has a plateau; None where none has.
        - ``step_95``: step with 95 % of the gain, None beyond ``until``; ``probability_reached``, that it comes before.
        - ``gain_per_100_steps``: median and interval, ``epsilon`` and ``probability_above_epsilon``.
        - ``gain_per_hour``, ``step_seconds``: None where it is not known how long a step takes.
        - ``probability_jump``, ``probability_collapse``: that more than half of the gain so far is added, or taken
          back, within the next 100 steps, from how often that came in other runs; the bands do not hold it.
        - ``regime``: probability that the level is ``steady``, in a ``jump`` or in a ``collapse`` now, see
          `bayes_grpo.analysis.switching`.
        - ``recovery``: of a run that has collapsed, how often such runs recover, see
          `bayes_grpo.analysis.collapses.Recovery`; None of others.
        - ``recommendation``: ``action`` (stop, go on, cannot tell yet, look), ``rule``, ``step`` at which the rule says
          stop as
          seen now, ``gain_forgone_by_stopping_there``, ``gain_forgone_by_stopping_now`` and ``steps_saved``.
        - ``interval``: probability and kind of the intervals.
        - ``warnings``, ``notes``: what a reader should know, as sentences and as data.

    Examples
    --------
    >>> import bayes_grpo
    >>> fit = bayes_grpo.fit(bayes_grpo.example_run(), "overdamped", draws=50, tune=100, chains=2)
    >>> summary = bayes_grpo.summarise_forecast(bayes_grpo.forecast(fit, until=800), fit, epsilon=0.5)
    >>> summary["recommendation"]["action"], summary["steps"][-1]
    ('stop', 800.0)
    """
    attrs = result.attrs
    epsilon = EPSILON_SHARE * attrs["reward_range"] if epsilon is None else epsilon
    if step_seconds is None:
        step_seconds = attrs.get("step_seconds")
    steps = result["optimizer_step"].values
    inside = np.flatnonzero(steps <= attrs["until"])
    shown = inside[evenly(inside.size, _SHOWN)]
    next_gain = _gains(result)[:, 0]
    worth = float((next_gain > epsilon).mean())
    inherited = [*fit_notes(fit), *(prior_conflicts(fit) if fit is not None else [])]
    return {
        "run": attrs["run"],
        "model": attrs["model"],
        "last_step": attrs["last_step"],
        "until": attrs["until"],
        "schedule": attrs["schedule"],
        "persistence": attrs["persistence"],
        "shares": json.loads(attrs["shares"]) if "shares" in attrs else None,
        "steps": steps[shown].tolist(),
        "mean": _band(result["expected_reward"].values[:, shown]),
        "logged": _band(result["reward"].values[:, shown]),
        "plateau": interval_row(_with_plateau(result["plateau"].values)),
        "step_95": _step_95(result),
        "gain_per_100_steps": {**interval_row(next_gain), "epsilon": epsilon, "probability_above_epsilon": worth},
        "gain_per_hour": None if step_seconds is None else interval_row(next_gain * 3600 / step_seconds / GAIN_STEPS),
        "step_seconds": step_seconds,
        "probability_jump": attrs.get("probability_jump"),
        "probability_collapse": attrs.get("probability_collapse"),
        "regime": json.loads(attrs["regime"]) if "regime" in attrs else None,
        "recovery": recovery() if attrs["collapsed"] else None,
        "recommendation": _recommend(result, epsilon, worth),
        "interval": INTERVAL,
        **noted(sorted([*stored_notes(result), *inherited], key=lambda note: note.kind != "not_converged")),
    }


def _gains(result: xr.Dataset) -> np.ndarray:
    """Gain of the noise-free trend over `GAIN_STEPS` steps, shape (sample, start).

    Starts are the last logged step and those to come. Steps within `GAIN_STEPS` of the end have none.
    """
    steps = np.concatenate([[result.attrs["last_step"]], result["optimizer_step"].values])
    trend = result["trend"].values
    slope = (trend[:, 1] - trend[:, 0]) / (steps[2] - steps[1]) if trend.shape[1] > 1 else np.zeros(len(trend))
    trend = np.column_stack([trend[:, 0] - slope * (steps[1] - steps[0]), trend])
    starts = steps[steps + GAIN_STEPS <= steps[-1] + 1e-9]
    later = np.stack([np.interp(starts + GAIN_STEPS, steps, path) for path in trend])
    gains: np.ndarray = later - trend[:, : starts.size]
    return gains


def _recommend(result: xr.Dataset, epsilon: float, worth_now: float) -> Recommendation:
    """Whether to go on, until when, and what a wrong decision costs."""
    attrs = result.attrs
    worth = (_gains(result) > epsilon).mean(axis=0)
    starts = np.concatenate([[attrs["last_step"]], result["optimizer_step"].values])[: worth.size]
    spent = starts[worth < STOP_BELOW]
    step = float(spent[0]) if spent.size and spent[0] <= attrs["until"] else None
    at = -1 if step is None else int(np.flatnonzero(starts == step)[0])
    if attrs["collapsed"]:
        action, step, at = "look", attrs["last_step"], 0
    elif worth_now < STOP_BELOW:
        action = "stop"
    else:
        action = "go on" if worth_now > GO_ON_ABOVE else "cannot tell yet"
    trend = result["trend"].values
    inside = result["optimizer_step"].values <= attrs["until"]
    end = trend[:, inside][:, -1]
    # Rows start at the first step to come: the start of index 0 is the last logged step.
    here = trend[:, max(at - 1, 0)] if at >= 0 else end
    return {
        "action": action,
        "step": step,
        "rule": f"stop where P(gain over {GAIN_STEPS} steps > {epsilon:.3g}) < {STOP_BELOW:g}, go on while it is above "
        f"{GO_ON_ABOVE:g}",
        "gain_forgone_by_stopping_there": interval_row(end - here),
        "gain_forgone_by_stopping_now": interval_row(end - trend[:, 0]),
        "steps_saved": None if step is None else attrs["until"] - step,
    }


def _with_plateau(values: np.ndarray) -> np.ndarray:
    """Those of the paths whose law has a plateau, where any has one: a mixture holds laws without."""
    known = ~np.isnan(values)
    return values[known] if known.any() else values


def _step_95(result: xr.Dataset) -> ReachedRow:
    steps = _with_plateau(result["step_95"].values)
    if np.isnan(steps).any():
        return {**interval_row(steps), "probability_reached": None}
    steps = np.where(steps <= result.attrs["until"], steps, np.inf)
    return {**interval_row(steps), "probability_reached": float(np.isfinite(steps).mean())}


def _band(paths: np.ndarray) -> Band:
    lower, median, upper = interval(paths)
    return {"median": median.tolist(), "lower": lower.tolist(), "upper": upper.tolist()}
