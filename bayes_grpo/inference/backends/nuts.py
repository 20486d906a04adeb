"""NUTS, compiled once per model structure and padded length."""

from collections.abc import Callable
from functools import lru_cache, partial
from typing import NamedTuple

import jax
import numpy as np
import numpyro
from jax import Array, lax, random
from numpyro.infer.hmc import HMCState, hmc
from numpyro.infer.hmc_util import euclidean_kinetic_energy
from numpyro.infer.util import ParamInfo, constrain_fn, potential_energy, unconstrain_fn

from bayes_grpo.inference.backends.numpyro import moved_sites, priors, program
from bayes_grpo.inference.evaluate import MOST_MAPS, Structure, Values, forget_programs, recorded
from bayes_grpo.inference.layout import ModelData
from bayes_grpo.models.spec import ModelSpec

#: Draws a compiled call makes before it returns to Python, for progress and Ctrl-C.
CHUNK = 25
#: Prior draws each chain starts from the best of.
STARTS = 64


class Draws(NamedTuple):
    """What a chain collects, leading dimension draws: unconstrained values and sampler statistics."""

    values: dict[str, Array]
    diverging: Array
    energy: Array
    potential_energy: Array
    tree_steps: Array
    acceptance_rate: Array
    step_size: Array


class Nuts:
    """NUTS on a model, compiled; all methods take the run as data. Make one with `nuts`.

    Parameters
    ----------
    spec : ModelSpec
        The model; only its structure is compiled in.
    tune : int
        Transitions of the warm-up.
    target_accept : float
        Target acceptance probability.
    """

    def __init__(self, spec: ModelSpec, tune: int, target_accept: float) -> None:
        self.spec, self.tune, self.target_accept = spec, tune, target_accept
        self._program = partial(program, spec)
        self._init, self._sample = hmc(
            potential_fn_gen=self._potential, kinetic_fn=euclidean_kinetic_energy, algo="NUTS"
        )
        self._free_starts, self._begin = jax.jit(self._drawn_starts), jax.jit(self._begun)
        self._advance, self._constrain = jax.jit(self._advanced), jax.jit(jax.vmap(self._constrained, (0, None)))
        self._free = jax.jit(self._freed)
        self._prior = jax.jit(self._drawn_prior, static_argnums=2)

    def start(self, key: Array, data: ModelData) -> HMCState:
        """A chain's first state: the best of `STARTS` prior draws."""
        key_starts, key_chain = random.split(key)
        free, energies = self._free_starts(key_starts, data)
        best = int(np.argmin(np.where(np.isfinite(energies), energies, np.inf)))
        state: HMCState = self._begin(key_chain, {name: value[best] for name, value in free.items()}, data)
        return state

    def start_at(self, key: Array, values: Values, data: ModelData) -> HMCState:
        """A chain's first state at parameters of a model that does not pool."""
        state: HMCState = self._begin(key, self._free(values, data), data)
        return state

    def advance(self, state: HMCState, data: ModelData) -> tuple[HMCState, Draws]:
        """Make `CHUNK` transitions."""
        moved: tuple[HMCState, Draws] = self._advance(state, data)
        return moved

    def constrain(self, values: dict[str, Array], data: ModelData) -> dict[str, Array]:
        """Unconstrained draws, leading dimension draws, to what is recorded."""
        constrained: dict[str, Array] = self._constrain(values, data)
        return constrained

    def prior(self, key: Array, data: ModelData, count: int) -> dict[str, np.ndarray]:
        """Draws of what is recorded from the prior, leading dimension ``count``."""
        return {name: np.asarray(value) for name, value in self._prior(key, data, count).items()}

    def _potential(self, data: ModelData) -> Callable[[dict[str, Array]], Array]:
        return partial(potential_energy, self._program, (data,), {})

    def _prior_draw(self, key: Array, data: ModelData) -> tuple[dict[str, Array], dict[str, Array]]:
        """One draw: what NUTS moves, and what is recorded."""
        sites = numpyro.handlers.trace(numpyro.handlers.seed(priors, key)).get_trace(self.spec, data)
        moved = {name: site["value"] for name, site in sites.items() if site["type"] == "sample"}
        return moved, {name: sites[name]["value"] for name in recorded(self.spec)}

    def _drawn_prior(self, key: Array, data: ModelData, count: int) -> dict[str, Array]:
        _, values = jax.vmap(self._prior_draw, (0, None))(random.split(key, count), data)
        return values

    def _freed(self, values: dict[str, Array], data: ModelData) -> dict[str, Array]:
        return dict(unconstrain_fn(self._program, (data,), {}, moved_sites(self.spec, values, data)))

    def _drawn_starts(self, key: Array, data: ModelData) -> tuple[dict[str, Array], Array]:
        """Unconstrained prior draws and their energies, leading dimension `STARTS`."""
        drawn, _ = jax.vmap(self._prior_draw, (0, None))(random.split(key, STARTS), data)
        free = jax.vmap(lambda values: unconstrain_fn(self._program, (data,), {}, values))(drawn)
        return free, lax.map(self._potential(data), free)

    def _begun(self, key: Array, values: dict[str, Array], data: ModelData) -> HMCState:
        energy, gradient = jax.value_and_grad(self._potential(data))(values)
        state: HMCState = self._init(
            ParamInfo(values, energy, gradient),
            num_warmup=self.tune,
            # Over many runs a dense matrix cannot be learned from a warm-up, and early trees would be as deep as
            # allowed.
            dense_mass=not self.spec.pooled,
            max_tree_depth=(7, 10) if self.spec.pooled else 10,
            target_accept_prob=self.target_accept,
            rng_key=key,
            model_args=(data,),
        )
        return state

    def _advanced(self, state: HMCState, data: ModelData) -> tuple[HMCState, Draws]:
        def draw(state: HMCState, _: None) -> tuple[HMCState, Draws]:
            state = self._sample(state, (data,), {})
            return state, Draws(
                state.z,
                state.diverging,
                state.energy,
                state.potential_energy,
                state.num_steps,
                state.accept_prob,
                state.adapt_state.step_size,
            )

        moved: tuple[HMCState, Draws] = lax.scan(draw, state, None, length=CHUNK)
        return moved

    def _constrained(self, values: dict[str, Array], data: ModelData) -> dict[str, Array]:
        sites = constrain_fn(self._program, (data,), {}, values, return_deterministic=True)
        return {name: sites[name] for name in recorded(self.spec)}


def nuts(spec: ModelSpec, tune: int = 1000, target_accept: float = 0.95) -> Nuts:
    """NUTS on a model, made once per structure, warm-up length and target acceptance."""
    forget_programs(MOST_MAPS)
    return _nuts(Structure(spec), tune, target_accept)


@lru_cache(maxsize=32)
def _nuts(structure: Structure, tune: int, target_accept: float) -> Nuts:
    return Nuts(structure.spec, tune, target_accept)
