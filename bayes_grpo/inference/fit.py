"""Runs and a model in, a posterior out: an `xarray.DataTree` with all that is needed to reload and reproduce it."""

import json
import platform
import time
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

from bayes_grpo.errors import InputError
from bayes_grpo.inference.attributes import describe
from bayes_grpo.inference.evaluate import evaluator
from bayes_grpo.inference.layout import Prepared, choose, prepare
from bayes_grpo.inference.posterior import Posterior, draw_posterior
from bayes_grpo.inference.prior import draw_prior
from bayes_grpo.inference.progress import Progress
from bayes_grpo.inference.sampler_settings import Sampler
from bayes_grpo.inference.tree import TreeBuilder, unit_of
from bayes_grpo.models.files import DEFAULT_MODEL, load_model
from bayes_grpo.models.spec import ModelSpec

#: Draws a chain of `light_fit`.
LIGHT_DRAWS = 500

_PACKAGES = ("bayes-grpo", "numpyro", "pymc", "nutpie", "jax", "arviz", "xarray", "numpy")


def fit(
    runs: xr.Dataset,
    model: str | Path | ModelSpec = DEFAULT_MODEL,
    *,
    run: str | None = None,
    method: str = "auto",
    backend: str = "numpyro",
    seed: int = 0,
    draws: int = 1000,
    tune: int = 1000,
    chains: int = 4,
    target_accept: float = 0.95,
    progress: Progress | None = None,
) -> xr.DataTree:
    """Infer a model's parameters from the reward curve of one run, or of all runs together where the model pools.

    Parameters
    ----------
    runs : xarray.Dataset
        Dims (run, step), from `bayes_grpo.read_run` or `bayes_grpo.runs.dataset.make_run`.
    model : str, Path or ModelSpec
        Name of a model that comes with the package, or the path of a model file.
    run : str, optional
        Label of the run to fit; needed where the Dataset holds several and the model does not pool.
    method : {"auto", "importance", "nuts"}
        Adaptive importance sampling, which takes a fraction of a second; NUTS; or the first, and the second where the
        first cannot be trusted (Pareto k above 0.7, fewer than 400 effective draws, repetitions that disagree). Models
        that pool runs whose predictors are not all known are always sampled by NUTS.
    backend : {"numpyro", "pymc"}
        Which library runs NUTS. The PyMC model is `bayes_grpo.to_pymc`, sampled by nutpie.
    seed, draws, tune, chains : int
        A fixed seed gives the same draws bit for bit on one machine. ``draws`` and ``tune`` are per chain; where
        NumPyro's chains do not agree yet, they go on, up to `bayes_grpo.inference.posterior.MOST_DRAWS` times as many
        draws.
    target_accept : float
        Target acceptance probability of NUTS, in (0, 1). If a transition diverges, the fit is made once more with
        `bayes_grpo.inference.posterior.CAREFUL_ACCEPT`; the attribute ``target_accept`` tells which was used.
    progress : callable, optional
        Called with (draws made, draws wanted).

    Returns
    -------
    xarray.DataTree
        Groups posterior, sample_stats, log_likelihood (one-step-ahead terms log p(y_t | y_<t)), leave_one_out (log
        p(y_t | all other y); what `bayes_grpo.loo` uses), log_prior, observed_data, constant_data (the runs), latent
        (draws of the expected reward), posterior_predictive, prior and prior_predictive; after importance sampling also
        importance (its weighted points). Draws have equal weight: ArviZ takes them as they are. The attribute
        ``method`` tells what made them. Of runs fitted together, parameters have a dimension ``run``, and rewards the
        dimension ``observation`` with the coordinate ``observed_run``.

    Raises
    ------
    InputError
        If the runs, the model or an argument cannot be used.
    """
    spec = model if isinstance(model, ModelSpec) else load_model(model)
    sampler = Sampler(method, backend, seed, draws, tune, chains, target_accept)
    prepared = prepare(choose(runs, run, spec), spec)
    began = time.perf_counter()
    posterior = draw_posterior(spec, prepared, sampler, progress)
    seconds = time.perf_counter() - began
    tree = TreeBuilder(spec, prepared, seed).build(posterior.values, posterior.statistics, posterior.weighted)
    tree.attrs = _attributes(spec, prepared, sampler, posterior, seconds)
    return tree


