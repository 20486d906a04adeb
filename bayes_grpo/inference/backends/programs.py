"""NUTS and its companions, compiled once per model structure and padded length."""

from collections.abc import Callable, Mapping
from functools import lru_cache, partial
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import numpyro
from jax import Array, lax, random
from jax.typing import ArrayLike
from numpyro.infer.hmc import HMCState, hmc
from numpyro.infer.hmc_util import euclidean_kinetic_energy
from numpyro.infer.util import ParamInfo, constrain_fn, potential_energy, unconstrain_fn

from bayes_grpo.inference.backends.numpyro import model, over_runs, priors, recorded
from bayes_grpo.inference.layout import ModelData
from bayes_grpo.laws import likelihood
from bayes_grpo.models.spec import ModelSpec

#: Recorded values of a batch of draws.
Values = Mapping[str, ArrayLike]

#: Draws a compiled call makes before it returns to Python, for progress and Ctrl-C.
CHUNK = 25
#: Prior draws each chain starts from the best of.
STARTS = 64
#: Share of the kernel's memory maps at which compiled programs are dropped, see `forget_programs`.
MOST_MAPS = 0.6


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

    ``start(key, data)`` picks a chain's first state, ``resume(key, values, data)`` begins at unconstrained values, ``advance(state, data)`` makes `CHUNK` draws, ``constrain(values,
    data)`` maps unconstrained draws to what is `recorded`. For a batch of recorded draws, ``derive(values, data)`` gives derived
    quantities, ``pointwise(values, data)`` the log-likelihood terms log p(y_t | y_<t), ``leave_one_out(values, data)``
    log p(y_t | y_-t), ``left_out(values, data, key)`` a draw of each reward from it, ``latent(values, data, key)`` a draw of the expected reward and ``simulate(values, data, key)`` paths and
    logged rewards; ``prior(key, data, count)`` draws from the prior.
    """

    start: Callable[[Array, ModelData], HMCState]
    resume: Callable[[Array, dict[str, Array], ModelData], HMCState]
    advance: Callable[[HMCState, ModelData], tuple[HMCState, Draws]]
    constrain: Callable[[Values, ModelData], dict[str, Array]]
    derive: Callable[[Values, ModelData], dict[str, Array]]
    pointwise: Callable[[Values, ModelData], Array]
    leave_one_out: Callable[[Values, ModelData], Array]
    left_out: Callable[[Values, ModelData, Array], Array]
    latent: Callable[[Values, ModelData, Array], Array]
    simulate: Callable[[Values, ModelData, Array], tuple[Array, Array]]
    prior: Callable[[Array, ModelData, int], dict[str, Array]]


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
    forget_programs(MOST_MAPS)
    return _programs(_Structure(spec), tune, target_accept)


def forget_programs(share: float) -> bool:
    """Drop all compiled programs where they hold more than this share of the memory maps that the kernel allows a process.

    A program of one model and one padded length holds some 2,000 of (on Linux) 65,530; beyond, compilation aborts the process
    ("LLVM ERROR: Unable to allocate section memory"). Returns whether they were dropped; what is used again is compiled again.
    """
    try:
        limit = int(Path("/proc/sys/vm/max_map_count").read_text())
        held = Path("/proc/self/maps").read_bytes().count(b"\n")
    except (OSError, ValueError):  # not Linux
        return False
    if held < share * limit:
        return False
    _programs.cache_clear()
    jax.clear_caches()
    return True


@lru_cache(maxsize=32)
def _programs(structure: _Structure, tune: int, target_accept: float) -> Programs:
    spec = structure.spec
    program = partial(model, spec)

    def potential(data: ModelData) -> Callable[[dict[str, Array]], Array]:
        return partial(potential_energy, program, (data,), {})

    init_kernel, sample_kernel = hmc(potential_fn_gen=potential, kinetic_fn=euclidean_kinetic_energy, algo="NUTS")

    def draw_prior(key: Array, data: ModelData) -> tuple[dict[str, Array], dict[str, Array]]:
        """One draw: what NUTS moves, and what is recorded."""
        sites = numpyro.handlers.trace(numpyro.handlers.seed(priors, key)).get_trace(spec, data)
        moved = {name: site["value"] for name, site in sites.items() if site["type"] == "sample"}
        return moved, {name: sites[name]["value"] for name in recorded(spec)}

    def begin(key: Array, values: dict[str, Array], data: ModelData) -> HMCState:
        energy, gradient = jax.value_and_grad(potential(data))(values)
        state: HMCState = init_kernel(
            ParamInfo(values, energy, gradient),
            num_warmup=tune,
            # Over many runs a dense matrix cannot be learned from a warm-up, and early trees would be as deep as allowed.
            dense_mass=not spec.pooled,
            max_tree_depth=(7, 10) if spec.pooled else 10,
            target_accept_prob=target_accept,
            rng_key=key,
            model_args=(data,),
        )
        return state

    def free_starts(key: Array, data: ModelData) -> tuple[dict[str, Array], Array]:
        """Unconstrained prior draws and their energies, leading dimension `STARTS`."""
        drawn, _ = jax.vmap(draw_prior, (0, None))(random.split(key, STARTS), data)
        free = jax.vmap(lambda one: unconstrain_fn(program, (data,), {}, one))(drawn)
        return free, lax.map(potential(data), free)

    free_starts_, begin_ = jax.jit(free_starts), jax.jit(begin)

    def start(key: Array, data: ModelData) -> HMCState:
        key_starts, key_chain = random.split(key)
        free, energies = free_starts_(key_starts, data)
        best = int(np.argmin(np.where(np.isfinite(energies), energies, np.inf)))
        return begin_(key_chain, {name: value[best] for name, value in free.items()}, data)

    def advance(state: HMCState, data: ModelData) -> tuple[HMCState, Draws]:
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

    def constrain(values: dict[str, Array], data: ModelData) -> dict[str, Array]:
        def one(value: dict[str, Array]) -> dict[str, Array]:
            sites = constrain_fn(program, (data,), {}, value, return_deterministic=True)
            return {name: sites[name] for name in recorded(spec)}

        return jax.vmap(one)(values)

    def run_parameters(values: Values, data: ModelData) -> dict[str, Array]:
        """What the likelihood takes, of one draw: a model that pools has a value a run."""
        runs = jnp.shape(data.run.closed_form_mass)
        return {name: jnp.broadcast_to(values[name], runs) for name in spec.parameters}

    def batched(function: Callable[..., Any]) -> Callable[..., Any]:
        """A function of (law, parameters, run) over a batch of draws."""

        def each(values: Values, data: ModelData) -> Any:
            return lax.map(lambda one: over_runs(spec, function)(run_parameters(one, data), data.run), values)

        return jax.jit(each)

    def batched_random(function: Callable[..., Any]) -> Callable[..., Any]:
        """A function of (law, parameters, run, key) over a batch of draws."""

        def each(values: Values, data: ModelData, key: Array) -> Any:
            def one(inputs: tuple[Values, Array]) -> Any:
                single, own = inputs
                runs = jnp.shape(data.run.closed_form_mass)
                keys = random.split(own, runs) if spec.pooled else own
                return over_runs(spec, function)(run_parameters(single, data), data.run, keys)

            count = jnp.shape(next(iter(values.values())))[0]
            return lax.map(one, (values, random.split(key, count)))

        return jax.jit(each)

    def prior(key: Array, data: ModelData, count: int) -> dict[str, Array]:
        _, values = jax.vmap(draw_prior, (0, None))(random.split(key, count), data)
        return values

    return Programs(
        start=start,
        resume=begin_,
        advance=jax.jit(advance),
        constrain=jax.jit(constrain),
        derive=batched(likelihood.derived),
        pointwise=batched(lambda *given: likelihood.filtered(*given).log_density),
        leave_one_out=batched(likelihood.leave_one_out),
        left_out=batched_random(likelihood.left_out),
        latent=batched_random(likelihood.expected_reward),
        simulate=batched_random(likelihood.simulated),
        prior=jax.jit(prior, static_argnums=2),
    )
