"""A run and a model in, a posterior out: an `xarray.DataTree` with all that is needed to reload and reproduce it."""

import json
import platform
import time
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr
from jax import random

from bayes_grpo import likelihood
from bayes_grpo.backends.numpyro import Draws, Programs, programs
from bayes_grpo.diagnostics import chains_agree
from bayes_grpo.errors import InputError
from bayes_grpo.grid import build_grid
from bayes_grpo.likelihood import UNITS, RunData
from bayes_grpo.sampling import Progress, sample
from bayes_grpo.schema import hyperparameters_of, one_run
from bayes_grpo.setting import Setting, settle
from bayes_grpo.spec import ModelSpec, load_model

#: Draws of the expected reward kept with a fit, and draws from the prior.
LATENT_DRAWS = 400
PRIOR_DRAWS = 1000
PRIOR_PATHS = 200

#: Target acceptance of the second attempt, after a first one with divergences.
CAREFUL_ACCEPT = 0.995

#: Where R-hat or ESS fail their limits, the chains go on up to this many times the draws asked for.
MOST_DRAWS = 4

#: Resolution of logged rewards as a share of the reward range.
RESOLUTION = 1e-3

_PACKAGES = ("bayes-grpo", "numpyro", "jax", "arviz", "xarray", "numpy")


def fit(
    runs: xr.Dataset,
    model: str | Path | ModelSpec = "oscillator",
    *,
    run: str | None = None,
    seed: int = 0,
    draws: int = 1000,
    tune: int = 1000,
    chains: int = 4,
    target_accept: float = 0.95,
    progress: Progress | None = None,
) -> xr.DataTree:
    """Infer a model's parameters from the reward curve of one run.

    Parameters
    ----------
    runs : xarray.Dataset
        Dims (run, step), from `bayes_grpo.read_run` or `bayes_grpo.schema.make_run`.
    model : str, Path or ModelSpec
        Name of a model that comes with the package, or the path of a model file.
    run : str, optional
        Label of the run to fit; needed where the Dataset holds several.
    seed, draws, tune, chains : int
        A fixed seed gives the same draws bit for bit on one machine. ``draws`` and ``tune`` are per chain; where the chains
        do not agree yet, they go on, up to `MOST_DRAWS` times as many draws.
    target_accept : float
        Target acceptance probability of NUTS, in (0, 1). If a transition diverges, the fit is made once more with
        `CAREFUL_ACCEPT`; the attribute ``target_accept`` tells which was used.
    progress : callable, optional
        Called with (draws made, draws wanted).

    Returns
    -------
    xarray.DataTree
        Groups posterior, sample_stats, log_likelihood (one-step-ahead terms log p(y_t | y_<t)), observed_data,
        constant_data (the run), latent (draws of the expected reward), prior and prior_predictive. ArviZ takes it as it
        is.

    Raises
    ------
    InputError
        If the run, the model or an argument cannot be used.
    """
    spec = model if isinstance(model, ModelSpec) else load_model(model)
    _check_arguments(seed=seed, draws=draws, tune=tune, chains=chains, target_accept=target_accept)
    single = _choose(runs, run)
    setting = settle(single, spec)
    data, rows = prepare(single, spec, setting)
    began = time.perf_counter()
    for target in dict.fromkeys((target_accept, max(target_accept, CAREFUL_ACCEPT))):
        compiled = programs(spec, tune, target)
        result = sample(
            compiled,
            data,
            seed=seed,
            chains=chains,
            draws=draws,
            tune=tune,
            progress=progress,
            enough=partial(_settled, compiled, data),
            most=MOST_DRAWS,
        )
        if not result.diverging.any():
            break
    seconds = time.perf_counter() - began
    tree = _tree(spec, single, data, rows, compiled, result, seed)
    tree.attrs = {
        "run": str(single["run"].values),
        "source": str(single["source"].values),
        "notes": str(single["notes"].values),
        "model": spec.name,
        "model_file": spec.text,
        "backend": "numpyro",
        "seed": seed,
        "draws": result.diverging.shape[1],
        "tune": tune,
        "chains": chains,
        "target_accept": target,
        "seconds": round(seconds, 2),
        "hyperparameters": json.dumps(hyperparameters_of(single)),
        "quantities": json.dumps(setting.values),
        "assumptions": json.dumps(setting.assumptions),
        "fixed": json.dumps(likelihood.fixed(spec, data.closed_form_mass)),
        "versions": json.dumps({name: version(name) for name in _PACKAGES} | {"python": platform.python_version()}),
    }
    return tree


def _settled(compiled: Programs, data: RunData, result: Draws) -> bool:
    """Whether going on would not help: the chains agree on every quantity, or some transition diverged."""
    if result.diverging.any():
        return True
    shape = result.diverging.shape
    flat = {name: value.reshape(-1) for name, value in result.values.items()}
    parameters, more = compiled.constrain(flat, data)
    named = {**parameters, **more}.items()
    return chains_agree(xr.Dataset({name: (("chain", "draw"), np.asarray(v).reshape(shape)) for name, v in named}))


def prepare(run: xr.Dataset, spec: ModelSpec, setting: Setting) -> tuple[RunData, np.ndarray]:
    """A single run as the argument of the compiled programs, and the grid index of each of its rows."""
    grid, rows = build_grid(run, setting)
    values = setting.values
    return (
        RunData(
            grid=grid,
            priors=spec.resolve(values),
            closed_form_mass=values["closed_form_mass"],
            group_size=values["group_size"],
            resolution=RESOLUTION * values["reward_range"],
        ),
        rows,
    )


