"""Does training ring, how, and where does ringing set in?"""

from typing import Any

import numpy as np
import xarray as xr

from bayes_grpo.analysis.intervals import INTERVAL, IntervalRow, interval_row
from bayes_grpo.analysis.notes import Noted, fit_notes, noted, stored, stored_notes
from bayes_grpo.analysis.stability.dynamics import (
    MOST_UNSTABLE,
    damping_of,
    damping_ratio,
    fitted_dynamics,
    overshoot_of,
)
from bayes_grpo.errors import Note
from bayes_grpo.laws import stability

#: What is told, by its variable: its name in tables, and its unit. Period and overshoot are those of oscillatory draws.
QUANTITIES = {
    "damping_ratio": ("damping ratio (rings below 1)", "1"),
    "period": ("period, where it rings", "step"),
    "overshoot": ("overshoot, where it rings", "share of the way"),
    "learning_rate_factor": ("learning rate at the onset, over today's (closed form)", "1"),
    "onset_factor": ("the same, of the exact heavy ball at damping 1", "1"),
    "onset_momentum": ("momentum at the onset", "1"),
}

#: Overshoot, as a share of the way, from which ringing counts as visible: the usual bound of a settled response.
VISIBLE_OVERSHOOT = 0.05


def oscillation(fit: xr.DataTree, *, run: str | None = None) -> xr.Dataset:
    """Posterior of how a run rings.

    Parameters
    ----------
    fit : xarray.DataTree
        Of a law with a plateau.
    run : str, optional
        Of a fit of several runs, the one asked about.

    Returns
    -------
    xarray.Dataset
        Dim sample:

        - ``damping_ratio``: below 1 the mean rings, at or below 0 it runs away; infinite without mass.
        - ``period`` (step): of the oscillation; NaN where it does not ring.
        - ``overshoot``: share of the initial distance by which the mean, starting from rest, first goes beyond the
          plateau;
          NaN where it does not ring.
        - ``learning_rate_factor``: by which the learning rate may change until ringing sets in (c^2 = 4 m k).
        - ``onset_factor``: the same, by the heavy ball's exact onset at unit damping.
        - ``onset_momentum``: momentum above which this stiffness rings, sqrt(beta1) = (1 - k) / (1 + k).

        Attributes: run, model, momentum, notes.

    Raises
    ------
    InputError
        If the fit has no stiffness, or ``run`` names none of its runs.

    Examples
    --------
    >>> import bayes_grpo
    >>> fit = bayes_grpo.fit(bayes_grpo.example_run(), "overdamped", draws=50, tune=100, chains=2)
    >>> bool((bayes_grpo.oscillation(fit)["onset_momentum"] < 1).all())
    True
    """
    draws, known = fitted_dynamics(fit, run)
    k, m, c = draws["stiffness"].values, draws["mass"].values, damping_of(draws)
    ratio, massive = damping_ratio(draws), m > 0
    oscillatory = (ratio > 0) & (ratio < 1)
    inside = np.where(oscillatory, ratio, 0.5)
    mass = np.where(massive, m, 1.0)
    frequency = np.sqrt(k / mass) * np.sqrt(1 - inside**2)
    factor = np.where(massive, np.maximum(c, 0.0) ** 2 / (4 * mass * k), np.inf)
    data = {
        "damping_ratio": (ratio, "1"),
        "period": (np.where(oscillatory, 2 * np.pi / frequency, np.nan), "step"),
        "overshoot": (np.where(oscillatory, overshoot_of(inside), np.nan), "1"),
        "learning_rate_factor": (factor, "1"),
        "onset_factor": (stability.oscillation_onset(known["momentum"]) / k, "1"),
        "onset_momentum": (((1 - np.minimum(k, 1)) / (1 + k)) ** 2, "1"),
    }
    out = xr.Dataset({name: ("sample", value, {"units": unit}) for name, (value, unit) in data.items()})
    model = fit.attrs["model"]
    return out.assign_attrs(
        run=run or fit.attrs["run"], model=model, momentum=known["momentum"], **stored(_notes(ratio, model))
    )


