"""The model as a NumPyro program, and NUTS compiled once per model and padded length."""

from collections.abc import Callable
from functools import lru_cache, partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpyro
import numpyro.distributions as dist
from jax import Array, lax, random
from numpyro.infer.hmc import HMCState, hmc
from numpyro.infer.hmc_util import euclidean_kinetic_energy
from numpyro.infer.util import constrain_fn, potential_energy, unconstrain_fn

from bayes_grpo import likelihood
from bayes_grpo.likelihood import Parameters, RunData
from bayes_grpo.spec import ModelSpec

#: Draws a compiled call makes before it returns to Python, for progress and Ctrl-C.
CHUNK = 25
#: Prior draws each chain starts from the best of.
STARTS = 64


def model(spec: ModelSpec, data: RunData) -> None:
    """Probabilistic program: priors of the model file, then the exact marginal likelihood of the reward curve."""
    parameters = {
        name: numpyro.sample(name, getattr(dist, prior.distribution)(**data.priors[name]))
        for name, prior in spec.parameters.items()
    }
    numpyro.factor("reward", likelihood.log_likelihood(spec, parameters, data))


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
    ``prior(keys, data)`` draws parameters, derived quantities, paths and logged rewards from the prior predictive.
    """

    start: Callable[[Array, RunData], HMCState]
    advance: Callable[[HMCState, RunData], tuple[HMCState, Draws]]
    constrain: Callable[[dict[str, Array], RunData], tuple[dict[str, Array], dict[str, Array]]]
    pointwise: Callable[[Parameters, RunData], Array]
    latent: Callable[[Parameters, RunData, Array], Array]
    prior: Callable[[Array, RunData], tuple[dict[str, Array], dict[str, Array], Array, Array]]


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

    def prior_draw(key: Array, data: RunData) -> dict[str, Array]:
        keys = random.split(key, len(spec.parameters))
        return {
            name: getattr(dist, prior.distribution)(**data.priors[name]).sample(keys[i])
            for i, (name, prior) in enumerate(spec.parameters.items())
        }

    def start(key: Array, data: RunData) -> HMCState:
        key_starts, key_chain = random.split(key)

        def candidate(one: Array) -> tuple[dict[str, Array], Array]:
            values = unconstrain_fn(program, (data,), {}, prior_draw(one, data))
            energy = potential(data)(values)
            return values, jnp.where(jnp.isfinite(energy), energy, jnp.inf)

        values, energies = lax.map(candidate, random.split(key_starts, STARTS))
        best = jnp.argmin(energies)
        state: HMCState = init_kernel(
            {name: value[best] for name, value in values.items()},
            num_warmup=tune,
            dense_mass=True,
            target_accept_prob=target_accept,
            rng_key=key_chain,
            model_args=(data,),
        )
        return state

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
            sites = constrain_fn(program, (data,), {}, value)
            parameters = {name: sites[name] for name in spec.parameters}
            return parameters, likelihood.derived(spec, parameters, data)

        return jax.vmap(one)(values)

    def pointwise(parameters: Parameters, data: RunData) -> Array:
        terms: Array = lax.map(lambda one: likelihood.filtered(spec, one, data).log_density, parameters, batch_size=64)
        return terms

    def latent(parameters: Parameters, data: RunData, key: Array) -> Array:
        def one(inputs: tuple[Parameters, Array]) -> Array:
            single, key = inputs
            mean, variance = likelihood.smoothed(spec, single, data)
            return mean + jnp.sqrt(jnp.maximum(variance, 0.0)) * random.normal(key, mean.shape)

        count = next(iter(parameters.values())).shape[0]
        draws: Array = lax.map(one, (parameters, random.split(key, count)))
        return draws

    def prior(key: Array, data: RunData) -> tuple[dict[str, Array], dict[str, Array], Array, Array]:
        key_parameters, key_path = random.split(key)
        parameters = prior_draw(key_parameters, data)
        path, logged = likelihood.simulated(spec, parameters, data, key_path)
        return parameters, likelihood.derived(spec, parameters, data), path, logged

    compiled: dict[str, Any] = {
        name: jax.jit(function)
        for name, function in {
            "start": start,
            "advance": advance,
            "constrain": constrain,
            "pointwise": pointwise,
            "latent": latent,
            "prior": jax.vmap(prior, in_axes=(0, None)),
        }.items()
    }
    return Programs(**compiled)
