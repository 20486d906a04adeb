"""Pointwise predictive scores of one fit, with what a comparison must know of it."""

from pathlib import Path
from typing import NamedTuple

import numpy as np
import xarray as xr

from bayes_grpo.analysis.comparison.crossval import leave_future_out, loo
from bayes_grpo.errors import Note
from bayes_grpo.inference.attributes import notes
from bayes_grpo.inference.convergence import diagnose_sampling
from bayes_grpo.inference.progress import Progress
from bayes_grpo.inference.reopen import reopen
from bayes_grpo.models.spec import ModelSpec


class Scored(NamedTuple):
    """Scores of one fit (nat), arrays of shape (observation,).

    ``khat`` is NaN where no importance sampling was needed; above ``good_khat`` it is too large. ``failures`` says why
    the fit cannot be believed, ``assumptions`` what was assumed to make it.
    """

    model: str
    title: str
    run: np.ndarray
    optimizer_step: np.ndarray
    elpd: np.ndarray
    khat: np.ndarray
    good_khat: float
    parameters: float
    draws: int
    failures: list[Note]
    assumptions: list[Note]


def score(
    fit: xr.DataTree,
    criterion: str,
    model: str | Path | ModelSpec | None = None,
    min_observations: int | None = None,
    progress: Progress | None = None,
) -> Scored:
    """Score a fit by leave-one-out ('loo') or leave-future-out ('lfo')."""
    failures = diagnose_sampling(fit).failures()
    if criterion == "lfo":
        spec, prepared = reopen(fit, model)
        result = leave_future_out(fit, spec, prepared, min_observations=min_observations, progress=progress)
        elpd = result.elpd
        if result.unsettled:
            text = f"{result.unsettled} of {result.fits} refits: the chains disagree; raise --draws and --tune"
            failures.append(Note("not_converged", "refits", text))
    else:
        elpd = loo(fit)
    observed = fit["observed_data"].to_dataset()
    if "step" in elpd.elpd_i.dims:
        observed = observed.sel(step=elpd.elpd_i["step"].values)
    count = observed["optimizer_step"].size
    run = observed["observed_run"].values if "observed_run" in observed.coords else np.full(count, fit.attrs["run"])
    return Scored(
        model=fit.attrs["model"],
        title=fit.attrs["run"],
        run=run.astype(str),
        optimizer_step=observed["optimizer_step"].values,
        elpd=np.asarray(elpd.elpd_i.values, dtype=float),
        khat=np.asarray(elpd.pareto_k.values, dtype=float),
        good_khat=float(elpd.good_k),
        parameters=float(elpd.p),
        draws=int(elpd.n_samples),
        failures=failures,
        assumptions=list(notes(fit)),
    )
