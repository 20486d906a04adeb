"""The posterior of a model's parameters as a density over the real coordinates that importance sampling moves in."""

from functools import lru_cache
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array, random

from bayes_grpo.inference.evaluate import Structure
from bayes_grpo.inference.importance.families import DAMPING, FAMILIES, Coordinate
from bayes_grpo.inference.layout import ModelData
from bayes_grpo.laws.likelihood import log_likelihood
from bayes_grpo.models.spec import ModelSpec, Prior


class Evaluated(NamedTuple):
    """A model at points, each of shape (row, point).

    Log prior density of the coordinates, log-likelihood, and the parameters.
    """

    log_prior: Array
    log_likelihood: Array
    values: dict[str, Array]


class Target:
    """Functions of the coordinates of a model that does not pool.

    All take the run as data and are compiled once for each shape of a run.

    Parameters
    ----------
    spec : ModelSpec
        The model; only its structure is compiled in, the arguments of its priors are data.
    """

    def __init__(self, spec: ModelSpec) -> None:
        self.spec = spec
        self.dimension = len(spec.parameters)
        self._evaluate = jax.jit(jax.vmap(jax.vmap(self._at, (0, None)), (0, None)))
        self._draw = jax.jit(self._drawn, static_argnums=(2, 3))

    def evaluate(self, points: Array | np.ndarray, data: ModelData) -> Evaluated:
        """The model at points, shape (row, point, dimension)."""
        evaluated: Evaluated = self._evaluate(points, data)
        return evaluated

    def draw_prior(self, bits: np.ndarray, data: ModelData, rows: int, count: int) -> tuple[Array, dict[str, Array]]:
        """Points drawn from the prior, shape (row, count, dimension), and their parameters, shape (row, count).

        ``bits`` are two unsigned integers of 32 bits, the key of the draws.
        """
        drawn: tuple[Array, dict[str, Array]] = self._draw(bits, data, rows, count)
        return drawn

    def _at(self, point: Array, data: ModelData) -> Evaluated:
        values, log_prior = {}, jnp.zeros(())
        for place, (name, prior) in enumerate(self.spec.parameters.items()):
            z, given, family = point[place], arguments_of(name, data), FAMILIES[prior.distribution]
            coordinate = coordinate_of(name, prior)
            values[name] = coordinate.value(z, given)
            if family.of_coordinate:
                log_prior += family.log_density(z, given)
            else:
                log_prior += family.log_density(values[name], given) + coordinate.log_slope(z, given)
        return Evaluated(log_prior, log_likelihood(self.spec.law, values, data.run), values)

    def _drawn(self, bits: Array, data: ModelData, rows: int, count: int) -> tuple[Array, dict[str, Array]]:
        points, values = [], {}
        keys = random.split(random.wrap_key_data(bits), self.dimension)
        for key, (name, prior) in zip(keys, self.spec.parameters.items(), strict=True):
            family, given = FAMILIES[prior.distribution], arguments_of(name, data)
            coordinate = coordinate_of(name, prior)
            drawn = family.draw(key, given, (rows, count))
            point = drawn if family.of_coordinate else coordinate.inverse(drawn, given)
            points.append(point)
            values[name] = coordinate.value(point, given)
        return jnp.stack(points, axis=-1), values


def coordinate_of(name: str, prior: Prior) -> Coordinate:
    """Coordinate of a parameter: that of its prior's support, but for the damping."""
    on_the_line = prior.distribution in ("Normal", "StudentT")
    return DAMPING if name == "damping" and on_the_line else FAMILIES[prior.distribution].coordinate


def arguments_of(name: str, data: ModelData) -> dict[str, Array]:
    """Arguments of the prior of a site."""
    return {key: jnp.asarray(value, float) for key, value in data.priors[name].items()}


def target_of(spec: ModelSpec) -> Target:
    """The target of a model, made once a structure."""
    return _target_of(Structure(spec))


@lru_cache(maxsize=64)
def _target_of(structure: Structure) -> Target:
    return Target(structure.spec)
