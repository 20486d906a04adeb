"""How stale may rollouts get, and how high may the learning rate go, before training is unstable: posteriors from a fit.

The thresholds are closed forms and linear algebra of `bayes_grpo.laws.stability`, evaluated at the posterior's draws of stiffness and
lag share.
"""

from typing import Any

import numpy as np
import xarray as xr

from bayes_grpo.analysis.intervals import INTERVAL, interval_row
from bayes_grpo.errors import InputError
from bayes_grpo.inference.attributes import assumptions, fixed, quantities
from bayes_grpo.laws import stability

#: Draws the exact maps are evaluated at.
DRAWS = 1000
#: Refresh intervals looked at; a threshold beyond is reported as none.
LONGEST = 5000


def fitted_dynamics(fit: xr.DataTree, run: str | None = None) -> tuple[xr.Dataset, dict[str, float]]:
    """Posterior draws (dim sample) of a run's stiffness at its plateau, damping and mass, and its known quantities.

    Raises
    ------
    InputError
        If the fit's law has no plateau to be pulled to, or the fit is of several runs and ``run`` names none of them.
    """
    posterior = fit["posterior"].to_dataset()
    if "timescale" not in posterior:
        raise InputError(
            f"fit {fit.attrs['run']}",
            f"{fit.attrs['model']} has no stiffness; fit a law with a plateau, such as oscillator",
        )
    known = quantities(fit, run)
    if "run" in posterior.dims:
        posterior = posterior.sel(run=run)
    draws = posterior.stack(sample=("chain", "draw"), create_index=False).drop_vars(
        ["chain", "draw", "run"], errors="ignore"
    )
    thin = np.unique(np.linspace(0, draws.sizes["sample"] - 1, DRAWS).round().astype(int))
    draws = draws.isel(sample=thin)
    by_law = fixed(fit)
    out = xr.Dataset({"stiffness": 1 / draws["timescale"]})
    for name in ("damping", "mass", "lag_share"):
        if name in draws:
            out[name] = draws[name]
        elif name in by_law:
            out[name] = xr.full_like(out["stiffness"], float(by_law[name]))
    if "mass" not in out:  # runs of different momentum: each has its own
        out["mass"] = xr.full_like(out["stiffness"], known["closed_form_mass"])
    return out, {name: float(value) for name, value in known.items()}


