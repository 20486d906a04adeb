"""Does training ring: posterior of the damping ratio, period and overshoot, and where ringing sets in."""

from typing import Any

import numpy as np
import xarray as xr

from bayes_grpo.analysis.intervals import INTERVAL, IntervalRow, interval_row
from bayes_grpo.analysis.stability.threshold import fitted_dynamics
from bayes_grpo.inference.attributes import assumptions
from bayes_grpo.laws import stability


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
        Dim sample: ``damping_ratio`` (inf without mass); ``period`` (step) and ``overshoot`` (share of the initial distance that
        the mean first goes beyond the plateau, from rest), NaN where it does not ring; ``learning_rate_factor``, by which the learning
        rate may change until ringing sets in (c^2 = 4 m k); ``onset_factor``, the same by the heavy ball's exact
        onset at unit damping; ``onset_momentum``, the momentum above which this stiffness rings, sqrt(beta1) = (1 - k) / (1 + k).

    Raises
    ------
    InputError
        If the fit has no stiffness, or ``run`` names none of its runs.
    """
    draws, quantities = fitted_dynamics(fit, run)
    k, m = draws["stiffness"].values, draws["mass"].values
    c = draws["damping"].values if "damping" in draws else np.ones_like(k)
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = np.where(m > 0, c / (2 * np.sqrt(m * k)), np.inf)
        rings = (ratio > 0) & (ratio < 1)
        inside = np.where(rings, ratio, 0.5)
        frequency = np.sqrt(k / np.where(m > 0, m, 1.0)) * np.sqrt(1 - inside**2)
        period = np.where(rings, 2 * np.pi / frequency, np.nan)
        overshoot = np.where(rings, np.exp(-np.pi * inside / np.sqrt(1 - inside**2)), np.nan)
        factor = np.where(m > 0, np.maximum(c, 0.0) ** 2 / (4 * np.where(m > 0, m, 1.0) * k), np.inf)
    data = {
        "damping_ratio": (ratio, "1"),
        "period": (period, "step"),
        "overshoot": (overshoot, "1"),
        "learning_rate_factor": (factor, "1"),
        "onset_factor": (stability.oscillation_onset(quantities["momentum"]) / k, "1"),
        "onset_momentum": (((1 - np.minimum(k, 1)) / (1 + k)) ** 2, "1"),
    }
    out = xr.Dataset({name: ("sample", value, {"units": unit}) for name, (value, unit) in data.items()})
    out.attrs = {"momentum": quantities["momentum"]}
    return out


def summarise_oscillation(fit: xr.DataTree, found: xr.Dataset) -> dict[str, Any]:
    """What `oscillation` found, as one JSON-ready object; period and overshoot are those of the draws that ring."""
    ratio = found["damping_ratio"].values
    warnings = [str(note) for note in assumptions(fit) if note.subject in ("momentum", "")]
    unstable = float((ratio <= 0).mean())
    if unstable > 0.05:
        warnings.append(f"unstable with probability {unstable:.2f}: beyond ringing, the mean runs away")
    if np.isinf(ratio).all():
        warnings.append(f"{fit.attrs['model']} has no mass and cannot ring; fit oscillator or bounded to ask")
    return {
        "run": fit.attrs["run"],
        "damping_ratio": _interval(ratio),
        "probability_underdamped": float(((ratio > 0) & (ratio < 1)).mean()),
        "probability_unstable": unstable,
        "period": _interval(found["period"].values),
        "overshoot": _interval(found["overshoot"].values),
        "learning_rate_factor": _interval(found["learning_rate_factor"].values),
        "onset_factor": _interval(found["onset_factor"].values),
        "onset_momentum": _interval(found["onset_momentum"].values),
        "interval": INTERVAL,
        "warnings": warnings,
    }


def _interval(values: np.ndarray) -> IntervalRow | None:
    """Median and interval of the draws that have the quantity; None if none has it."""
    finite = values[np.isfinite(values)]
    return interval_row(finite) if finite.size else None
