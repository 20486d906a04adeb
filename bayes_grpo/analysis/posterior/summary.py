"""What a fit says, as numbers: parameters with intervals, probabilities, diagnostics and notes."""

from typing import Any, NotRequired, TypedDict

import numpy as np
import xarray as xr

from bayes_grpo.analysis.intervals import INTERVAL, interval
from bayes_grpo.analysis.notes import Noted, noted
from bayes_grpo.analysis.posterior.columns import Row, fixed_rows, parameter_rows
from bayes_grpo.errors import Note
from bayes_grpo.inference.attributes import fixed, notes
from bayes_grpo.inference.convergence import Diagnostics, diagnose_sampling

#: A posterior median beyond this quantile of the prior, on either side, is a conflict.
_CONFLICT = 0.01

#: The rewards say little about a parameter whose posterior interval is wider than this share of the prior's.
_UNINFORMED = 0.8


class RunSummary(TypedDict):
    """One of several runs that were fitted together: its parameters, and the probabilities of its regimes."""

    parameters: dict[str, Row]
    probabilities: dict[str, float]


class Summary(Noted):
    """What `summarise` says; see there."""

    run: str
    model: str
    backend: str
    parameters: dict[str, Row]
    probabilities: dict[str, float]
    interval: dict[str, Any]
    diagnostics: dict[str, float | int | None]
    converged: bool
    runs: NotRequired[dict[str, RunSummary]]


def summarise(fit: xr.DataTree) -> Summary:
    """Summary of a fit, ready for JSON.

    Parameters
    ----------
    fit : xarray.DataTree
        From `bayes_grpo.fit`, also after `bayes_grpo.load_fit`.

    Returns
    -------
    dict
        - ``run``, ``model``, ``backend``: the run's label (or how many runs), the model's name, the library that
          sampled.
        - ``parameters``: by name, a row with ``median``, ``lower`` and ``upper`` (the equal-tailed 90 % interval),
          ``mean``, ``sd``, ``prior`` (median and interval of the prior), ``narrowed_to`` (width of the interval as a
          share of the prior's), ``ess_bulk``, ``rhat`` and ``unit``; None stands for infinite or undefined. A row with
          ``fixed`` is of a quantity that the law itself fixes.
        - ``probabilities``: ``oscillatory``, that the mean rings, and ``unstable``, that it runs away; empty for laws
          that
          can do neither.
        - ``interval``: probability and kind of the intervals.
        - ``diagnostics``: worst R-hat, effective sample sizes and E-BFMI, divergences, and the seconds that sampling
          took.
        - ``converged``: whether the diagnostics keep their limits.
        - ``warnings``, ``notes``: what a reader should know, as sentences, and as dicts with ``kind`` (one of
          `bayes_grpo.errors.KINDS`), ``subject`` and ``text``.
        - ``runs``: of runs fitted together, ``parameters`` and ``probabilities`` of each by its label; ``parameters``
          above
          is then what the runs share (locations, spreads, coefficients).

    Examples
    --------
    >>> import bayes_grpo
    >>> fit = bayes_grpo.fit(bayes_grpo.example_run(), "overdamped", draws=50, tune=100, chains=2)
    >>> plateau = bayes_grpo.summarise(fit)["parameters"]["plateau"]
    >>> plateau["lower"] < plateau["median"] < plateau["upper"], plateau["unit"]
    (True, 'reward')
    """
    posterior, prior = fit["posterior"].to_dataset(), fit["prior"].to_dataset()
    by_run = [name for name in posterior.data_vars if "run" in posterior[name].dims]
    diagnostics = diagnose_sampling(fit)
    remarks = noted(_notes(fit, diagnostics))
    summary: Summary = {
        "run": fit.attrs["run"],
        "model": fit.attrs["model"],
        "backend": fit.attrs["backend"],
        "parameters": parameter_rows(posterior.drop_vars(by_run), prior) | fixed_rows(fixed(fit)),
        "probabilities": {} if by_run else _probabilities(posterior),
        "interval": INTERVAL,
        "diagnostics": diagnostics.as_dict(),
        "converged": not diagnostics.failures(),
        "warnings": remarks["warnings"],
        "notes": remarks["notes"],
    }
    if by_run:
        summary["runs"] = {
            str(label): {
                "parameters": parameter_rows(posterior[by_run].sel(run=label), _prior_of(prior, label)),
                "probabilities": _probabilities(posterior.sel(run=label)),
            }
            for label in posterior["run"].values
        }
    return summary


def _prior_of(prior: xr.Dataset, run: str) -> xr.Dataset:
    return prior.sel(run=run) if "run" in prior.dims else prior


def _probabilities(posterior: xr.Dataset) -> dict[str, float]:
    """Posterior probability of the regimes in which the mean rings or runs away; empty for first-order dynamics."""
    if "damping_ratio" not in posterior:
        return {}
    ratio = posterior["damping_ratio"].values
    return {"oscillatory": float(((ratio > 0) & (ratio < 1)).mean()), "unstable": float((ratio <= 0).mean())}


def _notes(fit: xr.DataTree, diagnostics: Diagnostics) -> list[Note]:
    return [*diagnostics.failures(), *notes(fit), *_little_learned(fit), *prior_conflicts(fit)]


def _little_learned(fit: xr.DataTree) -> list[Note]:
    """The parameters about which the rewards say little, as one note."""
    posterior, prior = fit["posterior"].to_dataset(), fit["prior"].to_dataset()
    vague = [
        name
        for name in ("plateau", "timescale", "damping", "midpoint", *_coefficients(posterior))
        if name in posterior and 0 < _UNINFORMED * _width(prior[name].values) < _width(posterior[name].values)
    ]
    if not vague:
        return []
    text = (
        f"the rewards say little about {', '.join(vague)}: the posterior is nearly as wide as the prior "
        "(run too short or too noisy); read the interval, not the median"
    )
    return [Note("little_learned", ", ".join(vague), text)]


def prior_conflicts(fit: xr.DataTree) -> list[Note]:
    """Parameters that the prior all but ruled out: their posterior median lies in an outer hundredth of the prior."""
    posterior, prior = fit["posterior"].to_dataset(), fit["prior"].to_dataset()
    conflicts: list[Note] = []
    if "log_prior" not in fit.children:  # one run of several fitted together: its prior is the population
        return conflicts
    for name in fit["log_prior"].data_vars:
        drawn = posterior[name].values
        if drawn.ndim > 2:  # a value a run: what scatters about a population may lie far out
            continue
        below = float((prior[name].values < np.median(drawn)).mean())
        if min(below, 1 - below) < _CONFLICT:
            side = "below" if below < _CONFLICT else "above"
            text = (
                f"prior and rewards disagree on {name}: {np.median(drawn):.3g} lies {side} all but {_CONFLICT:.0%} of "
                "the prior; check what was stated or assumed (reward bounds, planned steps), or fit with a wider prior"
            )
            conflicts.append(Note("prior_conflict", str(name), text))
    return conflicts


def _coefficients(posterior: xr.Dataset) -> list[str]:
    """Coefficients of predictors, and what tells how noise falls with the group size."""
    return [
        str(name) for name in posterior.data_vars if "_by_" in str(name) or str(name).endswith(("_exponent", "_share"))
    ]


def _width(values: np.ndarray) -> float:
    limits = interval(values, axis=None)
    return float(limits.upper - limits.lower)
