"""Leave-one-out and leave-future-out predictive densities of a fit, by ArviZ from terms in closed form.

Rewards of a run depend on each other, so what is left out is scored given what is kept: leave-one-out uses ``p(y_t |
all other y, theta)`` from the smoother, and since ``p(theta | all other y)`` is proportional to ``p(theta | y) / p(y_t
| all other y, theta)``, the importance ratios of PSIS are the inverse of the same terms (Bürkner, Gabry & Vehtari 2021,
"Efficient leave-one-out cross-validation for Bayesian non-factorized normal and Student-t models"). Leave-future-out
uses ``p(y_t | y_<t, theta)`` from the filter (Bürkner, Gabry & Vehtari 2020).
"""

import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import arviz_stats as az
import numpy as np
import xarray as xr

from bayes_grpo.errors import InputError
from bayes_grpo.inference.attributes import sampler_of
from bayes_grpo.inference.convergence import varying
from bayes_grpo.inference.draws import batch, labelled, unflatten
from bayes_grpo.inference.evaluate import evaluator
from bayes_grpo.inference.layout import ModelData, Prepared, observed_of
from bayes_grpo.inference.posterior import Posterior, draw_posterior, settled
from bayes_grpo.inference.progress import Progress
from bayes_grpo.inference.reopen import reopen
from bayes_grpo.models.spec import ModelSpec
from bayes_grpo.runs.fields import MIN_ROWS

#: Above this Pareto k, importance sampling is not trusted and leave-future-out fits again (Vehtari et al. 2024).
MAX_KHAT = 0.7


def loo(fit: xr.DataTree) -> Any:
    """Leave-one-out expected log predictive density of a fit (PSIS).

    Exact densities are used for laws that are linear in the reward; for the others those of the filter's linearisation.
    Rows logged at one step are left out together.

    Parameters
    ----------
    fit : xarray.DataTree
        From `bayes_grpo.fit`, also after `bayes_grpo.load_fit`.

    Returns
    -------
    arviz_stats.ELPDData
        - ``elpd``, ``se``: expected log predictive density of all rewards and its standard error (nat).
        - ``elpd_i``, ``pareto_k``: score and Pareto k of each reward.
        - ``p``: effective number of parameters.

        `bayes_grpo.compare_fits` sets fits side by side.

    Raises
    ------
    InputError
        If the fit holds no leave-one-out terms.

    Examples
    --------
    >>> import bayes_grpo
    >>> fit = bayes_grpo.fit(bayes_grpo.example_run(), "overdamped", draws=50, tune=100, chains=2)
    >>> scores = bayes_grpo.loo(fit)
    >>> int(scores.n_data_points), bool(scores.elpd > 400)
    (380, True)
    """
    if "leave_one_out" not in fit.children:
        raise InputError(
            f"fit of {fit.attrs['run']}", "holds no leave-one-out terms: written by an older version; fit again"
        )
    terms = fit["leave_one_out"].to_dataset()
    posterior = varying(fit["posterior"].to_dataset().sel(draw=terms["draw"]))
    tree = xr.DataTree.from_dict({"posterior": posterior, "log_likelihood": terms})
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # high Pareto k are in the result
        return az.loo(tree, var_name="reward", pointwise=True)


def lfo(
    fit: xr.DataTree,
    model: str | Path | ModelSpec | None = None,
    *,
    method: str = "approx",
    min_observations: int | None = None,
    horizon: int = 1,
    progress: Progress | None = None,
) -> Any:
    """Leave-future-out expected log predictive density of a fit of one run.

    Parameters
    ----------
    fit : xarray.DataTree
        From `bayes_grpo.fit`; its settings (seed, draws, tune, chains) are those of the refits.
    model : str, Path or ModelSpec, optional
        The model, where it did not come with the package.
    method : {"approx", "exact"}
        Importance sampling from one refit to the next, with a refit where the Pareto k exceeds `MAX_KHAT`; or a refit
        at every origin.
    min_observations : int, optional
        Rewards that are given before the first is predicted; by default the first third, at least `MIN_ROWS`.
    horizon : int
        Rewards predicted at each origin, jointly.
    progress : callable, optional
        Called with (draws made, draws wanted) of each refit.

    Returns
    -------
    arviz_stats.ELPDData
        - ``elpd``, ``se``: expected log predictive density of what is predicted and its standard error (nat).
        - ``elpd_i``, ``pareto_k``: score and Pareto k of each origin.
        - ``refits``, ``n_refits``: origins at which it was fitted again, and how many (the first fit not counted).

    Raises
    ------
    InputError
        If the model pools over runs, or an argument is impossible for the run.

    Notes ----- Priors keep the quantities of the whole run (its planned length, its reward bounds): state them where
    the log does not.

    Examples
    --------
    >>> import bayes_grpo
    >>> fit = bayes_grpo.fit(bayes_grpo.example_run(), "overdamped", draws=50, tune=100, chains=2)
    >>> bayes_grpo.lfo(fit, min_observations=377).n_data_points
    3
    """
    spec, prepared = reopen(fit, model)
    return leave_future_out(fit, spec, prepared, method, min_observations, horizon, progress).elpd


