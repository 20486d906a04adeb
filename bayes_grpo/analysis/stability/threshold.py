"""How stale may rollouts get, and how high may the learning rate go, before training is unstable?

The thresholds are closed forms and linear algebra of `bayes_grpo.laws.stability`, evaluated at the posterior's draws of
stiffness and lag share.
"""

from typing import Any

import numpy as np
import xarray as xr

from bayes_grpo.analysis.intervals import INTERVAL, IntervalRow, interval_row
from bayes_grpo.analysis.notes import Noted, fit_notes, noted, stored, stored_notes
from bayes_grpo.errors import InputError, Note
from bayes_grpo.inference.attributes import fixed, quantities
from bayes_grpo.inference.draws import batch, evenly
from bayes_grpo.laws import stability
from bayes_grpo.models.spec import ModelSpec

#: Draws that the exact maps are evaluated at.
DRAWS = 1000
#: Refresh intervals looked at; a threshold beyond is reported as none.
LONGEST = 5000
#: Probability that the run itself runs away above which an answer says so.
MOST_UNSTABLE = 0.05

#: The thresholds that are told, by their variable, and what tables and figures call them.
THRESHOLDS = {
    "leading": "refresh, leading order",
    "exact": "refresh, exact",
    "frozen": "refresh, all lag counts",
    "delay": "constant delay, exact",
}


def is_curve(fit: xr.DataTree) -> bool:
    """Whether the law of a fit is a curve in time with a fluctuation about it, which nothing pulls to its plateau."""
    return "correlation_time" in fit["posterior"]


def check_law(spec: ModelSpec) -> None:
    """Refuse a law that is not pulled to a plateau, before it is fitted: what asks for its stiffness has no answer.

    Raises
    ------
    InputError
        If it is such a law.
    """
    if not spec.law.relaxes:
        raise InputError(
            f"model {spec.name}", "nothing pulls back at its plateau; fit a law of motion: --model oscillator"
        )


def fitted_dynamics(
    fit: xr.DataTree, run: str | None = None, *, curves: bool = False
) -> tuple[xr.Dataset, dict[str, float]]:
    """Posterior draws (dim sample) of a run's stiffness at its plateau, damping and mass, and its known quantities.

    With ``curves``, curves in time are taken as well, with the stiffness of their rise.

    Raises
    ------
    InputError
        If the fit's law has no plateau to be pulled to, or is a curve in time, or the fit is of several runs and
        ``run`` names none of them.
    """
    posterior = fit["posterior"].to_dataset()
    if "timescale" not in posterior:
        raise InputError(
            f"fit {fit.attrs['run']}",
            f"{fit.attrs['model']} has no stiffness; fit a law with a plateau, such as oscillator",
        )
    if is_curve(fit) and not curves:
        raise InputError(
            f"fit {fit.attrs['run']}",
            f"{fit.attrs['model']} is a curve in time: its stiffness is that of the rise, and nothing pulls back "
            f"at the "
            "plateau; fit a law of motion: --model oscillator",
        )
    known = quantities(fit, run)
    if "run" in posterior.dims:
        posterior = posterior.sel(run=run)
    drawn = batch(posterior[[name for name in posterior.data_vars if posterior[name].ndim == 2]])
    some = evenly(drawn["timescale"].size, DRAWS)
    by_law = fixed(fit)
    values = {"stiffness": 1 / drawn["timescale"][some]}
    for name in ("damping", "mass", "lag_share"):
        if name in drawn:
            values[name] = drawn[name][some]
        elif name in by_law:
            values[name] = np.full(some.size, float(by_law[name]))
    if "mass" not in values:  # runs of different momentum: each has its own
        values["mass"] = np.full(some.size, known["closed_form_mass"])
    return xr.Dataset({name: ("sample", value) for name, value in values.items()}), known


def running_away(fit: xr.DataTree, run: str | None = None) -> float:
    """Posterior probability that a run's mean runs away; 0 for laws that cannot."""
    posterior = fit["posterior"].to_dataset()
    if "damping_ratio" not in posterior:
        return 0.0
    ratio = posterior["damping_ratio"]
    return float(((ratio.sel(run=run) if "run" in ratio.dims else ratio) <= 0).mean())


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
        Dim sample. Thresholds are in steps, and infinite where there is none:

        - ``leading``: refresh interval at which lag has eroded all damping, 1 + 2 / (lambda k).
        - ``exact``: first unstable integer of the map over one refresh cycle.
        - ``frozen``: the same for lambda = 1.
        - ``delay_leading``, ``delay``: constant delay, to leading order and exact.
        - ``learning_rate_margin``: factor by which the learning rate can be raised at this refresh interval; missing
          where
          the interval is unknown.
        - ``stiffness`` (1/step), ``lag_share``: what they were computed from.

        Attributes: run, model, refresh_interval (NaN if unknown), momentum, lag_share_source, notes.

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
    faults = []
    if refresh_interval is not None and not refresh_interval >= 1:
        faults.append(f"refresh_interval: expected a number of at least 1, found {refresh_interval!r}")
    if lag_share is not None and not 0 <= lag_share <= 1:
        faults.append(f"lag_share: expected a number between 0 and 1, found {lag_share!r}")
    if faults:
        raise InputError("threshold", faults)
    draws, known = fitted_dynamics(fit, run)
    k, momentum = draws["stiffness"].values, known["momentum"]
    share, share_source = _lag_share(draws, lag_share, seed)
    asked = refresh_interval or known.get("refresh_interval", np.nan)
    thresholds = {
        "leading": stability.leading_refresh_threshold(k, share),
        "exact": stability.refresh_threshold(k, momentum, share, LONGEST),
        "frozen": stability.refresh_threshold(k, momentum, 1.0, LONGEST),
        "delay_leading": stability.delay_threshold(k, share),
        "delay": stability.exact_delay_threshold(k, momentum, share),
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
        **stored(_notes(share_source, asked, running_away(fit, run))),
    )


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
    share, source = _lag_share(draws, None, seed)
    exact = stability.refresh_threshold(draws["stiffness"].values, known["momentum"], share, limit)
    notes = _notes(source, known.get("refresh_interval", np.nan), running_away(fit, None))
    return draws.assign(lag=("sample", exact)), notes


