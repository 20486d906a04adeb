"""What a fit says, as numbers: parameters with intervals, probabilities, diagnostics and notes."""

from typing import Any, NotRequired, TypedDict

import xarray as xr

from bayes_grpo.analysis.intervals import INTERVAL
from bayes_grpo.analysis.notes import Noted, noted
from bayes_grpo.analysis.posterior.columns import Row, fixed_rows, parameter_rows
from bayes_grpo.analysis.posterior.notes import notes_on
from bayes_grpo.inference.attributes import fixed
from bayes_grpo.inference.convergence import diagnose_sampling


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
    diagnostics: dict[str, float | int | str | None]
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
    remarks = noted(notes_on(fit, diagnostics))
    summary: Summary = {
        "run": fit.attrs["run"],
        "model": fit.attrs["model"],
        "backend": fit.attrs["backend"],
        "parameters": parameter_rows(fit, posterior.drop_vars(by_run), prior) | fixed_rows(fixed(fit)),
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
                "parameters": parameter_rows(fit, posterior[by_run].sel(run=label), _prior_of(prior, label)),
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
