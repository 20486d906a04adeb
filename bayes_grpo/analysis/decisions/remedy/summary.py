"""Remedies in numbers and in words."""

from typing import Any, TypedDict

import numpy as np
import xarray as xr

from bayes_grpo.analysis.decisions.words import chance, rounded, with_interval
from bayes_grpo.analysis.intervals import INTERVAL, IntervalRow, interval_row
from bayes_grpo.analysis.notes import Noted, fit_notes, noted, stored_notes

#: A change is sized so that it suffices with this probability.
SUFFICES = 0.9
#: Probabilities of needing a remedy from which one is offered, and from which it is said to be needed.
WORTH_OFFERING, NEEDED = 0.1, 0.5


class RemedyRow(TypedDict):
    """One change: what it is against, its size, and what it costs."""

    against: str
    change: str
    value: IntervalRow
    sufficient: float | None
    cost: str
    unknown: str


class RemedySummary(Noted):
    """What `summarise_remedy` says; see there."""

    run: str
    model: str
    overshoot: IntervalRow
    fluctuation: IntervalRow
    scatter: IntervalRow
    asked_overshoot: float
    asked_fluctuation: float
    probability_overshoot: float
    probability_fluctuation: float
    remedies: list[RemedyRow]
    statement: str
    interval: dict[str, Any]


def summarise_remedy(result: xr.Dataset, fit: xr.DataTree | None = None) -> RemedySummary:
    """Summary of remedies, ready for JSON.

    Parameters
    ----------
    result : xarray.Dataset
        From `bayes_grpo.remedy`.
    fit : xarray.DataTree, optional
        A further fit whose notes join those of the result.

    Returns
    -------
    dict
        - ``overshoot``, ``fluctuation``, ``scatter``: median and interval; ``asked_overshoot``, ``asked_fluctuation``.
        - ``probability_overshoot``, ``probability_fluctuation``: that they are above what is asked.
        - ``remedies``: for each that is above with a probability of 0.1 or more, the changes: ``against`` (ringing or
          fluctuation), ``change``, ``value`` (factor, or momentum; median and interval), ``sufficient`` (the size that
          is enough with probability 0.9; None where none is), ``cost`` and ``unknown``.
        - ``statement``: the answer in words.
        - ``interval``: probability and kind of the intervals.
        - ``warnings``, ``notes``: what a reader should know, as sentences and as data.

    Examples
    --------
    >>> import bayes_grpo
    >>> fit = bayes_grpo.fit(bayes_grpo.example_run(), "overdamped", draws=50, tune=100, chains=2)
    >>> bayes_grpo.summarise_remedy(bayes_grpo.remedy(fit))["probability_overshoot"]
    0.0
    """
    attrs = result.attrs
    rings = float((result["overshoot"].values > attrs["asked_overshoot"]).mean())
    wanders = float((result["fluctuation"].values > attrs["asked_fluctuation"]).mean())
    rows = (_against_ringing(result) if rings >= WORTH_OFFERING else []) + (
        _against_fluctuation(result) if wanders >= WORTH_OFFERING else []
    )
    about: dict[str, Any] = {
        "run": attrs["run"],
        "model": attrs["model"],
        "overshoot": interval_row(result["overshoot"].values),
        "fluctuation": interval_row(result["fluctuation"].values),
        "scatter": interval_row(result["scatter"].values),
        "asked_overshoot": attrs["asked_overshoot"],
        "asked_fluctuation": attrs["asked_fluctuation"],
        "probability_overshoot": rings,
        "probability_fluctuation": wanders,
        "remedies": rows,
        "interval": INTERVAL,
        **noted([*stored_notes(result), *fit_notes(fit)]),
    }
    return {**about, "statement": _statement(about)}  # type: ignore[typeddict-item]


def _row(against: str, change: str, draws: np.ndarray, low: bool, cost: str, unknown: str) -> RemedyRow:
    """A change whose size is enough at its lower (``low``) or upper quantile."""
    size = float(np.quantile(draws, 1 - SUFFICES if low else SUFFICES))
    return {
        "against": against,
        "change": change,
        "value": interval_row(draws),
        "sufficient": None if low and size <= 0 else size,
        "cost": cost,
        "unknown": unknown,
    }


def _against_ringing(result: xr.Dataset) -> list[RemedyRow]:
    """Learning rate, momentum, and fresh rollouts where a batch is used more than once."""
    rate, momentum = result["ring_learning_rate"].values, result["ring_momentum"].values
    rows = [
        _row("ringing", "learning rate, times", rate, True, _slower(rate), "how the curvature changes with the policy"),
        _row("ringing", "momentum", momentum, True, "none in time", "whether the optimizer's momentum acts as mass"),
    ]
    interval = result.attrs["refresh_interval"]
    if interval > 1:
        fresh = result["fresh_overshoot"].values
        enough = float((fresh <= result.attrs["asked_overshoot"]).mean())
        cost = f"{interval:g} times the rollouts an update"
        unknown = f"how much of the lag counts; if all does, enough with P = {enough:.2f}"
        value = interval_row(np.ones_like(fresh))
        sufficient = 1.0 if enough >= SUFFICES else None
        rows.append(
            {
                "against": "ringing",
                "change": "refresh interval",
                "value": value,
                "sufficient": sufficient,
                "cost": cost,
                "unknown": unknown,
            }
        )
    return rows


def _against_fluctuation(result: xr.Dataset) -> list[RemedyRow]:
    """Learning rate, or more completions an update."""
    rate, more = result["noise_learning_rate"].values, result["noise_batch"].values
    size = float(np.quantile(more, SUFFICES))
    cost = f"{size:.2g} times the completions an update, no more updates"
    return [
        _row("fluctuation", "learning rate, times", rate, True, _slower(rate), "noise that no batch averages out"),
        _row("fluctuation", "prompts a step, times", more, False, cost, "noise that no batch averages out"),
        _row("fluctuation", "group size, times", more, False, cost, "where the plateau moves to"),
    ]


def _slower(rate: np.ndarray) -> str:
    """What a lower learning rate costs."""
    size = float(np.quantile(rate, 1 - SUFFICES))
    return "stops learning" if size <= 0 else f"{1 / size:.2g} times the steps"


def _statement(summary: dict[str, Any]) -> str:
    rings, wanders = summary["probability_overshoot"], summary["probability_fluctuation"]
    asked = (f"{summary['asked_overshoot']:.0%} of the way", rounded(summary["asked_fluctuation"]))
    lines = [
        f"It rings visibly (beyond the plateau by more than {asked[0]}) with probability {chance(rings)}. The "
        f"expected reward "
        f"wanders by {with_interval(summary['fluctuation'])}, which is more than {asked[1]} with probability "
        f"{chance(wanders)}. The rest of what scatters in the log, {rounded(summary['scatter']['median'])} a row, "
        f"is the "
        "sampling of logged means, and no fault of the policy."
    ]
    if not summary["remedies"]:
        lines.append("Nothing needs a remedy.")
    for against, chance_of in (("ringing", rings), ("fluctuation", wanders)):
        rows = [row for row in summary["remedies"] if row["against"] == against and row["sufficient"] is not None]
        if rows:
            needed = "Against" if chance_of >= NEEDED else "If you want to be sure, against"
            row = rows[0]
            lines.append(
                f"{needed} {against}: {row['change']} {rounded(row['sufficient'])}, which is enough with probability "
                f"{SUFFICES:g} and costs {row['cost']}."
            )
    return " ".join(lines)
