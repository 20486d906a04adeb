"""How stale may rollouts get, and how high may the learning rate go, before training is unstable?

The thresholds are closed forms and linear algebra of `bayes_grpo.laws.stability`, evaluated at the posterior's draws of
stiffness and lag share.
"""

import json
from collections.abc import Mapping

import numpy as np
import xarray as xr

from bayes_grpo.analysis.notes import stored
from bayes_grpo.analysis.stability.conditions import STATED
from bayes_grpo.analysis.stability.dynamics import MOST_UNSTABLE, fitted_dynamics, running_away
from bayes_grpo.analysis.stability.lag_share import lag_share_of
from bayes_grpo.errors import InputError, Note
from bayes_grpo.laws import delay, stability
from bayes_grpo.runs.fields import check_hyperparameters

#: Refresh intervals looked at; a threshold beyond is reported as none.
LONGEST = 5000


def threshold(
    fit: xr.DataTree,
    *,
    run: str | None = None,
    refresh_interval: float | None = None,
    lag_share: float | None = None,
    hyperparameters: Mapping[str, float] | None = None,
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
    hyperparameters : mapping, optional
        What neither log nor fit says: any of `bayes_grpo.analysis.stability.conditions.STATED`, such as ``kl_weight``.
        They win over the fit's. Thresholds by lag do not need them; `bayes_grpo.reuse_summary` does.
    seed : int
        Of the draws of an unknown lag share.

    Returns
    -------
    xarray.Dataset
        Dim sample. Thresholds are in steps, and infinite where there is none:

        - ``leading``: refresh interval at which lag has eroded all damping, 1 + 2 / (lambda k).
        - ``exact``: first unstable integer of the map over one refresh cycle.
        - ``frozen``: the same for lambda = 1.
        - ``delay_leading``, ``delay``: constant delay, to leading order and exact.
        - ``learning_rate_margin``: factor by which the learning rate can be raised at this refresh interval; missing
          where the interval is unknown.
        - ``stiffness`` (1/step), ``lag_share``: what they were computed from.

        Attributes: run, model, refresh_interval (NaN if unknown), momentum, lag_share_source (stated, posterior, prior
        where the runs of a fit say nothing of it, uniform where it was not asked), hyperparameters (as JSON), notes.

    Raises
    ------
    InputError
        If an argument is impossible, the fit has no stiffness, or it is of several runs and none is named.

    Examples
    --------
    >>> import bayes_grpo
    >>> fit = bayes_grpo.fit(bayes_grpo.example_run(), "overdamped", draws=50, tune=100, chains=2)
    >>> thresholds = bayes_grpo.threshold(fit, refresh_interval=8, lag_share=1.0)
    >>> bool((thresholds["exact"] > 8).all())
    True
    """
    stated, faults = _stated(hyperparameters or {})
    if refresh_interval is not None and not refresh_interval >= 1:
        faults.append(f"refresh_interval: expected a number of at least 1, found {refresh_interval!r}")
    if lag_share is not None and not 0 <= lag_share <= 1:
        faults.append(f"lag_share: expected a number between 0 and 1, found {lag_share!r}")
    if faults:
        raise InputError("threshold", faults)
    draws, known = fitted_dynamics(fit, run)
    k, momentum = draws["stiffness"].values, known["momentum"]
    share, share_source, share_notes = lag_share_of(fit, draws, lag_share, seed)
    asked = refresh_interval or known.get("refresh_interval", np.nan)
    thresholds = {
        "leading": stability.leading_refresh_threshold(k, share),
        "exact": stability.refresh_threshold(k, momentum, share, LONGEST),
        "frozen": stability.refresh_threshold(k, momentum, 1.0, LONGEST),
        "delay_leading": delay.delay_threshold(k, share),
        "delay": delay.exact_delay_threshold(k, momentum, share),
    }
    out = xr.Dataset({name: ("sample", value, {"units": "step"}) for name, value in thresholds.items()})
    out["stiffness"] = ("sample", k, {"units": "1/step"})
    out["lag_share"] = ("sample", share, {"units": "1"})
    if np.isfinite(asked):
        out["learning_rate_margin"] = ("sample", _margin(k, share, momentum, round(asked)), {"units": "1"})
    return out.assign_attrs(
        run=run or fit.attrs["run"],
        model=fit.attrs["model"],
        refresh_interval=asked,
        momentum=momentum,
        lag_share_source=share_source,
        hyperparameters=json.dumps(stated),
        **stored([*share_notes, *_notes(asked, running_away(fit, run))]),
    )


def _stated(hyperparameters: Mapping[str, float]) -> tuple[dict[str, float], list[str]]:
    """What is stated beside the fit, and what is wrong with it."""
    faults = [
        f"{name}: expected one of {', '.join(STATED)}; state others to the fit"
        for name in hyperparameters
        if name not in STATED
    ]
    try:
        named = {name: value for name, value in hyperparameters.items() if name in STATED}
        return check_hyperparameters("threshold", named), faults
    except InputError as error:
        return {}, [*faults, *error.faults]


def lag_limit(fit: xr.DataTree, limit: int, seed: int = 0) -> tuple[xr.Dataset, list[Note]]:
    """Draws as those of `fitted_dynamics`, with the refresh interval at which lag binds, and what it rests on.

    A curve in time is pulled to its plateau by no more than the stiffness of its rise: lag then allows at least this.

    Parameters
    ----------
    fit : xarray.DataTree
        Of one run, by a law with a plateau.
    limit : int
        Refresh intervals looked at; a limit beyond is infinite.
    seed : int
        Of the draws of an unknown lag share.

    Returns
    -------
    tuple
        The draws, and the notes.
    """
    draws, known = fitted_dynamics(fit, curves=True)
    share, _, share_notes = lag_share_of(fit, draws, seed=seed)
    exact = stability.refresh_threshold(draws["stiffness"].values, known["momentum"], share, limit)
    notes = _notes(known.get("refresh_interval", np.nan), running_away(fit, None))
    return draws.assign(lag=("sample", exact)), [*share_notes, *notes]


def _margin(stiffness: np.ndarray, share: np.ndarray, momentum: float, interval: int) -> np.ndarray:
    """Factor by which the learning rate can be raised at a refresh interval."""
    # The critical stiffness depends on lambda alone: tabulated, for speed.
    table = np.linspace(0, 1, 101)
    critical = stability.critical_stiffness(momentum, interval, table)
    return np.asarray(np.interp(share, table, critical) / stiffness)


def _notes(refresh_interval: float, unstable: float) -> list[Note]:
    notes = []
    if not np.isfinite(refresh_interval):
        text = "the run's refresh interval is unknown: no probability and no margin; state --refresh-interval"
        notes.append(Note("limit", "refresh_interval", text))
    if unstable > MOST_UNSTABLE:
        text = (
            f"the run itself is unstable with probability {unstable:.2f}: thresholds are for a policy near its plateau "
            "and say little about one that runs away"
        )
        notes.append(Note("alarm", "damping_ratio", text))
    return notes
