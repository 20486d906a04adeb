"""What a fit says, as numbers: parameters with intervals, probabilities, diagnostics and warnings."""

from typing import Any

import numpy as np
import xarray as xr

from bayes_grpo.analysis.intervals import INTERVAL, interval, interval_row
from bayes_grpo.inference.attributes import fixed, notes
from bayes_grpo.inference.convergence import Diagnostics, by_quantity, diagnose_sampling
from bayes_grpo.laws.units import UNITS

#: A posterior median beyond this quantile of the prior, on either side, is a conflict.
_CONFLICT = 0.01

#: A posterior this wide relative to its prior has learned little.
_UNINFORMED = 0.8


def summarise(fit: xr.DataTree) -> dict[str, Any]:
    """Summary of a fit as one JSON-ready object.

    Returns
    -------
    dict
        Keys run, model, backend, parameters (name to mean, sd, lower, upper, ess_bulk, rhat, unit; ``fixed`` for what the
        law fixes, with None for what does not exist), probabilities, interval, diagnostics, converged, warnings. Of runs fitted
        together ``parameters`` holds what they share (locations, spreads, coefficients), and ``runs`` maps each label to its
        parameters and probabilities.
    """
    posterior = fit["posterior"].to_dataset()
    by_run = [name for name in posterior.data_vars if "run" in posterior[name].dims]
    diagnostics = diagnose_sampling(fit)
    out = {
        "run": fit.attrs["run"],
        "model": fit.attrs["model"],
        "backend": fit.attrs["backend"],
        "parameters": _rows(fit, posterior.drop_vars(by_run)) | _fixed_rows(fit),
        "probabilities": {} if by_run else _probabilities(posterior),
        "interval": INTERVAL,
        "diagnostics": diagnostics.as_dict(),
        "converged": not diagnostics.failures(),
        "warnings": _warnings(fit, diagnostics),
    }
    if by_run:
        out["runs"] = {
            str(label): {
                "parameters": _rows(fit, posterior[by_run].sel(run=label)),
                "probabilities": _probabilities(posterior.sel(run=label)),
            }
            for label in posterior["run"].values
        }
    return out


def _rows(fit: xr.DataTree, posterior: xr.Dataset) -> dict[str, dict[str, Any]]:
    """A row for each scalar quantity, in the order of `UNITS`, what belongs to a population last."""
    if not posterior.data_vars:
        return {}
    diagnostics = by_quantity(fit, posterior)
    names = [*(name for name in UNITS if name in posterior), *(n for n in posterior.data_vars if n not in UNITS)]
    rows: dict[str, dict[str, Any]] = {}
    for name in names:
        values = posterior[name].values
        rows[str(name)] = {
            **interval_row(values),
            "mean": _number(values.mean()),
            "sd": _number(values.std(ddof=1)) if values.size > 1 else None,
            "ess_bulk": _number(diagnostics[str(name)][1]),
            "rhat": _number(diagnostics[str(name)][0]),
            "unit": posterior[name].attrs["units"],
        }
    return rows


def _fixed_rows(fit: xr.DataTree) -> dict[str, dict[str, Any]]:
    rows: dict[str, dict[str, Any]] = {}
    for name, value in fixed(fit).items():
        known = _number(value)
        rows[name] = {
            "median": known,
            "mean": known,
            "sd": None if known is None else 0.0,
            "lower": known,
            "upper": known,
            "ess_bulk": None,
            "rhat": None,
            "unit": UNITS[name],
            "fixed": True,
        }
    return rows


def _probabilities(posterior: xr.Dataset) -> dict[str, float]:
    """Posterior probability of the regimes in which the mean rings or runs away; empty for first-order dynamics."""
    if "damping_ratio" not in posterior:
        return {}
    ratio = posterior["damping_ratio"].values
    return {"oscillatory": float(((ratio > 0) & (ratio < 1)).mean()), "unstable": float((ratio <= 0).mean())}


def _warnings(fit: xr.DataTree, diagnostics: Diagnostics) -> list[str]:
    out = [str(note) for note in (*diagnostics.failures(), *notes(fit))]
    posterior, prior = fit["posterior"].to_dataset(), fit["prior"].to_dataset()
    vague = [
        name
        for name in ("plateau", "timescale", "damping", "midpoint", *_population(posterior))
        if name in posterior and 0 < _UNINFORMED * _width(prior[name].values) < _width(posterior[name].values)
    ]
    if vague:
        out.append(
            f"the rewards say little about {', '.join(vague)}: the posterior is nearly as wide as the prior "
            "(run too short or too noisy); read the interval, not the mean"
        )
    return out + prior_conflicts(fit)


def prior_conflicts(fit: xr.DataTree) -> list[str]:
    """Parameters that the prior all but ruled out: their posterior median lies in an outer hundredth of the prior."""
    posterior, prior = fit["posterior"].to_dataset(), fit["prior"].to_dataset()
    out: list[str] = []
    if "log_prior" not in fit.children:  # one run of several fitted together: its prior is the population
        return out
    for name in fit["log_prior"].data_vars:
        drawn = posterior[name].values
        if drawn.ndim > 2:  # a value a run: what scatters about a population may lie far out
            continue
        below = float((prior[name].values < np.median(drawn)).mean())
        if min(below, 1 - below) < _CONFLICT:
            side = "below" if below < _CONFLICT else "above"
            out.append(
                f"prior and rewards disagree on {name}: {np.median(drawn):.3g} lies {side} all but {_CONFLICT:.0%} of the prior; check "
                "what was stated or assumed (reward bounds, planned steps), or fit with a wider prior"
            )
    return out


def _population(posterior: xr.Dataset) -> list[str]:
    """Coefficients of predictors, and what tells how noise falls with the group size."""
    return [
        str(name) for name in posterior.data_vars if "_by_" in str(name) or str(name).endswith(("_exponent", "_share"))
    ]


def _width(values: np.ndarray) -> float:
    limits = interval(values, axis=None)
    return float(limits.upper - limits.lower)


def _number(value: Any) -> float | None:
    number = float(value)
    return number if np.isfinite(number) else None
