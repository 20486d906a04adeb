"""A run worked out before it is made: draws of what it brings, for one setting or several values of one."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import xarray as xr
from scipy.stats import norm

from bayes_grpo.analysis.decisions.plan.beliefs import DRAWS, Beliefs, from_fits, from_population
from bayes_grpo.analysis.decisions.plan.course import Course, scatter_of, signal_of, unit_course
from bayes_grpo.analysis.decisions.plan.setting import checked_starts, options_of
from bayes_grpo.analysis.notes import stored
from bayes_grpo.errors import InputError, Note
from bayes_grpo.laws import reuse, stability
from bayes_grpo.runs.planned import PlannedRun

#: Base success rate where none is given: median and standard deviation of its logit.
ASSUMED_START, ASSUMED_LOGIT_SD = 0.25, 1.0
_STARTS = 9
#: Points of the course that are kept.
_POINTS = 60
#: Gain that is looked for, as a share of the range, unless said otherwise.
GAIN_SHARE = 0.05
_SHARES = np.linspace(0, 0.5, 11)
_LONGEST = 2000
_MOMENTUM = 0.9
#: Share of the batch that its effective sample size may fall to.
_LEAST_SHARE = 0.5


def plan(
    start: float | Sequence[float] | None = None,
    setting: PlannedRun | None = None,
    *,
    vary: tuple[str, Sequence[float]] | None = None,
    fits: Sequence[xr.DataTree] = (),
    completions: float | None = None,
    hours: float | None = None,
    gain: float | None = None,
    within: float | None = None,
    seed: int = 0,
) -> xr.Dataset:
    """Work out what a run would bring.

    Parameters
    ----------
    start : float or sequence of float, optional
        Base success rate: the probability that the untrained policy answers right, for all prompts or for each.
    setting : PlannedRun, optional
        The settings, from `bayes_grpo.PlannedRun`; by default its defaults.
    vary : tuple of str and sequence of float, optional
        A setting and its values to compare: group_size, prompts_per_step, refresh_interval, learning_rate or kl.
    fits : sequence of xarray.DataTree
        Fits of earlier runs of the same task, each of one run; without any, the population of runs is taken.
    completions, hours : float, optional
        Budget; by default the completions of the planned run. Hours need the seconds of a completion and an update.
    gain : float, optional
        Gain in reward that is looked for; by default 5 % of the range.
    within : float, optional
        Steps within which it is looked for; by default the planned ones.
    seed : int
        Of the draws.

    Returns
    -------
    xarray.Dataset
        Dims (option, sample, point):

        - ``plateau`` (reward), ``steps_to_95`` (step), ``final_reward`` after the planned steps, ``reward_in_budget``,
          ``noise`` of a logged reward (reward), ``too_stale`` (whether the refresh interval is beyond what lag and
          sample size allow), ``shown`` (the probability that the log shows the gain that the run makes).
        - ``expected_reward`` (option, sample, point) at ``steps`` (option, point) and, where the seconds are known, at
          ``hours``.
        - ``signal_share`` (option): groups at the start that give a signal. ``power`` (option): probability that a log
          of ``within`` steps shows the gain that is looked for, if it is made. ``probability_gain`` (option): that it
          is.
        - ``completions_per_update``, ``updates_in_budget`` (option).

        Attributes: start, gain, within, budget, budget_unit, reward_range, reward_lower, notes.

    Raises
    ------
    InputError
        All impossible arguments at once.

    Examples
    --------
    >>> import bayes_grpo
    >>> few = bayes_grpo.PlannedRun(group_size=2, prompts_per_step=4, steps=100)
    >>> result = bayes_grpo.plan(0.18, few)
    >>> round(float(result["signal_share"][0]), 2)
    0.3
    """
    base = PlannedRun() if setting is None else setting
    options = options_of(base, vary)
    budget, unit = _budget(base, completions, hours, gain, within)
    prompts = checked_starts(start)
    starts = [prompts] if prompts is not None else _assumed_starts()
    middle = starts[len(starts) // 2]
    beliefs = from_fits(fits, base, seed) if fits else from_population(middle, base, seed)
    looked_for = GAIN_SHARE * base.reward_range if gain is None else gain
    span = base.steps if within is None else within
    rng = np.random.default_rng([seed, 23])
    which, lag_share = rng.integers(0, len(starts), DRAWS), rng.uniform(size=DRAWS)
    parts = [
        _option(option, base, starts, which, beliefs, lag_share, _updates(option, budget, unit), looked_for, span)
        for option in options.values()
    ]
    notes = [*beliefs.notes, *_notes(prompts, base, vary)]
    out: xr.Dataset = xr.concat(parts, dim="option").assign_coords(option=list(options))
    return out.assign_attrs(
        start=float(np.mean(middle)),
        gain=looked_for,
        within=span,
        budget=budget,
        budget_unit=unit,
        varied="" if vary is None else vary[0],
        reward_range=base.reward_range,
        reward_lower=base.reward_lower,
        **stored(notes),
    )


def _budget(
    setting: PlannedRun, completions: float | None, hours: float | None, gain: float | None, within: float | None
) -> tuple[float, str]:
    """The budget and its unit."""
    named = {"completions": completions, "hours": hours, "gain": gain, "within": within}
    faults = [
        f"{name}: expected a number above 0, found {v:g}" for name, v in named.items() if v is not None and not v > 0
    ]
    if completions is not None and hours is not None:
        faults.append("expected a budget of completions or of hours, found both")
    if hours is not None and setting.seconds_per_update is None:
        faults.append("hours: expected the seconds of a completion and of an update, found not both; state them")
    if faults:
        raise InputError("plan", faults)
    if hours is not None:
        return hours, "hours"
    return (setting.steps * setting.completions_per_update if completions is None else completions), "completions"


def _updates(option: PlannedRun, budget: float, unit: str) -> float:
    """Updates within the budget."""
    if unit == "hours":
        seconds = option.seconds_per_update
        assert seconds is not None
        return budget * 3600 / seconds
    return budget / option.completions_per_update


def _assumed_starts() -> list[np.ndarray]:
    """Base success rates where none is known, equally probable."""
    levels = norm.ppf((np.arange(_STARTS) + 0.5) / _STARTS)
    logits = np.log(ASSUMED_START / (1 - ASSUMED_START)) + ASSUMED_LOGIT_SD * levels
    return [np.array([chance]) for chance in 1 / (1 + np.exp(-logits))]


def _notes(prompts: np.ndarray | None, setting: PlannedRun, vary: tuple[str, Sequence[float]] | None) -> list[Note]:
    notes = []
    if prompts is None:
        low, high = _assumed_starts()[0][0], _assumed_starts()[-1][0]
        text = (
            f"no base success rate is given: it is drawn between {low:.2f} and {high:.2f}, and signal, plateau "
            f"and time "
            "are as wide as that makes them; a hundred completions of the untrained policy tell it to 0.05"
        )
        notes.append(Note("assumption", "start", text))
    elif prompts.size == 1:
        text = "all prompts are taken as equally hard; success rates of single prompts (--success FILE) would tell more"
        notes.append(Note("assumption", "prompts", text))
    if setting.kl == 0:
        text = (
            "without a KL term the law has no plateau below the ceiling; what runs reach is the "
            "population's, or the fits'"
        )
        notes.append(Note("limit", "kl", text))
    if vary is not None and vary[0] in ("group_size", "prompts_per_step"):
        text = (
            "the learning rate is the same for all batches here; small batches make noisy updates, and the rate "
            "at which "
            "they become unstable is not known before the run"
        )
        notes.append(Note("limit", vary[0], text))
    return notes


def _option(
    option: PlannedRun,
    base: PlannedRun,
    starts: list[np.ndarray],
    which: np.ndarray,
    beliefs: Beliefs,
    lag_share: np.ndarray,
    updates: float,
    gain: float,
    within: float,
) -> xr.Dataset:
    """What one setting brings."""
    faster = 1.0
    if option.learning_rate is not None and base.learning_rate is not None:
        faster = option.learning_rate / base.learning_rate
    batches = option.group_size * option.prompts_per_step / (base.group_size * base.prompts_per_step)
    rate, growth = beliefs.rate * faster * batches**beliefs.batch_exponent, beliefs.growth * faster
    interval = round(option.refresh_interval)
    clipped = np.zeros(DRAWS)
    if interval > 1:
        clipped = reuse.clipped_share(growth, interval, np.full(DRAWS, option.clip_range))
    place = np.abs(clipped[:, None] - _SHARES).argmin(1)
    courses = {
        (int(i), int(j)): unit_course(starts[i], option, float(_SHARES[j]))
        for i, j in {(i, j) for i, j in zip(which, place, strict=True)}
    }
    of_draw = [courses[int(i), int(j)] for i, j in zip(which, place, strict=True)]
    stiffness = rate * np.log(20) / np.array([course.time_to_95 for course in of_draw])
    scatter = np.array([scatter_of(chance, option) for chance in starts])[which] * option.reward_range
    steps = np.linspace(0, option.steps, _POINTS)
    lag, spent = _too_stale(stiffness, lag_share, growth, option)
    reach = np.where(spent, 0.0, beliefs.reach)
    path = _reached(of_draw, rate[:, None] * steps, reach, option)
    made = _reached(of_draw, rate[:, None] * np.array([0.0, within]), reach, option)
    error = gain_error(scatter, beliefs.ratio, stiffness, within)
    known: dict[str, Any] = {
        "plateau": _reached(of_draw, np.full((DRAWS, 1), np.inf), reach, option)[:, 0],
        "steps_to_95": np.log(20) / stiffness,
        "final_reward": path[:, -1],
        "reward_in_budget": _reached(of_draw, rate[:, None] * updates, reach, option)[:, 0],
        "noise": scatter * np.sqrt(1 + beliefs.ratio**2),
        "too_stale": lag | spent,
        "shown": norm.cdf(0.75 * (made[:, 1] - made[:, 0]) / error - norm.ppf(0.95)),
    }
    out = xr.Dataset({name: ("sample", value) for name, value in known.items()})
    out["expected_reward"] = (("sample", "point"), path)
    out["steps"] = ("point", steps)
    if option.seconds_per_update is not None:
        out["hours"] = ("point", steps * option.seconds_per_update / 3600)
    return out.assign(
        signal_share=float(np.mean([signal_of(chance, option) for chance in starts])),
        power=float(norm.cdf(0.75 * gain / error - norm.ppf(0.95)).mean()),
        probability_gain=float((made[:, 1] - made[:, 0] >= gain).mean()),
        completions_per_update=option.completions_per_update,
        updates_in_budget=updates,
    )


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
