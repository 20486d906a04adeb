"""A run worked out before it is made: draws of what it brings, for one setting or several values of one."""

from collections.abc import Sequence

import numpy as np
import xarray as xr

from bayes_grpo.analysis.decisions.plan.beliefs import DRAWS, from_fits, from_population
from bayes_grpo.analysis.decisions.plan.outcome import Goal, Scenarios, outcome
from bayes_grpo.analysis.decisions.plan.setting import budget_of, checked_starts, options_of, plan_faults
from bayes_grpo.analysis.notes import stored
from bayes_grpo.errors import InputError, Note
from bayes_grpo.laws.normal import normal_quantile
from bayes_grpo.runs.planned import PlannedRun

#: Base success rate where none is given: median and standard deviation of its logit.
ASSUMED_START, ASSUMED_LOGIT_SD = 0.25, 1.0
_STARTS = 9
#: Gain that is looked for, as a share of the range, unless said otherwise.
GAIN_SHARE = 0.05


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
    asked = {"completions": completions, "hours": hours, "gain": gain, "within": within}
    if faults := plan_faults(start, base, vary, **asked):
        raise InputError("plan", faults)
    options = options_of(base, vary)
    budget, unit = budget_of(base, **asked)
    prompts = checked_starts(start)
    starts = [prompts] if prompts is not None else _assumed_starts()
    middle = starts[len(starts) // 2]
    beliefs = from_fits(fits, base, seed) if fits else from_population(middle, base, seed)
    goal = Goal(
        gain=GAIN_SHARE * base.reward_range if gain is None else gain, within=base.steps if within is None else within
    )
    rng = np.random.default_rng([seed, 23])
    scenarios = Scenarios(rng.integers(0, len(starts), DRAWS), rng.uniform(size=DRAWS))
    parts = [
        outcome(option, base, starts, beliefs, scenarios, goal, _updates(option, budget, unit))
        for option in options.values()
    ]
    out: xr.Dataset = xr.concat(parts, dim="option").assign_coords(option=list(options))
    return out.assign_attrs(
        start=float(np.mean(middle)),
        gain=goal.gain,
        within=goal.within,
        budget=budget,
        budget_unit=unit,
        varied="" if vary is None else vary[0],
        reward_range=base.reward_range,
        reward_lower=base.reward_lower,
        **stored([*beliefs.notes, *_notes(prompts, base, vary)]),
    )


def _updates(option: PlannedRun, budget: float, unit: str) -> float:
    """Updates within the budget."""
    if unit == "hours":
        seconds = option.seconds_per_update
        assert seconds is not None
        return budget * 3600 / seconds
    return budget / option.completions_per_update


def _assumed_starts() -> list[np.ndarray]:
    """Base success rates where none is known, equally probable."""
    levels = normal_quantile((np.arange(_STARTS) + 0.5) / _STARTS)
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