def _lag_share(draws: xr.Dataset, stated: float | None, seed: int) -> tuple[np.ndarray, str]:
    """Draws of the lag share, and where they are from."""
    count = draws.sizes["sample"]
    if stated is not None:
        return np.full(count, stated), "stated"
    if "lag_share" in draws:
        return draws["lag_share"].values, "posterior"
    return np.random.default_rng(seed).uniform(size=count), "uniform"


def _margin(stiffness: np.ndarray, share: np.ndarray, momentum: float, interval: int) -> np.ndarray:
    """Factor by which the learning rate can be raised at a refresh interval."""
    # The critical stiffness depends on lambda alone: tabulated, for speed.
    table = np.linspace(0, 1, 101)
    critical = stability.critical_stiffness(momentum, interval, table)
    return np.asarray(np.interp(share, table, critical) / stiffness)


def _notes(share_source: str, refresh_interval: float, unstable: float) -> list[Note]:
    notes = []
    if share_source == "uniform":
        text = (
            "the share of the lag that importance ratios leave is unknown and was drawn uniformly between 0 and 1, "
            "for one on-policy run says nothing about it; the threshold at which all lag counts (`frozen`) takes it "
            "as 1, the worst case; state --lag-share, or fit runs of several refresh intervals with the model "
            "pooled_lag"
        )
        notes.append(Note("assumption", "lag_share", text))
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


class ThresholdRow(IntervalRow):
    """Median and interval of a threshold, and the share of draws that have none."""

    probability_none: float


class ThresholdSummary(Noted):
    """What `summarise_threshold` says; see there."""

    run: str
    threshold: dict[str, ThresholdRow]
    refresh_interval: float | None
    probability_beyond_threshold: float | None
    probability_unstable: float | None
    refresh_interval_margin: ThresholdRow | None
    learning_rate_margin: ThresholdRow | None
    interval: dict[str, Any]


def summarise_threshold(result: xr.Dataset, fit: xr.DataTree | None = None) -> ThresholdSummary:
    """Summary of a threshold's posterior, ready for JSON.

    Parameters
    ----------
    result : xarray.Dataset
        From `bayes_grpo.threshold`.
    fit : xarray.DataTree, optional
        The fit that was asked; its assumptions, and why it cannot be believed if it did not converge, join the notes.

    Returns
    -------
    dict
        None stands for infinite: no threshold, or none within `LONGEST`.

        - ``run``: label of the run.
        - ``threshold``: for each of `THRESHOLDS`, ``median``, ``lower``, ``upper`` (step) and ``probability_none``.
        - ``refresh_interval``: the one asked about, None if unknown; then the next four are None too.
        - ``probability_beyond_threshold``: that this interval is at or beyond the exact threshold, and so unstable near
          the
          plateau; ``probability_unstable`` is the same under its name of version 0.1.0.
        - ``refresh_interval_margin``, ``learning_rate_margin``: factors by which either can be raised.
        - ``interval``: probability and kind of the intervals.
        - ``warnings``, ``notes``: what a reader should know, as sentences and as data.

    Examples
    --------
    >>> import bayes_grpo
    >>> fit = bayes_grpo.fit(bayes_grpo.example_run(), "overdamped", draws=50, tune=100, chains=2)
    >>> summary = bayes_grpo.summarise_threshold(bayes_grpo.threshold(fit, refresh_interval=8, lag_share=1.0), fit)
    >>> summary["probability_beyond_threshold"]
    0.0
    """
    asked = float(result.attrs["refresh_interval"])
    known = bool(np.isfinite(asked))
    beyond = float((result["exact"].values <= asked).mean()) if known else None
    return {
        "run": result.attrs["run"],
        "threshold": {name: _row(result[name].values) for name in THRESHOLDS},
        "refresh_interval": asked if known else None,
        "probability_beyond_threshold": beyond,
        "probability_unstable": beyond,
        "refresh_interval_margin": _row(result["exact"].values / asked) if known else None,
        "learning_rate_margin": _row(result["learning_rate_margin"].values) if known else None,
        "interval": INTERVAL,
        **noted([*fit_notes(fit, ("momentum", "refresh_interval")), *stored_notes(result)]),
    }


def _row(values: np.ndarray) -> ThresholdRow:
    return {**interval_row(values), "probability_none": float(np.isinf(values).mean())}
