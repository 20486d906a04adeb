"""What one setting of a run brings, at every draw of what is believed."""

from typing import NamedTuple

import numpy as np
import xarray as xr

from bayes_grpo.analysis.decisions.plan.beliefs import DRAWS, Beliefs
from bayes_grpo.analysis.decisions.plan.course import Course, scatter_of, signal_of, unit_course
from bayes_grpo.laws import reuse, stability
from bayes_grpo.laws.normal import normal_cdf, normal_quantile
from bayes_grpo.runs.planned import PlannedRun

#: Points of the course that are kept.
_POINTS = 60
_SHARES = np.linspace(0, 0.5, 11)
_LONGEST = 2000
_MOMENTUM = 0.9
#: Share of the batch that its effective sample size may fall to.
_LEAST_SHARE = 0.5


class Scenarios(NamedTuple):
    """Draws of what is unknown beside the beliefs and the same for all settings, shape (DRAWS,).

    ``start`` indexes the base success rates that are thought possible; ``lag_share`` is the share of the lag that
    counts.
    """

    start: np.ndarray
    lag_share: np.ndarray


class Goal(NamedTuple):
    """What is looked for: a gain (reward) within so many steps."""

    gain: float
    within: float


def outcome(
    option: PlannedRun,
    base: PlannedRun,
    starts: list[np.ndarray],
    beliefs: Beliefs,
    scenarios: Scenarios,
    goal: Goal,
    updates: float,
) -> xr.Dataset:
    """What one setting brings.

    Parameters
    ----------
    option : PlannedRun
        The setting.
    base : PlannedRun
        The setting that the beliefs are about.
    starts : list of numpy.ndarray
        Base success rates that are thought possible, each of shape (prompt,).
    beliefs : Beliefs
        How fast and how far runs go.
    scenarios : Scenarios
        Draws that all settings share.
    goal : Goal
        The gain that is looked for.
    updates : float
        Updates within the budget.
    """
    rate, growth = _speeds(option, base, beliefs)
    courses = _courses(option, starts, scenarios.start, growth)
    stiffness = rate * np.log(20) / np.array([course.time_to_95 for course in courses])
    scatter = np.array([scatter_of(chance, option) for chance in starts])[scenarios.start] * option.reward_range
    steps = np.linspace(0, option.steps, _POINTS)
    lag, spent = _too_stale(stiffness, scenarios.lag_share, growth, option)
    reach = np.where(spent, 0.0, beliefs.reach)

    def reward_after(updates: np.ndarray) -> np.ndarray:
        return _reached(courses, rate[:, None] * updates, reach, option)

    path = reward_after(steps)
    gain = np.diff(reward_after(np.array([0.0, goal.within])))[:, 0]
    error = gain_error(scatter, beliefs.ratio, stiffness, goal.within)
    drawn = {
        "plateau": _reached(courses, np.full((DRAWS, 1), np.inf), reach, option)[:, 0],
        "steps_to_95": np.log(20) / stiffness,
        "final_reward": path[:, -1],
        "reward_in_budget": reward_after(np.array([updates]))[:, 0],
        "noise": scatter * np.sqrt(1 + beliefs.ratio**2),
        "too_stale": lag | spent,
        "shown": normal_cdf(0.75 * gain / error - normal_quantile(0.95)),
    }
    out = _drawn(drawn, path, steps, option)
    return out.assign(
        signal_share=float(np.mean([signal_of(chance, option) for chance in starts])),
        power=float(normal_cdf(0.75 * goal.gain / error - normal_quantile(0.95)).mean()),
        probability_gain=float((gain >= goal.gain).mean()),
        completions_per_update=option.completions_per_update,
        updates_in_budget=updates,
    )


def _drawn(values: dict[str, np.ndarray], path: np.ndarray, steps: np.ndarray, option: PlannedRun) -> xr.Dataset:
    """Draws and the course of the expected reward, in steps and, where their length is known, in hours."""
    out = xr.Dataset({name: ("sample", value) for name, value in values.items()})
    out["expected_reward"] = (("sample", "point"), path)
    out["steps"] = ("point", steps)
    if option.seconds_per_update is not None:
        out["hours"] = ("point", steps * option.seconds_per_update / 3600)
    return out


def _speeds(option: PlannedRun, base: PlannedRun, beliefs: Beliefs) -> tuple[np.ndarray, np.ndarray]:
    """Rate of the logit, and growth of the log ratio, an update under a setting."""
    faster = 1.0
    if option.learning_rate is not None and base.learning_rate is not None:
        faster = option.learning_rate / base.learning_rate
    batches = option.group_size * option.prompts_per_step / (base.group_size * base.prompts_per_step)
    return beliefs.rate * faster * batches**beliefs.batch_exponent, beliefs.growth * faster


def _courses(option: PlannedRun, starts: list[np.ndarray], start: np.ndarray, growth: np.ndarray) -> list[Course]:
    """The course at rate 1 of each draw: from its start, and with what clipping removes of its drive."""
    interval = round(option.refresh_interval)
    clipped = np.zeros(DRAWS)
    if interval > 1:
        clipped = reuse.clipped_share(growth, interval, np.full(DRAWS, option.clip_range))
    cases = list(zip(start.tolist(), np.abs(clipped[:, None] - _SHARES).argmin(1).tolist(), strict=True))
    courses = {(i, j): unit_course(starts[i], option, float(_SHARES[j])) for i, j in set(cases)}
    return [courses[case] for case in cases]


def _reached(courses: list[Course], time: np.ndarray, reach: np.ndarray, option: PlannedRun) -> np.ndarray:
    """Expected reward at updates times rate, shape (sample, point)."""
    places = np.stack([course.after(row) for course, row in zip(courses, time, strict=True)])
    first = np.array([course.start for course in courses])[:, None]
    reward = np.clip(first + reach[:, None] * (places - first), 0.0, 1.0)
    return np.asarray(option.reward_lower + option.reward_range * reward)


def gain_error(scatter: np.ndarray, ratio: np.ndarray, stiffness: np.ndarray, within: float) -> np.ndarray:
    """Standard error of the gain from the first quarter of the rows to the last, a row a step.

    Scatter averages out; the fluctuation, an Ornstein-Uhlenbeck process, does so over times longer than its own.
    """
    quarter = max(within / 4, 1.0)
    spans = np.maximum(quarter * np.minimum(stiffness, 1.0), 1e-4)
    of_mean = 2 * (spans + np.expm1(-spans)) / spans**2
    shared = (np.expm1(-spans) / spans) ** 2 * np.exp(-2 * spans)
    return np.asarray(scatter * np.sqrt(2 * (1 / quarter + ratio**2 * np.maximum(of_mean - shared, 0.0))))


def _too_stale(
    stiffness: np.ndarray, lag_share: np.ndarray, growth: np.ndarray, option: PlannedRun
) -> tuple[np.ndarray, np.ndarray]:
    """Whether the refresh interval is beyond what lag allows, and what the sample size of the batch allows.

    Beyond the latter nothing is gained, as in `bayes_grpo.analysis.stability.reuse.interval_table`.
    """
    interval = option.refresh_interval
    if interval == 1:
        return np.zeros(DRAWS, bool), np.zeros(DRAWS, bool)
    lag = stability.refresh_threshold(np.minimum(stiffness, 1.0), _MOMENTUM, lag_share, _LONGEST)
    size = reuse.effective_share_limit(growth, option.clip_range, _LEAST_SHARE)
    return np.asarray(lag <= interval), np.asarray(size <= interval)
