"""Draws from a model's prior, and the prior's density."""

from functools import lru_cache

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array, random

from bayes_grpo.inference.evaluate import Structure, Values, in_batches
from bayes_grpo.inference.importance.families import FAMILIES
from bayes_grpo.inference.importance.target import arguments_of, target_of
from bayes_grpo.inference.layout import ModelData
from bayes_grpo.inference.programs import Program
from bayes_grpo.models.spec import ModelSpec


def draw_prior(spec: ModelSpec, data: ModelData, count: int, rng: np.random.Generator) -> dict[str, np.ndarray]:
    """Draws of everything that is recorded, shape (count,) or of a model that pools (count, run)."""
    if spec.pooled:
        from bayes_grpo.inference.backends.nuts import nuts

        return nuts(spec).prior(random.wrap_key_data(jnp.asarray(_bits(rng))), data, count)
    return target_of(spec).draw_prior(rng, data, count)[1]


def log_prior(spec: ModelSpec, values: Values, data: ModelData) -> dict[str, np.ndarray]:
    """Log prior density of every site at values, shape (draw,)."""
    sites = {name: np.asarray(values[name]) for name, _ in spec.sites()}
    densities: dict[str, np.ndarray] = in_batches(
        _densities(Structure(spec)), sites, (data,), np.size(data.run.grid.value)
    )
    return densities


@lru_cache(maxsize=64)
def _densities(structure: Structure) -> Program:
    spec = structure.spec

    def at(values: dict[str, Array], data: ModelData) -> dict[str, Array]:
        return {
            name: jnp.sum(FAMILIES[prior.distribution].density_of_value(values[name], arguments_of(name, data)))
            for name, prior in spec.sites()
        }

    def densities(values: dict[str, Array], data: ModelData) -> dict[str, Array]:
        by_site: dict[str, Array] = jax.vmap(at, (0, None))(values, data)
        return by_site

    return Program(densities, spec.structure)


def _bits(rng: np.random.Generator) -> np.ndarray:
    """A key for JAX, made without it."""
    return rng.integers(0, 2**32, size=2, dtype=np.uint32)