def prior_predictive(
    runs: xr.Dataset,
    model: str | Path | ModelSpec = "oscillator",
    *,
    run: str | None = None,
    draws: int = 200,
    seed: int = 0,
) -> xr.Dataset:
    """Draw parameters, expected reward and logged rewards before looking at the run's rewards.

    Only the run's steps, learning rate and hyperparameters are used (and, where its reward bounds are unknown, round
    numbers about its rewards).

    Returns
    -------
    xarray.Dataset
        Parameters with dims (draw), ``expected_reward`` and ``reward`` with dims (draw, step).
    """
    spec = model if isinstance(model, ModelSpec) else load_model(model)
    single = _choose(runs, run)
    data, rows = prepare(single, spec, settle(single, spec))
    parameters, path, logged = _prior(spec, programs(spec, 1000, 0.95), data, seed, draws)
    steps = {"optimizer_step": ("step", single["optimizer_step"].values)}
    return xr.Dataset(
        {name: ("draw", value, _unit(name)) for name, value in parameters.items()}
        | {"expected_reward": (("draw", "step"), path[:, rows]), "reward": (("draw", "step"), logged[:, rows])},
        coords=steps,
    )


def _check_arguments(**arguments: Any) -> None:
    faults = []
    for name, least in (("seed", 0), ("draws", 1), ("tune", 1), ("chains", 1)):
        value = arguments[name]
        if isinstance(value, bool) or not isinstance(value, int) or value < least:
            faults.append(f"{name}: expected a whole number of at least {least}, found {value!r}")
    if not 0 < arguments["target_accept"] < 1:
        faults.append(f"target_accept: expected a number between 0 and 1, found {arguments['target_accept']!r}")
    if faults:
        raise InputError("fit", faults)


def _choose(runs: xr.Dataset, run: str | None) -> xr.Dataset:
    labels = [str(label) for label in runs["run"].values]
    if run is None and len(labels) > 1:
        raise InputError("fit", f"expected one run, found {len(labels)}; name one with run=: {', '.join(labels)}")
    if run is not None and run not in labels:
        raise InputError("fit", f"no run {run!r}; found {', '.join(labels)}")
    return one_run(runs, run)


def _unit(name: str) -> dict[str, str]:
    return {"units": UNITS[name]}


def _prior(
    spec: ModelSpec, compiled: Programs, data: RunData, seed: int, draws: int
) -> tuple[dict[str, np.ndarray], np.ndarray, np.ndarray]:
    parameters, more, paths = compiled.prior(random.fold_in(random.key(seed), 2), data, draws)
    joined = {name: np.asarray(value) for name, value in {**parameters, **more}.items()}
    return joined, np.asarray(paths[:, 0]), np.asarray(paths[:, 1])


def _tree(
    spec: ModelSpec, run: xr.Dataset, data: RunData, rows: np.ndarray, compiled: Programs, result: Draws, seed: int
) -> xr.DataTree:
    chains, draws = result.diverging.shape
    flat = {name: value.reshape(-1) for name, value in result.values.items()}
    parameters, more = compiled.constrain(flat, data)
    observed = np.isfinite(run["reward"].values)
    # Rows of the same step are one point of the grid, so one term and one datum: their mean.
    seen, position = np.unique(rows[observed], return_index=True)
    # One compiled batch a chain: memory stays bounded by a chain's terms.
    by_chain = [{name: value[i * draws : (i + 1) * draws] for name, value in parameters.items()} for i in range(chains)]
    terms = np.stack([np.asarray(compiled.pointwise(part, data))[:, seen] for part in by_chain])
    thin = np.linspace(0, chains * draws - 1, LATENT_DRAWS).round().astype(int)
    some = {name: value[thin] for name, value in parameters.items()}
    paths = np.asarray(compiled.latent(some, data, random.fold_in(random.key(seed), 1)))[:, seen]
    prior, _, prior_rewards = _prior(spec, compiled, data, seed, PRIOR_DRAWS)

    joined = {name: np.asarray(value).reshape(chains, draws) for name, value in {**parameters, **more}.items()}
    coords = {"chain": np.arange(chains), "draw": np.arange(draws)}
    logged = np.flatnonzero(observed)[position]
    step = {"step": logged, "optimizer_step": ("step", run["optimizer_step"].values[logged])}
    pair, reward = ("chain", "draw"), {"units": "reward"}
    statistics = {
        "diverging": result.diverging,
        "energy": result.energy,
        "lp": -result.potential_energy,
        "n_steps": result.tree_steps,
        "tree_depth": np.floor(np.log2(np.maximum(result.tree_steps, 1))).astype(int) + 1,
        "acceptance_rate": result.acceptance_rate,
        "step_size": result.step_size,
    }
    first = {"chain": [0], "draw": np.arange(PRIOR_DRAWS)}
    groups = {
        "posterior": xr.Dataset({name: (pair, value, _unit(name)) for name, value in joined.items()}, coords),
        "sample_stats": xr.Dataset({name: (pair, value) for name, value in statistics.items()}, coords),
        "log_likelihood": xr.Dataset({"reward": ((*pair, "step"), terms)}, coords | step),
        "observed_data": xr.Dataset({"reward": ("step", data.grid.value[seen], reward)}, step),
        "constant_data": run.rename(step="row").drop_vars("run").assign_coords(row=np.arange(run.sizes["step"])),
        "latent": xr.Dataset({"expected_reward": (("sample", "step"), paths, reward)}, step | {"sample": thin}),
        "prior": xr.Dataset({name: (pair, value[None], _unit(name)) for name, value in prior.items()}, first),
        "prior_predictive": xr.Dataset(
            {"reward": ((*pair, "step"), prior_rewards[None, :PRIOR_PATHS, seen], reward)},
            {"chain": [0], "draw": np.arange(PRIOR_PATHS)} | step,
        ),
    }
    return xr.DataTree.from_dict(groups)
