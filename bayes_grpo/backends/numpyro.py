"""The model as a NumPyro program, and NUTS compiled once per model and padded length."""

from collections.abc import Callable
from functools import lru_cache, partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import numpyro
import numpyro.distributions as dist
from jax import Array, lax, random
from jax.typing import ArrayLike
from numpyro.infer.hmc import HMCState, hmc
from numpyro.infer.hmc_util import euclidean_kinetic_energy
from numpyro.infer.util import ParamInfo, constrain_fn, potential_energy, unconstrain_fn

from bayes_grpo import likelihood
from bayes_grpo.likelihood import Parameters, RunData
from bayes_grpo.spec import ModelSpec

#: Draws a compiled call makes before it returns to Python, for progress and Ctrl-C.
CHUNK = 25
#: Prior draws each chain starts from the best of.
STARTS = 64


def model(spec: ModelSpec, data: RunData) -> None:
    """Probabilistic program: priors of the model file, then the exact marginal likelihood of the reward curve."""
    numpyro.factor("reward", likelihood.log_likelihood(spec, priors(spec, data), data))


def priors(spec: ModelSpec, data: RunData) -> dict[str, Array]:
    """Sample every parameter of the model from its prior."""
    return {name: _site(name, prior.distribution, data) for name, prior in spec.parameters.items()}


