"""The model as a NumPyro program."""

from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path

import jax.numpy as jnp
import numpyro
import numpyro.distributions as dist
import xarray as xr
from jax import Array
from jax.typing import ArrayLike

from bayes_grpo.inference.evaluate import over_runs
from bayes_grpo.inference.layout import ModelData, choose, prepare
from bayes_grpo.laws import likelihood
from bayes_grpo.models.files import DEFAULT_MODEL, load_model
from bayes_grpo.models.spec import ModelSpec, Prior


def to_numpyro(
    runs: xr.Dataset, model: str | Path | ModelSpec = DEFAULT_MODEL, run: str | None = None
) -> Callable[[], None]:
    """The model of a run, or of runs fitted together, as a NumPyro program without arguments: its data are inside.

    Its sites have the names and priors of the model file, ``damping`` apart, which is sampled in a coordinate of its
    own, ``damping_moved``. Rewards enter by one factor, ``reward``: their log density with the path of the expected
    reward integrated out.

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
    callable
        For NumPyro's samplers and handlers. JAX computes with 64 bits as soon as bayes_grpo is used.

    Raises
    ------
    InputError
        If the runs or the model cannot be used.

    Examples
    --------
    >>> import bayes_grpo, jax, numpyro
    >>> program = bayes_grpo.to_numpyro(bayes_grpo.example_run(), "overdamped")
    >>> sampler = numpyro.infer.MCMC(
    ...     numpyro.infer.NUTS(program), num_warmup=100, num_samples=100, progress_bar=False
    ... )
    >>> sampler.run(jax.random.key(0))
    >>> sorted(sampler.get_samples())[:3]
    ['fluctuation', 'initial_reward', 'observation_sd']
    """
    spec = model if isinstance(model, ModelSpec) else load_model(model)
    return partial(program, spec, prepare(choose(runs, run, spec), spec).data)


def program(spec: ModelSpec, data: ModelData) -> None:
    """Probabilistic program: priors of the model file, then the marginal likelihood of the reward curves."""
    parameters = priors(spec, data)
    numpyro.factor("reward", jnp.sum(over_runs(spec, likelihood.log_likelihood)(parameters, data.run)))


def priors(spec: ModelSpec, data: ModelData) -> dict[str, Array]:
    """Sample every parameter of the model: scalars, or where the model pools arrays of shape (run,)."""
    predictors = {name: _predictor(name, data) for name in spec.predictors}
    return {name: _parameter(name, prior, data, predictors) for name, prior in spec.parameters.items()}


def _parameter(name: str, prior: Prior, data: ModelData, predictors: dict[str, Array]) -> Array:
    """Sample one parameter.

    From its prior, or from a population (non-centred) about a location that predictors move.
    """
    runs = jnp.shape(data.run.closed_form_mass)
    if prior.plain:
        return jnp.broadcast_to(_site(name, prior, data), runs)
    location = _site(f"{name}_location", prior, data)
    scale = dist.transforms.biject_to(distribution(prior.distribution, data.priors[f"{name}_location"]).support)
    place = jnp.broadcast_to(scale.inv(location), runs)
    for predictor in prior.predictors:
        place += _site(f"{name}_by_{predictor}", prior.predictors[predictor], data) * predictors[predictor]
    if prior.spread is not None:
        offset = numpyro.sample(f"{name}_offset", dist.Normal(jnp.zeros(runs), 1.0))
        place += _site(f"{name}_spread", prior.spread, data) * offset
    value: Array = numpyro.deterministic(name, scale(place))
    return value


def _predictor(name: str, data: ModelData) -> Array:
    """A log predictor; where a run does not know it, it is drawn like those of the other runs."""
    value, known, scale = data.predictors[name]
    drawn = numpyro.sample(f"{name}_missing", dist.Normal(jnp.zeros(jnp.shape(value)), 1.0))
    return jnp.where(known, value, scale * drawn)


def moved_sites(spec: ModelSpec, values: Mapping[str, ArrayLike], data: ModelData) -> dict[str, ArrayLike]:
    """Values of what NUTS moves at parameters of a model that does not pool."""
    sites = dict(values)
    if "damping" in sites:
        coordinate = DampingCoordinate(damping_width(spec.parameters["damping"], data))
        sites["damping_moved"] = coordinate(jnp.asarray(sites.pop("damping")))
    return sites


class DampingCoordinate(dist.transforms.Transform):
    """Damping c to the coordinate z that NUTS moves in; the prior and posterior of c are untouched.

    Between 0 and 1, ``z = c``. Above, ``z = 1 + log c``: the rise depends on c / k, a straight line in (log c, log k).
    Below, ``z = w (1 - exp(-c / w))``: an unstable mean grows as exp(-c t / 2m), a cliff in the likelihood that is
    steeper the longer the run; with ``w = 2 m / t`` the growth is linear in z.
    """

    domain = dist.constraints.real
    codomain = dist.constraints.real

    def __init__(self, width: ArrayLike) -> None:
        self.width = width

    def __call__(self, x: Array) -> Array:
        """The coordinate z of damping x."""
        below, above = jnp.minimum(x, 0.0), jnp.maximum(x, 1.0)
        return jnp.clip(x, 0.0, 1.0) - self.width * jnp.expm1(-below / self.width) + jnp.log(above)

    def _inverse(self, y: Array) -> Array:
        below, above = jnp.minimum(y, 0.0), jnp.maximum(y, 1.0)
        return jnp.clip(y, 0.0, 1.0) - self.width * jnp.log1p(-below / self.width) + jnp.expm1(above - 1)

    def log_abs_det_jacobian(self, x: Array, y: Array, intermediates: object = None) -> Array:
        """``log |dz / dc|``."""
        return -jnp.minimum(x, 0.0) / self.width - jnp.log(jnp.maximum(x, 1.0))

    def tree_flatten(self) -> tuple[tuple[ArrayLike], tuple[tuple[str], dict[str, object]]]:
        """Leaves for JAX."""
        return (self.width,), (("width",), {})


def damping_width(prior: Prior, data: ModelData) -> Array:
    """Width of the damping's coordinate below zero: 2 m / t of each run, the least of them for a damping they share."""
    width = 2 * jnp.asarray(data.run.closed_form_mass) / jnp.asarray(data.run.duration)
    return jnp.min(width) if prior.pooling == "shared" else width


def distribution(family: str, arguments: Mapping[str, ArrayLike]) -> dist.Distribution:
    """The distribution that a model file names."""
    if family == "LogitNormal":
        return dist.TransformedDistribution(dist.Normal(**arguments), dist.transforms.SigmoidTransform())
    if family == "LogStudentT":
        return dist.TransformedDistribution(dist.StudentT(**arguments), dist.transforms.ExpTransform())
    if family == "LogitStudentT":
        return dist.TransformedDistribution(dist.StudentT(**arguments), dist.transforms.SigmoidTransform())
    return getattr(dist, family)(**arguments)


def _site(name: str, prior: Prior, data: ModelData) -> Array:
    """Sample from a prior; damping in a coordinate that NUTS can follow, see `DampingCoordinate`."""
    own = distribution(prior.distribution, data.priors[name])
    if name == "damping":
        coordinate = DampingCoordinate(damping_width(prior, data))
        moved = numpyro.sample("damping_moved", dist.TransformedDistribution(own, coordinate))
        damping: Array = numpyro.deterministic(name, coordinate.inv(moved))
        return damping
    value: Array = numpyro.sample(name, own)
    return value