def light_fit(
    runs: xr.Dataset,
    model: str | Path | ModelSpec = "population",
    *,
    run: str | None = None,
    method: str = "auto",
    seed: int = 0,
    progress: Progress | None = None,
) -> xr.DataTree:
    """Fit one run as `fit` does, with fewer draws and without the groups that only checks of a fit need.

    Parameters
    ----------
    runs, model, run, method, seed, progress
        As for `fit`.

    Returns
    -------
    xarray.DataTree
        Groups posterior, sample_stats, observed_data and constant_data, and the attributes of a fit. Forecasts and
        thresholds take it.

    Raises
    ------
    InputError
        As for `fit`.
    """
    spec = model if isinstance(model, ModelSpec) else load_model(model)
    sampler = Sampler(method, seed=seed, draws=LIGHT_DRAWS, tune=LIGHT_DRAWS)
    prepared = prepare(choose(runs, run, spec), spec)
    began = time.perf_counter()
    posterior = draw_posterior(spec, prepared, sampler, progress)
    seconds = time.perf_counter() - began
    tree = TreeBuilder(spec, prepared, seed).build_light(posterior.values, posterior.statistics)
    tree.attrs = _attributes(spec, prepared, sampler, posterior, seconds)
    return tree


def _attributes(
    spec: ModelSpec, prepared: Prepared, sampler: Sampler, posterior: Posterior, seconds: float
) -> dict[str, Any]:
    """What a fit is of, and how it was made."""
    return describe(spec, prepared) | {
        "method": posterior.method,
        "backend": sampler.backend,
        "seed": sampler.seed,
        "draws": posterior.statistics["diverging"].shape[1],
        "tune": sampler.tune,
        "chains": sampler.chains,
        "target_accept": posterior.target_accept,
        "importance": json.dumps(posterior.quality and posterior.quality.as_dict()),
        "log_evidence": json.dumps(_log_evidence(spec, posterior)),
        "seconds": round(seconds, 2),
        "versions": json.dumps({name: version(name) for name in _PACKAGES} | {"python": platform.python_version()}),
    }


def _log_evidence(spec: ModelSpec, posterior: Posterior) -> float | None:
    """Log marginal likelihood of the rewards, where the draws of one run are by importance sampling and trusted."""
    weighted = posterior.weighted
    if spec.pooled or weighted is None or weighted.quality.failures():
        return None
    return float(weighted.log_evidence)


def prior_predictive(
    runs: xr.Dataset,
    model: str | Path | ModelSpec = DEFAULT_MODEL,
    *,
    run: str | None = None,
    draws: int = 200,
    seed: int = 0,
) -> xr.Dataset:
    """Draw parameters, expected reward and logged rewards before looking at the run's rewards.

    Only the run's steps, learning rate and hyperparameters are used (and, where its reward bounds are unknown, round
    numbers about its rewards). The model must not pool.

    Returns
    -------
    xarray.Dataset
        Parameters with dims (draw), ``expected_reward`` and ``reward`` with dims (draw, step).
    """
    spec = model if isinstance(model, ModelSpec) else load_model(model)
    if spec.pooled:
        raise InputError(f"model {spec.name}", "pools over runs: draw from the model it extends, one run at a time")
    prepared = prepare(choose(runs, run, spec), spec)
    functions, rng = evaluator(spec), np.random.default_rng(seed)
    values = draw_prior(spec, prepared.data, draws, rng)
    path, logged = functions.simulate(values, prepared.data, rng)
    named = {**values, **functions.derive(values, prepared.data)}
    rows = prepared.rows[0]
    steps = {"optimizer_step": ("step", prepared.runs[0]["optimizer_step"].values)}
    return xr.Dataset(
        {name: ("draw", np.asarray(value), {"units": unit_of(name, spec)}) for name, value in named.items()}
        | {
            "expected_reward": (("draw", "step"), np.asarray(path)[:, rows]),
            "reward": (("draw", "step"), np.asarray(logged)[:, rows]),
        },
        coords=steps,
    )
