"""What a run that broke down says of limits of reuse: it contradicts them."""

from typing import TypedDict

import numpy as np
import xarray as xr

from bayes_grpo.analysis.collapses import breakdown_of
from bayes_grpo.errors import Note
from bayes_grpo.inference.attributes import hyperparameters, runs_of


class BrokeDown(TypedDict):
    """The run's own refresh interval (None if unknown), its best mean and its last one, each over so many rows."""

    refresh_interval: float | None
    best: float
    level: float
    rows: int


def broke_down(fit: xr.DataTree, run: str | None = None) -> BrokeDown | None:
    """The collapse that the reward of a fitted run ends in; None where it ends in none.

    Parameters
    ----------
    fit : xarray.DataTree
        From `bayes_grpo.fit`.
    run : str, optional
        Label of the run; needed where the fit is of several.

    Examples
    --------
    >>> import bayes_grpo
    >>> from bayes_grpo.analysis.stability.breakdown import broke_down
    >>> fit = bayes_grpo.fit(bayes_grpo.example_run(), "overdamped", draws=50, tune=100, chains=2)
    >>> broke_down(fit) is None
    True
    """
    runs = runs_of(fit)
    rewards = (runs.isel(run=0) if run is None else runs.sel(run=run))["reward"].values
    collapse = breakdown_of(rewards[np.isfinite(rewards)])
    if collapse is None:
        return None
    own = hyperparameters(fit, run).get("refresh_interval")
    return {"refresh_interval": own, "best": collapse.best, "level": collapse.level, "rows": collapse.rows}


def breakdown_text(
    refresh_interval: float | None, limits: str = "the limits that follow", *, collapsed: bool = True
) -> str:
    """The sentence that comes before limits of reuse of a run that broke down.

    Parameters
    ----------
    refresh_interval : float or None
        The run's own; None where it is unknown.
    limits : str
        What the sentence calls them.
    collapsed : bool
        Whether its reward ends in a collapse; else it is unstable in another way.
    """
    at = ", which is unknown" if refresh_interval is None else f" of K = {refresh_interval:g}"
    happened = "broke down" if collapsed else "is unstable"
    return f"This run {happened} at its own refresh interval{at}: it contradicts {limits}, which must not be relied on."


def breakdown_note(refresh_interval: float | None, *, collapsed: bool = True) -> Note:
    """The same sentence as a note on a result; see `breakdown_text`."""
    text = breakdown_text(refresh_interval, "limits of reuse by these laws", collapsed=collapsed)
    return Note("limit", "refresh_interval", text[:1].lower() + text[1:].rstrip("."))
