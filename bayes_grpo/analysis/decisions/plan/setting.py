"""The settings that a plan compares and the starts that it takes, with all faults at once."""

from collections.abc import Callable, Sequence
from dataclasses import fields, replace
from typing import Any

import numpy as np

from bayes_grpo.errors import InputError
from bayes_grpo.runs.planned import PlannedRun

#: Settings of which several values can be compared.
VARIABLE = ("group_size", "prompts_per_step", "refresh_interval", "learning_rate", "kl")


def plan_faults(
    start: float | Sequence[float] | np.ndarray | None,
    setting: PlannedRun,
    vary: tuple[str, Sequence[float]] | None,
    **asked: float | None,
) -> list[str]:
    """All that is wrong with the arguments of a plan; ``asked`` are those of `budget_of`."""
    checks: list[Callable[[], object]] = [
        lambda: options_of(setting, vary),
        lambda: budget_of(setting, **asked),
        lambda: checked_starts(start),
    ]
    faults: list[str] = []
    for check in checks:
        try:
            check()
        except InputError as error:
            faults += error.faults
    return list(dict.fromkeys(faults))


def options_of(setting: PlannedRun, vary: tuple[str, Sequence[float]] | None) -> dict[str, PlannedRun]:
    """The settings that are compared, by label; only the one that is planned where nothing is varied.

    Raises
    ------
    InputError
        All faults of all settings.
    """
    faults = setting.faults()
    options = {"as planned": setting}
    if vary is not None:
        name, values = vary
        if name not in VARIABLE:
            raise InputError("plan", [*faults, f"vary: expected one of {', '.join(VARIABLE)}, found {name!r}"])
        options = {f"{name}={value:g}": _changed(setting, name, value) for value in values}
        faults += [fault for option in options.values() for fault in option.faults()]
        if name == "learning_rate" and setting.learning_rate is None:
            faults.append("learning_rate: expected the planned one, to which others are compared, found none")
    if faults or not options:
        raise InputError("plan", list(dict.fromkeys(faults)) or ["vary: expected values, found none"])
    return options


def _changed(setting: PlannedRun, name: str, value: float) -> PlannedRun:
    assert name in {field.name for field in fields(PlannedRun)}
    changes: dict[str, Any] = {name: value}
    return replace(setting, **changes)


def budget_of(
    setting: PlannedRun, completions: float | None, hours: float | None, gain: float | None, within: float | None
) -> tuple[float, str]:
    """The budget and its unit.

    Raises
    ------
    InputError
        If a number is not above 0, or the budget is stated twice or cannot be counted.
    """
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


def checked_starts(start: float | Sequence[float] | np.ndarray | None) -> np.ndarray | None:
    """Success probabilities of the prompts, at most `MOST_PROMPTS` of them; None where no base rate is given.

    Raises
    ------
    InputError
        If some are no probabilities, or all are 0 or all are 1.
    """
    if start is None:
        return None
    values = np.atleast_1d(np.asarray(start, float)).ravel()
    bad = values[~((values >= 0) & (values <= 1))]
    if not values.size or bad.size:
        found = f"{bad[0]:g}" if bad.size else "none"
        raise InputError("plan", f"start: expected success probabilities from 0 to 1, found {found}")
    if values.max() == 0 or values.min() == 1:
        raise InputError(
            "plan",
            f"start: expected a success probability between 0 and 1, found {values[0]:g} for all prompts: no group has "
            "a signal, and nothing can be learned",
        )
    if values.size > MOST_PROMPTS:
        values = np.quantile(values, (np.arange(MOST_PROMPTS) + 0.5) / MOST_PROMPTS)
    return np.asarray(np.clip(values, EDGE, 1 - EDGE))


#: Prompts that are followed; of more their quantiles. Success rates are kept this far from 0 and 1.
MOST_PROMPTS, EDGE = 25, 1e-4