class LeftFuture(NamedTuple):
    """Scores, the number of fits whose chains did not agree, and the number of fits."""

    elpd: Any
    unsettled: int
    fits: int


def leave_future_out(
    fit: xr.DataTree,
    spec: ModelSpec,
    prepared: Prepared,
    method: str = "approx",
    min_observations: int | None = None,
    horizon: int = 1,
    progress: Progress | None = None,
) -> LeftFuture:
    """As `lfo`, with the model and the run laid out already."""
    if spec.pooled:
        raise InputError(
            f"model {spec.name}", "leave-future-out is of one run, but the model pools over runs; use leave-one-out"
        )
    if method not in ("approx", "exact"):
        raise InputError("lfo", f"method: expected approx or exact, found {method!r}")
    count = fit["observed_data"].sizes["step"]
    first = max(MIN_ROWS, count // 3) if min_observations is None else min_observations
    if not (first >= 1 and horizon >= 1 and first + horizon <= count):
        raise InputError(
            f"lfo of {fit.attrs['run']}",
            f"expected min_observations and horizon of at least 1 that together are at most the {count} rewards, found "
            f"{first} and {horizon}",
        )
    refits = Refits(fit, spec, prepared, evaluator(spec).pointwise, progress)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # the number of refits is in the result
        elpd = az.lfo_cv(
            fit,
            refits,
            first,
            horizon,
            time_dim="step",
            pointwise=True,
            var_name="reward",
            method=method,
            k_threshold=MAX_KHAT,
        )
    return LeftFuture(elpd, refits.unsettled, refits.fits)


class Refits(az.SamplingWrapper):
    """What ArviZ needs to fit again without some observations: the fit's compiled program, with those masked.

    Parameters
    ----------
    fit, spec, prepared
        The fit, its model and its runs.
    score : callable
        Given draws and data, the densities of all rewards, each given the rewards that it conditions on.
    progress : callable, optional
        Told of the draws of each refit.
    """

    def __init__(
        self,
        fit: xr.DataTree,
        spec: ModelSpec,
        prepared: Prepared,
        score: Callable[..., np.ndarray],
        progress: Progress | None = None,
    ) -> None:
        super().__init__(model=spec, idata_orig=fit)
        self.prepared, self.score = prepared, score
        self.observed = observed_of(prepared)
        self.dim = "observation" if spec.pooled else "step"
        self.sampler, self.progress = sampler_of(fit), progress
        self.fits = self.unsettled = 0

    def sel_observations(self, idx: np.ndarray) -> tuple[ModelData, np.ndarray]:
        """The data without some observations, and which those are."""
        return masked(self.prepared, np.asarray(idx)), np.asarray(idx)

    def sample(self, modified_observed_data: ModelData) -> Posterior:
        """Fit what is kept."""
        kept = self.prepared._replace(data=modified_observed_data)
        return draw_posterior(self.model, kept, self.sampler, self.progress)

    def get_inference_data(self, fitted_model: Posterior) -> xr.DataTree:
        """Draws of the parameters; also count fits whose chains do not agree."""
        self.fits += 1
        self.unsettled += not settled(fitted_model)
        return xr.DataTree.from_dict({"posterior": labelled(fitted_model.values)})

    def log_likelihood__i(self, excluded_obs: np.ndarray, idata__i: xr.DataTree) -> xr.DataArray:
        """Terms of what was left out, given all rewards that they condition on; dims (chain, draw, observation)."""
        posterior = idata__i["posterior"].to_dataset()
        terms = self.score(batch(posterior), self.prepared.data)
        at = self.observed.position[excluded_obs]
        kept = terms[:, self.observed.run[excluded_obs], at] if self.model.pooled else terms[:, at]
        values = unflatten({"reward": kept}, posterior.sizes["chain"])["reward"]
        return xr.DataArray(values, posterior[["chain", "draw"]].coords, dims=("chain", "draw", self.dim))


def masked(prepared: Prepared, excluded: np.ndarray) -> ModelData:
    """Program data without some observations, numbered as in `bayes_grpo.inference.layout.observed_of`."""
    data, observed = prepared.data, observed_of(prepared)
    position: Any = observed.position[excluded]
    where = position if np.ndim(data.run.grid.value) == 1 else (observed.run[excluded], position)
    changed = {}
    for name, value in (("observed", 0.0), ("repeats", 1.0), ("scatter", 0.0)):
        changed[name] = np.array(getattr(data.run.grid, name))
        changed[name][where] = value
    return data._replace(run=data.run._replace(grid=data.run.grid._replace(**changed)))
