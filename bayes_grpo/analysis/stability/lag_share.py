"""The share of the lag that importance ratios leave: stated, learned from runs of several intervals, or unknown."""

import json
from typing import NamedTuple

import numpy as np
import xarray as xr

from bayes_grpo.analysis.intervals import interval
from bayes_grpo.errors import Note
from bayes_grpo.inference.attributes import pooled, quantities

#: Largest distance between the distribution functions of posterior and prior below which runs say nothing of the share.
LEAST_DISTANCE = 0.15


class LagShare(NamedTuple):
    """Draws of the share, shape (sample,), and where they are from."""

    draws: np.ndarray
    source: (
        str  # stated, posterior (the runs tell), prior (runs of a fit that say nothing), or uniform (none was asked)
    )
    notes: list[Note]


def lag_share_of(fit: xr.DataTree, draws: xr.Dataset, stated: float | None = None, seed: int = 0) -> LagShare:
    """The share of the lag, at draws of a fit's dynamics.

    Parameters
    ----------
    fit : xarray.DataTree
        Of a law with a plateau.
    draws : xarray.Dataset
        From `bayes_grpo.analysis.stability.dynamics.fitted_dynamics`, dim sample.
    stated : float, optional
        What the share is, if known.
    seed : int
        Of the draws of an unknown share.

    Returns
    -------
    LagShare
        Stated, of the fit, or uniform between 0 and 1, with the note that belongs to it.
    """
    count = draws.sizes["sample"]
    if stated is not None:
        return LagShare(np.full(count, stated), "stated", [])
    if "lag_share" not in draws:
        return LagShare(np.random.default_rng(seed).uniform(size=count), "uniform", [_UNKNOWN])
    from scipy.stats import ks_2samp  # it takes long to import, and few fits need it

    share = draws["lag_share"].values
    posterior, prior = (fit[group].to_dataset()["lag_share"].values.ravel() for group in ("posterior", "prior"))
    if ks_2samp(posterior, prior).statistic > LEAST_DISTANCE:
        return LagShare(share, "posterior", [])
    return LagShare(share, "prior", [_nothing_learned(fit, share)])


_UNKNOWN = Note(
    "assumption",
    "lag_share",
    "the share of the lag that importance ratios leave is unknown and was drawn uniformly between 0 and 1, "
    "for one on-policy run says nothing about it; the threshold at which all lag counts (`frozen`) takes it "
    "as 1, the worst case; state --lag-share, or fit runs of several refresh intervals with the model "
    "pooled_lag",
)


def _nothing_learned(fit: xr.DataTree, share: np.ndarray) -> Note:
    """That the runs say nothing of the share, and how much of the damping all of the lag would take from them."""
    low, _, high = interval(share)
    most = 0.0
    timescale = fit["posterior"].to_dataset()["timescale"]
    for run in json.loads(fit.attrs["quantities"]) if pooled(fit) else [None]:
        stiffness = 1 / float((timescale.sel(run=run) if run is not None else timescale).median())
        most = max(most, stiffness * (quantities(fit, run).get("refresh_interval", 1.0) - 1) / 2)
    text = (
        f"the runs say nothing of the share of the lag that importance ratios leave: its 90 % interval, {low:.2f} to "
        f"{high:.2f}, is the prior's. Even if all of it counted, lag would take {most:.0%} of the damping of the run "
        "that it touches most (k (K - 1) / 2); runs tell the share where that nears 100 %; state --lag-share if it is "
        "known"
    )
    return Note("little_learned", "lag_share", text)
