"""The model as a PyMC model, and its sampling by nutpie."""

from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import nutpie
import pymc as pm
import pytensor.tensor as pt
import xarray as xr
from pymc.distributions.transforms import Transform, log, logodds

from bayes_grpo.inference.backends.law_op import Rewards
from bayes_grpo.inference.backends.numpyro import damping_width
from bayes_grpo.inference.evaluate import recorded
from bayes_grpo.inference.layout import ModelData, Prepared, choose, observed_of, prepare
from bayes_grpo.inference.progress import Progress
from bayes_grpo.inference.sampler_settings import Sampler
from bayes_grpo.models.files import DEFAULT_MODEL, load_model
from bayes_grpo.models.spec import ModelSpec, Prior

#: PyMC's names of the distributions' arguments, in the order of `bayes_grpo.models.spec.DISTRIBUTIONS`.
ARGUMENTS = {
    "Normal": ("mu", "sigma"),
    "HalfNormal": ("sigma",),
    "LogNormal": ("mu", "sigma"),
    "LogitNormal": ("mu", "sigma"),
    "StudentT": ("nu", "mu", "sigma"),
    "LogStudentT": ("nu", "mu", "sigma"),
    "LogitStudentT": ("nu", "mu", "sigma"),
    "HalfCauchy": ("beta",),
    "Uniform": ("lower", "upper"),
    "Exponential": ("lam",),
    "Gamma": ("alpha", "beta"),
    "InverseGamma": ("alpha", "beta"),
    "Beta": ("alpha", "beta"),
}


def to_pymc(runs: xr.Dataset, model: str | Path | ModelSpec = DEFAULT_MODEL, run: str | None = None) -> pm.Model:
    """The model of a run, or of runs fitted together, as a PyMC model to add to and to sample.

    Its free variables have the names and priors of the model file; ``reward`` is observed, and its pointwise
    log-likelihood is that of one step ahead, log p(y_t | y_<t), with the path of the expected reward integrated out.
    Sample it with ``pm.sample(nuts_sampler="nutpie", backend="jax")`` or ``nuts_sampler="numpyro"``.

    Parameters
    ----------
    runs : xarray.Dataset
        Dims (run, step), as for `bayes_grpo.fit`.
    model : str, Path or ModelSpec
        Name of a model that comes with the package, or the path of a model file.
    run : str, optional
        Label of the run; needed where the Dataset holds several and the model does not pool.

    Returns
    -------
    pymc.Model
        Rewards have the dimension ``step`` (row of the log), or ``observation`` where the model pools, and then
        parameters with a value a run have the dimension ``run``. Data: ``optimizer_step``, and of pooled runs
        ``run_index``. Deterministics: what follows from the parameters, such as ``damping_ratio``.

    Raises
    ------
    InputError
        If the runs or the model cannot be used. In a forked process the model raises it when it is computed.

    Examples
    --------
    >>> import bayes_grpo
    >>> model = bayes_grpo.to_pymc(bayes_grpo.example_run(), "overdamped")
    >>> [variable.name for variable in model.free_RVs][:3]
    ['plateau', 'initial_reward', 'stiffness']
    """
    spec = model if isinstance(model, ModelSpec) else load_model(model)
    return build(spec, prepare(choose(runs, run, spec), spec))


#: The older name.
pymc_model = to_pymc


def build(spec: ModelSpec, prepared: Prepared) -> pm.Model:
    """The PyMC model of runs that are laid out."""
    observed = observed_of(prepared)
    rewards = Rewards(spec, prepared, observed)
    dim = "observation" if spec.pooled else "step"
    coords: dict[str, Any] = {dim: observed.row}
    if spec.pooled:
        coords = {dim: np.arange(observed.row.size), "run": [str(run["run"].values) for run in prepared.runs]}
    with pm.Model(coords=coords) as made:
        steps = pm.Data("optimizer_step", observed.optimizer_step, dims=dim)
        if spec.pooled:
            pm.Data("run_index", observed.run, dims=dim)
        parameters = _priors(spec, prepared.data)
        for name, value in rewards.derived(*parameters.values()).items():
            pm.Deterministic(name, value, dims="run" if spec.pooled else None)
        core = "(r)" if spec.pooled else "()"
        pm.CustomDist(
            "reward",
            *parameters.values(),
            steps,
            logp=lambda value, *given: rewards.log_density(value, *given[:-1]),
            random=rewards.random,
            signature=f"{','.join([core] * len(parameters))},(n)->(n)",
            observed=prepared.data.run.grid.value[rewards.at],
            dims=dim,
        )
    return made


def _priors(spec: ModelSpec, data: ModelData) -> dict[str, Any]:
    """Every parameter of the model: scalars, or where the model pools of shape (run,)."""
    predictors = {name: _predictor(name, data) for name in spec.predictors}
    return {name: _parameter(name, prior, data, predictors) for name, prior in spec.parameters.items()}


def _parameter(name: str, prior: Prior, data: ModelData, predictors: dict[str, Any]) -> Any:
    """One parameter: from its prior, or from a population (non-centred) about a location that predictors move."""
    runs = np.shape(data.run.closed_form_mass)
    if prior.plain:
        return pt.broadcast_to(_site(name, prior, data), runs)
    location = _site(f"{name}_location", prior, data)
    # The unbounded scale is that on which PyMC moves the location.
    scale = pm.modelcontext(None).rvs_to_transforms[location]
    bounds = location.owner.inputs
    place = pt.broadcast_to(location if scale is None else scale.forward(location, *bounds), runs)
    for predictor in prior.predictors:
        place += _site(f"{name}_by_{predictor}", prior.predictors[predictor], data) * predictors[predictor]
    if prior.spread is not None:
        offset = pm.Normal(f"{name}_offset", dims="run")
        place += _site(f"{name}_spread", prior.spread, data) * offset
    return pm.Deterministic(name, place if scale is None else scale.backward(place, *bounds), dims="run")


