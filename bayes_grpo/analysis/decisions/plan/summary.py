"""What a plan says in numbers, and in words before them."""

from typing import Any, TypedDict

import numpy as np
import xarray as xr

from bayes_grpo.analysis.decisions.words import chance, rounded, with_interval
from bayes_grpo.analysis.intervals import INTERVAL, IntervalRow, interval_row
from bayes_grpo.analysis.notes import Noted, fit_notes, noted, stored_notes

#: Fewer groups with a signal than this, less power than this, and more risk than this are said first.
FEW_GROUPS, LITTLE_POWER, MUCH_RISK = 0.5, 0.5, 0.1


class OptionRow(TypedDict):
    """What one setting brings."""

    option: str
    plateau: IntervalRow
    steps_to_95: IntervalRow
    final_reward: IntervalRow
    reward_in_budget: IntervalRow
    noise: IntervalRow
    signal_share: float
    power: float
    probability_gain: float
    probability_shown: float
    probability_too_stale: float
    probability_best: float
    completions_per_update: float
    updates_in_budget: float


class PlanSummary(Noted):
    """What `summarise_plan` says; see there."""

    start: float
    gain: float
    within: float
    budget: float
    budget_unit: str
    varied: str
    options: list[OptionRow]
    best: str
    probability_best: float
    statement: str
    interval: dict[str, Any]


def summarise_plan(result: xr.Dataset, fit: xr.DataTree | None = None) -> PlanSummary:
    """Summary of a plan, ready for JSON.

    Parameters
    ----------
    result : xarray.Dataset
        From `bayes_grpo.plan`.
    fit : xarray.DataTree, optional
        A further fit whose notes join those of the result.

    Returns
    -------
    dict
        - ``options``: for each setting median and interval of ``plateau``, ``steps_to_95``, ``final_reward``,
          ``reward_in_budget`` and ``noise``; ``signal_share`` (groups with a signal at the start), ``power`` (that the
          log shows the gain looked for, if it is made), ``probability_gain`` (that it is made), ``probability_shown``
          (that the log shows that the reward rises), ``probability_too_stale`` and ``probability_best`` (most reward
          within the budget).
        - ``best``, ``probability_best``: the setting that most often brings most reward within the budget.
        - ``start``, ``gain``, ``within``, ``budget``, ``budget_unit``, ``varied``: what was asked.
        - ``statement``: the answer in words.
        - ``interval``: probability and kind of the intervals.
        - ``warnings``, ``notes``: what a reader should know, as sentences and as data.

    Examples
    --------
    >>> import bayes_grpo
    >>> summary = bayes_grpo.summarise_plan(bayes_grpo.plan(0.3, vary=("group_size", [4, 8])))
    >>> [row["option"] for row in summary["options"]]
    ['group_size=4', 'group_size=8']
    """
    names = [str(name) for name in result["option"].values]
    rewards = result["reward_in_budget"].values
    share = np.bincount(rewards.argmax(0), minlength=len(names)) / rewards.shape[1]
    rows = [_row(result.isel(option=i), name, float(share[i])) for i, name in enumerate(names)]
    best = int(share.argmax())
    attrs = result.attrs
    asked = {name: attrs[name] for name in ("start", "gain", "within", "budget", "budget_unit", "varied")}
    return {
        **asked,  # type: ignore[typeddict-item]
        "options": rows,
        "best": names[best],
        "probability_best": float(share[best]),
        "statement": _statement(rows, rows[best], attrs),
        "interval": INTERVAL,
        **noted([*stored_notes(result), *fit_notes(fit)]),
    }


def _row(option: xr.Dataset, name: str, best: float) -> OptionRow:
    return {
        "option": name,
        "plateau": interval_row(option["plateau"].values),
        "steps_to_95": interval_row(option["steps_to_95"].values),
        "final_reward": interval_row(option["final_reward"].values),
        "reward_in_budget": interval_row(option["reward_in_budget"].values),
        "noise": interval_row(option["noise"].values),
        "signal_share": float(option["signal_share"]),
        "power": float(option["power"]),
        "probability_gain": float(option["probability_gain"]),
        "probability_shown": float(option["shown"].mean()),
        "probability_too_stale": float(option["too_stale"].mean()),
        "probability_best": best,
        "completions_per_update": float(option["completions_per_update"]),
        "updates_in_budget": float(option["updates_in_budget"]),
    }


def _statement(rows: list[OptionRow], best: OptionRow, attrs: dict[str, Any]) -> str:
    """The best of several first; then what it brings, and what is wrong with it."""
    lines = []
    if len(rows) > 1:
        budget = f"{attrs['budget']:,.4g} {attrs['budget_unit']}"
        lines.append(
            f"Within {budget} {best['option']} brings the most reward with probability "
            f"{chance(best['probability_best'])}: {with_interval(best['reward_in_budget'])}."
        )
    lines.append(
        f"{'It' if len(rows) > 1 else 'The reward'} settles at {with_interval(best['plateau'])}, and 95 % of the "
        f"gain takes "
        f"{with_interval(best['steps_to_95'])} steps."
    )
    dead = 1 - best["signal_share"]
    lines.append(f"At the start {dead:.0%} of the groups give no signal.")
    gain, within = rounded(attrs["gain"]), f"{attrs['within']:g} steps"
    lines.append(
        f"A gain of {gain} within {within} is made with probability {chance(best['probability_gain'])}; if it is, "
        f"the log "
        f"shows it with probability {chance(best['power'])}."
    )
    if best["signal_share"] < FEW_GROUPS:
        lines.append(
            "Too few groups have a signal: take larger groups, or prompts that are neither solved nor hopeless."
        )
    if best["power"] < LITTLE_POWER:
        lines.append("This run has little power: more completions a step, or more steps, would show what it does.")
    if best["probability_too_stale"] > MUCH_RISK:
        lines.append(
            f"The refresh interval is beyond what lag or the sample size allows with probability "
            f"{chance(best['probability_too_stale'])}."
        )
    return " ".join(lines)