def _notes(ratio: np.ndarray, model: str) -> list[Note]:
    notes = []
    unstable = float((ratio <= 0).mean())
    if unstable > MOST_UNSTABLE:
        text = f"unstable with probability {unstable:.2f}: beyond ringing, the mean runs away"
        notes.append(Note("alarm", "damping_ratio", text))
    if np.isinf(ratio).all():
        text = f"{model} has no mass and cannot ring; fit oscillator or bounded to ask"
        notes.append(Note("limit", "mass", text))
    return notes


class OscillationSummary(Noted):
    """What `summarise_oscillation` says; see there."""

    run: str
    damping_ratio: IntervalRow | None
    probability_visible: float
    probability_oscillatory: float
    probability_underdamped: float
    probability_unstable: float
    period: IntervalRow | None
    overshoot: IntervalRow | None
    learning_rate_factor: IntervalRow | None
    onset_factor: IntervalRow | None
    onset_momentum: IntervalRow | None
    interval: dict[str, Any]


def summarise_oscillation(result: xr.Dataset, fit: xr.DataTree | None = None) -> OscillationSummary:
    """Summary of how a run rings, ready for JSON.

    Parameters
    ----------
    result : xarray.Dataset
        From `bayes_grpo.oscillation`.
    fit : xarray.DataTree, optional
        The fit that was asked; its assumptions, and why it cannot be believed if it did not converge, join the notes.

    Returns
    -------
    dict
        - ``run``: label of the run.
        - ``probability_visible``: that the mean overshoots by `VISIBLE_OVERSHOOT` of the way or more; a damping ratio
          just below 1 overshoots by nothing that anyone could see.
        - ``probability_oscillatory``: that the mean rings; ``probability_underdamped`` is the same under its name of
          version
          0.1.0. ``probability_unstable``: that it runs away.
        - ``damping_ratio``, ``period``, ``overshoot``, ``learning_rate_factor``, ``onset_factor``, ``onset_momentum``:
          ``median``, ``lower`` and ``upper`` over the draws that have them; None if no draw has.
        - ``interval``: probability and kind of the intervals.
        - ``warnings``, ``notes``: what a reader should know, as sentences and as data.

    Examples
    --------
    >>> import bayes_grpo
    >>> fit = bayes_grpo.fit(bayes_grpo.example_run(), "overdamped", draws=50, tune=100, chains=2)
    >>> summary = bayes_grpo.summarise_oscillation(bayes_grpo.oscillation(fit), fit)
    >>> summary["probability_oscillatory"], [note["subject"] for note in summary["notes"] if note["kind"] == "limit"]
    (0.0, ['mass'])
    """
    ratio = result["damping_ratio"].values
    oscillatory = float(((ratio > 0) & (ratio < 1)).mean())
    return {
        "run": result.attrs["run"],
        "damping_ratio": _row(ratio),
        "probability_visible": float((result["overshoot"].values >= VISIBLE_OVERSHOOT).mean()),
        "probability_oscillatory": oscillatory,
        "probability_underdamped": oscillatory,
        "probability_unstable": float((ratio <= 0).mean()),
        "period": _row(result["period"].values),
        "overshoot": _row(result["overshoot"].values),
        "learning_rate_factor": _row(result["learning_rate_factor"].values),
        "onset_factor": _row(result["onset_factor"].values),
        "onset_momentum": _row(result["onset_momentum"].values),
        "interval": INTERVAL,
        **noted([*fit_notes(fit, ("momentum",)), *stored_notes(result)]),
    }


def _row(values: np.ndarray) -> IntervalRow | None:
    """Median and interval of the draws that have the quantity; None if none has it."""
    finite = values[np.isfinite(values)]
    return interval_row(finite) if finite.size else None