def threshold(
    fit: xr.DataTree,
    *,
    run: str | None = None,
    refresh_interval: float | None = None,
    lag_share: float | None = None,
    seed: int = 0,
) -> xr.Dataset:
    """Posterior of the refresh interval and the delay at which training becomes unstable, and of what is left to them.

    Parameters
    ----------
    fit : xarray.DataTree
        Of a law with a plateau.
    run : str, optional
        Of a fit of several runs, the one asked about.
    refresh_interval : float, optional
        K, optimizer updates on one batch of rollouts; else the run's own.
    lag_share : float, optional
        lambda in [0, 1], the share of the lag that importance ratios do not correct; else the fit's posterior where the
        law has it, else drawn uniformly.
    seed : int
        Of the draws of an unknown lag share.

    Returns
    -------
    xarray.Dataset
        Dim sample: ``leading`` (1 + 2 / (lambda k)), ``exact`` (first unstable integer of the cycle map), ``frozen`` (the same for
        lambda = 1), ``delay_leading`` and ``delay`` (constant delay), all in steps and inf where there is none;
        ``learning_rate_margin`` (factor by which the learning rate can be raised at this K), ``stiffness``, ``lag_share``.
        Attributes: refresh_interval (NaN if unknown), momentum, lag_share_source.

    Raises
    ------
    InputError
        If an argument is impossible or the fit has no stiffness.
    """
    faults = []
    if refresh_interval is not None and not refresh_interval >= 1:
        faults.append(f"refresh_interval: expected a number of at least 1, found {refresh_interval!r}")
    if lag_share is not None and not 0 <= lag_share <= 1:
        faults.append(f"lag_share: expected a number between 0 and 1, found {lag_share!r}")
    if faults:
        raise InputError("threshold", faults)
    draws, known = fitted_dynamics(fit, run)
    k, momentum = draws["stiffness"].values, known["momentum"]
    if lag_share is not None:
        share, source = np.full(k.size, lag_share), "stated"
    elif "lag_share" in draws:
        share, source = draws["lag_share"].values, "posterior"
    else:
        share, source = np.random.default_rng(seed).uniform(size=k.size), "uniform"
    interval = refresh_interval or known.get("refresh_interval", np.nan)
    steps = {
        "leading": stability.leading_refresh_threshold(k, share),
        "exact": stability.refresh_threshold(k, momentum, share, LONGEST),
        "frozen": stability.refresh_threshold(k, momentum, 1.0, LONGEST),
        "delay_leading": stability.delay_threshold(k, share),
        "delay": stability.exact_delay_threshold(k, momentum, share),
    }
    out = xr.Dataset({name: ("sample", value, {"units": "step"}) for name, value in steps.items()})
    out["stiffness"] = ("sample", k, {"units": "1/step"})
    out["lag_share"] = ("sample", share, {"units": "1"})
    if np.isfinite(interval):
        # The critical stiffness depends on lambda alone: tabulated, for speed.
        table = np.linspace(0, 1, 101)
        critical = stability.critical_stiffness(momentum, round(interval), table)
        out["learning_rate_margin"] = ("sample", np.interp(share, table, critical) / k, {"units": "1"})
    out.attrs = {"refresh_interval": interval, "momentum": momentum, "lag_share_source": source}
    return out


def summarise_threshold(fit: xr.DataTree, found: xr.Dataset) -> dict[str, Any]:
    """What `threshold` found, as one JSON-ready object; None stands for no threshold (or none within `LONGEST`)."""
    interval = float(found.attrs["refresh_interval"])
    known = bool(np.isfinite(interval))
    unstable = None
    if known:
        unstable = float((found["exact"].values <= interval).mean())
    kinds = {"leading": "leading", "exact": "exact", "frozen": "frozen", "delay": "delay"}
    return {
        "run": fit.attrs["run"],
        "threshold": {name: _interval(found[variable].values) for name, variable in kinds.items()},
        "refresh_interval": interval if known else None,
        "probability_unstable": unstable,
        "refresh_interval_margin": _interval(found["exact"].values / interval) if known else None,
        "learning_rate_margin": _interval(found["learning_rate_margin"].values) if known else None,
        "interval": INTERVAL,
        "warnings": _warnings(fit, found),
    }


def _interval(values: np.ndarray) -> dict[str, Any]:
    """Median and interval, and the share of draws that have no threshold."""
    return {**interval_row(values), "probability_none": float(np.isinf(values).mean())}


def _warnings(fit: xr.DataTree, found: xr.Dataset) -> list[str]:
    out = [str(note) for note in assumptions(fit) if note.subject in ("momentum", "refresh_interval", "")]
    if found.attrs["lag_share_source"] == "uniform":
        out.append(
            "the share of the lag that importance ratios leave is unknown and was drawn uniformly between 0 and 1: one on-policy "
            "run says nothing about it; `frozen` takes it as 1, the worst case; state --lag-share, or fit runs of several "
            "refresh intervals with the model pooled_lag"
        )
    if not np.isfinite(found.attrs["refresh_interval"]):
        out.append("the run's refresh interval is unknown: no probability and no margin; state --refresh-interval")
    posterior = fit["posterior"].to_dataset()
    if "damping_ratio" in posterior and (chance := float((posterior["damping_ratio"] <= 0).mean())) > 0.05:
        out.append(
            f"the run itself is unstable with probability {chance:.2f}: thresholds are for a policy near its plateau and say "
            "little about one that runs away"
        )
    return out