def _predictor(name: str, data: ModelData) -> Any:
    """A log predictor; where a run does not know it, it is drawn like those of the other runs."""
    value, known, scale = data.predictors[name]
    return pt.where(known, value, scale * pm.Normal(f"{name}_missing", dims="run"))


def _site(name: str, prior: Prior, data: ModelData) -> Any:
    """A free variable.

    Damping in a coordinate that NUTS can follow, see `bayes_grpo.inference.backends.numpyro.DampingCoordinate`.
    """
    values = [np.asarray(value, dtype=float) for value in data.priors[name].values()]
    arguments: dict[str, Any] = dict(zip(ARGUMENTS[prior.distribution], values, strict=True))
    if any(value.ndim for value in values):
        arguments["dims"] = "run"
    if prior.distribution in _MADE:
        function, transform = _MADE[prior.distribution]
        dims = {key: arguments.pop(key) for key in ("dims",) if key in arguments}
        return pm.CustomDist(name, *arguments.values(), dist=partial(_student_t, function), transform=transform, **dims)
    if prior.distribution == "LogitNormal":
        arguments["default_transform"] = logodds
    if name == "damping":
        arguments["default_transform"] = DampingCoordinate(np.asarray(damping_width(prior, data)))
    return getattr(pm, prior.distribution)(name, **arguments)


#: Distributions that PyMC does not have: functions of a Student t variable, and the coordinates they are sampled in.
_MADE = {"LogStudentT": (pt.exp, log), "LogitStudentT": (pt.sigmoid, logodds)}


def _student_t(function: Any, df: Any, loc: Any, scale: Any, size: Any) -> Any:
    return function(pm.StudentT.dist(nu=df, mu=loc, sigma=scale, size=size))


class DampingCoordinate(Transform):
    """`bayes_grpo.inference.backends.numpyro.DampingCoordinate` for PyMC."""

    name = "moved"
    ndim_supp = 0

    def __init__(self, width: np.ndarray) -> None:
        self.width = width

    def forward(self, value: Any, *inputs: Any) -> Any:
        """The coordinate of damping."""
        below, above = pt.minimum(value, 0.0), pt.maximum(value, 1.0)
        return pt.clip(value, 0.0, 1.0) - self.width * pt.expm1(-below / self.width) + pt.log(above)

    def backward(self, value: Any, *inputs: Any) -> Any:
        """Damping at a coordinate."""
        below, above = pt.minimum(value, 0.0), pt.maximum(value, 1.0)
        return pt.clip(value, 0.0, 1.0) - self.width * pt.log1p(-below / self.width) + pt.expm1(above - 1)

    def log_jac_det(self, value: Any, *inputs: Any) -> Any:
        """``log |dc / dz|``."""
        return pt.maximum(value, 1.0) - 1 - pt.log1p(-pt.minimum(value, 0.0) / self.width)


def sample_pymc(
    spec: ModelSpec,
    prepared: Prepared,
    sampler: Sampler,
    target_accept: float,
    progress: Progress | None = None,
) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
    """Sample the PyMC model with nutpie.

    Parameters
    ----------
    spec, prepared
        The model and the runs laid out for it.
    sampler : Sampler
        Its seed, chains, draws and warm-up.
    target_accept : float
        Target acceptance probability, in place of the sampler's.
    progress : callable, optional
        Called with (draws made, draws wanted).

    Returns
    -------
    values : dict of str to numpy.ndarray
        Recorded values, shape (chain, draw) or (chain, draw, run).
    statistics : dict of str to numpy.ndarray
        What the sampler tells of each transition, shape (chain, draw).
    """
    names, wanted = recorded(spec), (sampler.tune + sampler.draws) * sampler.chains
    # JAX's own gradient shares the filter's forward pass, which PyTensor's would make twice.
    compiled = nutpie.compile_pymc_model(build(spec, prepared), backend="jax", gradient_backend="jax", var_names=names)

    def report(states: Any) -> None:
        if progress is not None:
            progress(sum(state.finished_draws for state in states), wanted)

    running = nutpie.sample(
        compiled,
        draws=sampler.draws,
        tune=sampler.tune,
        chains=sampler.chains,
        seed=sampler.seed,
        target_accept=target_accept,
        adaptation="low_rank",
        save_warmup=False,
        progress_bar=False,
        progress_callback=report,
        blocking=False,
    )
    try:
        tree = running.wait()
    except BaseException:  # Ctrl-C, too: no half of a posterior
        running.cancel()
        raise
    if progress is not None:
        progress(wanted, wanted)
    return {name: tree["posterior"][name].values for name in names}, _statistics(tree["sample_stats"])


def _statistics(logged: Any) -> dict[str, np.ndarray]:
    """What nutpie tells of each transition, by the names that NumPyro's have here."""
    steps = logged["n_steps"].values.astype(int)
    return {
        "diverging": logged["diverging"].values,
        "energy": logged["energy"].values,
        "lp": logged["logp"].values,
        "n_steps": steps,
        # As NumPyro counts it; nutpie leaves a doubling that was not completed out.
        "tree_depth": np.floor(np.log2(np.maximum(steps, 1))).astype(int) + 1,
        "acceptance_rate": logged["mean_tree_accept"].values,
        "step_size": logged["step_size"].values,
    }