class DampingCoordinate(dist.transforms.Transform):
    """Damping c to the coordinate z that NUTS moves in; the prior and posterior of c are untouched.

    Between 0 and 1, ``z = c``. Above, ``z = 1 + log c``: the rise depends on c / k, a straight line in (log c, log k).
    Below, ``z = w (1 - exp(-c / w))``: an unstable mean grows as exp(-c t / 2m), a cliff in the likelihood that is steeper
    the longer the run; with ``w = 2 m / t`` the growth is linear in z.
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


def _distribution(family: str, arguments: dict[str, float]) -> dist.Distribution:
    if family == "LogitNormal":
        return dist.TransformedDistribution(dist.Normal(**arguments), dist.transforms.SigmoidTransform())
    return getattr(dist, family)(**arguments)


def _site(name: str, family: str, data: RunData) -> Array:
    """Sample one parameter; damping in a coordinate that NUTS can follow, see `DampingCoordinate`."""
    distribution = _distribution(family, data.priors[name])
    if name == "damping":
        coordinate = DampingCoordinate(2 * data.closed_form_mass / jnp.sum(data.grid.gap[data.grid.kind]))
        prior = dist.TransformedDistribution(distribution, coordinate)
        damping: Array = numpyro.deterministic(name, coordinate.inv(numpyro.sample("damping_moved", prior)))
        return damping
    value: Array = numpyro.sample(name, distribution)
    return value


class Draws(NamedTuple):
    """What a chain collects, leading dimension draws: unconstrained values and sampler statistics."""

    values: dict[str, Array]
    diverging: Array
    energy: Array
    potential_energy: Array
    tree_steps: Array
    acceptance_rate: Array
    step_size: Array


class Programs(NamedTuple):
    """Compiled functions of one model structure; all take the run as data.

    ``start(key, data)`` picks a chain's first state, ``advance(state, data)`` makes `CHUNK` draws, ``constrain(values,
    data)`` maps unconstrained draws to parameters and derived quantities, ``pointwise(parameters, data)`` gives the
    log-likelihood terms and ``latent(parameters, data, key)`` a draw of the expected reward for each of a batch of draws;
    ``prior(key, data, count)`` draws parameters, derived quantities, and (path, logged rewards) from the prior predictive.
    """

    start: Callable[[Array, RunData], HMCState]
    advance: Callable[[HMCState, RunData], tuple[HMCState, Draws]]
    constrain: Callable[[dict[str, Array], RunData], tuple[dict[str, Array], dict[str, Array]]]
    pointwise: Callable[[Parameters, RunData], Array]
    latent: Callable[[Parameters, RunData, Array], Array]
    prior: Callable[[Array, RunData, int], tuple[dict[str, Array], dict[str, Array], Array]]


class _Structure:
    """A model spec hashed by what a compiled program depends on, so edited prior numbers share the program."""

    def __init__(self, spec: ModelSpec) -> None:
        self.spec = spec

    def __hash__(self) -> int:
        return hash(self.spec.structure)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Structure) and self.spec.structure == other.spec.structure


def programs(spec: ModelSpec, tune: int, target_accept: float) -> Programs:
    """The compiled programs of a model, made once per structure, warm-up length and target acceptance."""
    return _programs(_Structure(spec), tune, target_accept)


@lru_cache(maxsize=32)
def _programs(structure: _Structure, tune: int, target_accept: float) -> Programs:
    spec = structure.spec
    program = partial(model, spec)

    def potential(data: RunData) -> Callable[[dict[str, Array]], Array]:
        return partial(potential_energy, program, (data,), {})

    init_kernel, sample_kernel = hmc(potential_fn_gen=potential, kinetic_fn=euclidean_kinetic_energy, algo="NUTS")

    def draw_prior(key: Array, data: RunData, count: int) -> tuple[dict[str, Array], dict[str, Array]]:
        """What NUTS moves, and the parameters, which differ for damping; leading dimension count."""

        def plated() -> None:
            with numpyro.plate("count", count):
                priors(spec, data)

        sites = numpyro.handlers.trace(numpyro.handlers.seed(plated, key)).get_trace()
        moved = {name: site["value"] for name, site in sites.items() if site["type"] == "sample"}
        return moved, {name: sites[name]["value"] for name in spec.parameters}

    def evaluate(values: dict[str, Array], data: RunData) -> tuple[Array, dict[str, Array]]:
        energy, gradient = jax.value_and_grad(potential(data))(values)
        return energy, gradient

    def unconstrain(values: dict[str, Array], data: RunData) -> dict[str, Array]:
        free: dict[str, Array] = jax.vmap(lambda one: unconstrain_fn(program, (data,), {}, one))(values)
        return free

    def begin(
        key: Array, values: dict[str, Array], energy: Array, gradient: dict[str, Array], data: RunData
    ) -> HMCState:
        state: HMCState = init_kernel(
            ParamInfo(values, energy, gradient),
            num_warmup=tune,
            dense_mass=True,
            target_accept_prob=target_accept,
            rng_key=key,
            model_args=(data,),
        )
        return state

    evaluate_, unconstrain_, begin_ = jax.jit(evaluate), jax.jit(unconstrain), jax.jit(begin)

    def start(key: Array, data: RunData) -> HMCState:
        key_starts, key_chain = random.split(key)
        drawn, _ = draw_prior(key_starts, data, STARTS)
        free = {name: np.asarray(value) for name, value in unconstrain_(drawn, data).items()}
        points = [{name: value[i] for name, value in free.items()} for i in range(STARTS)]
        found = [evaluate_(values, data) for values in points]
        energies = np.array([float(energy) for energy, _ in found])
        best = int(np.argmin(np.where(np.isfinite(energies), energies, np.inf)))
        return begin_(key_chain, points[best], *found[best], data)

    def advance(state: HMCState, data: RunData) -> tuple[HMCState, Draws]:
        def draw(state: HMCState, _: None) -> tuple[HMCState, Draws]:
            state = sample_kernel(state, (data,), {})
            return state, Draws(
                state.z,
                state.diverging,
                state.energy,
                state.potential_energy,
                state.num_steps,
                state.accept_prob,
                state.adapt_state.step_size,
            )

        return lax.scan(draw, state, None, length=CHUNK)

    def constrain(values: dict[str, Array], data: RunData) -> tuple[dict[str, Array], dict[str, Array]]:
        def one(value: dict[str, Array]) -> tuple[dict[str, Array], dict[str, Array]]:
            sites = constrain_fn(program, (data,), {}, value, return_deterministic=True)
            parameters = {name: sites[name] for name in spec.parameters}
            return parameters, likelihood.derived(spec, parameters, data)

        return jax.vmap(one)(values)

    def pointwise(parameters: Parameters, data: RunData) -> Array:
        terms: Array = lax.map(lambda one: likelihood.filtered(spec, one, data).log_density, parameters)
        return terms

    def latent(parameters: Parameters, data: RunData, key: Array) -> Array:
        def one(inputs: tuple[Parameters, Array]) -> Array:
            single, key = inputs
            mean, variance = likelihood.smoothed(spec, single, data)
            return mean + jnp.sqrt(jnp.maximum(variance, 0.0)) * random.normal(key, mean.shape)

        count = next(iter(parameters.values())).shape[0]
        draws: Array = lax.map(one, (parameters, random.split(key, count)))
        return draws

    @jax.jit
    def simulate(parameters: Parameters, keys: Array, data: RunData) -> tuple[dict[str, Array], Array]:
        def one(inputs: tuple[Parameters, Array]) -> tuple[dict[str, Array], Array]:
            single, key = inputs
            return likelihood.derived(spec, single, data), jnp.stack(likelihood.simulated(spec, single, data, key))

        out: tuple[dict[str, Array], Array] = lax.map(one, (parameters, keys))
        return out

    def prior(key: Array, data: RunData, count: int) -> tuple[dict[str, Array], dict[str, Array], Array]:
        key_parameters, key_paths = random.split(key)
        _, parameters = draw_prior(key_parameters, data, count)
        return parameters, *simulate(parameters, random.split(key_paths, count), data)

    return Programs(
        start=start,
        advance=jax.jit(advance),
        constrain=jax.jit(constrain),
        pointwise=jax.jit(pointwise),
        latent=jax.jit(latent),
        prior=prior,
    )
