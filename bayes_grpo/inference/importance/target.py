"""The posterior of a model's parameters as a density over the real coordinates that importance sampling moves in."""

from functools import lru_cache
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax import Array, random

from bayes_grpo.inference.evaluate import Structure
from bayes_grpo.inference.importance.families import DAMPING, FAMILIES, Coordinate
from bayes_grpo.inference.layout import ModelData
from bayes_grpo.laws.likelihood import log_likelihood
from bayes_grpo.models.spec import ModelSpec, Prior


class Densities(NamedTuple):
    """Log prior density of the coordinates and log-likelihood, shape (point,)."""

    log_prior: Array
    log_likelihood: Array


class Target:
    """Functions of the coordinates of a model that does not pool; all take the run as data and are compiled once a run's shape.

    Parameters
    ----------
    spec : ModelSpec
        The model; only its structure is compiled in, the arguments of its priors are data.
    """

    def __init__(self, spec: ModelSpec) -> None:
        self.spec = spec
        self.dimension = len(spec.parameters)
        self._densities = jax.jit(jax.vmap(self._density, (0, None)))
        self._values = jax.jit(jax.vmap(self._value, (0, None)))
        self._draw = jax.jit(self._drawn, static_argnums=2)

    def densities(self, points: Array, data: ModelData) -> Densities:
        """Log prior and log-likelihood at points, shape (point, dimension)."""
        densities: Densities = self._densities(points, data)
        return densities

    def values(self, points: Array, data: ModelData) -> dict[str, Array]:
        """Parameters at points, shape (point,)."""
        values: dict[str, Array] = self._values(points, data)
        return values

    def draw_prior(self, key: Array, data: ModelData, count: int) -> Array:
        """Points drawn from the prior, shape (count, dimension)."""
        drawn: Array = self._draw(key, data, count)
        return drawn

    def _density(self, point: Array, data: ModelData) -> Densities:
        values, log_prior = {}, jnp.zeros(())
        for place, (name, prior) in enumerate(self.spec.parameters.items()):
            z, given, family = point[place], _arguments(name, data), FAMILIES[prior.distribution]
            coordinate = coordinate_of(name, prior)
            values[name] = coordinate.value(z, given)
            if family.of_coordinate:
                log_prior += family.log_density(z, given)
            else:
                log_prior += family.log_density(values[name], given) + coordinate.log_slope(z, given)
        return Densities(log_prior, log_likelihood(self.spec.law, values, data.run))

    def _value(self, point: Array, data: ModelData) -> dict[str, Array]:
        return {
            name: coordinate_of(name, prior).value(point[place], _arguments(name, data))
            for place, (name, prior) in enumerate(self.spec.parameters.items())
        }

    def _drawn(self, key: Array, data: ModelData, count: int) -> Array:
        columns = []
        for key_, (name, prior) in zip(random.split(key, self.dimension), self.spec.parameters.items(), strict=True):
            family, given = FAMILIES[prior.distribution], _arguments(name, data)
            drawn = family.draw(key_, given, (count,))
            columns.append(drawn if family.of_coordinate else coordinate_of(name, prior).inverse(drawn, given))
        return jnp.stack(columns, axis=1)


def _arguments(name: str, data: ModelData) -> dict[str, Array]:
    return {key: jnp.asarray(value, float) for key, value in data.priors[name].items()}


def coordinate_of(name: str, prior: Prior) -> Coordinate:
    """Coordinate of a parameter: that of its prior's support, but for the damping."""
    on_the_line = prior.distribution in ("Normal", "StudentT")
    return DAMPING if name == "damping" and on_the_line else FAMILIES[prior.distribution].coordinate


def target_of(spec: ModelSpec) -> Target:
    """The target of a model, made once a structure."""
    return _target_of(Structure(spec))


@lru_cache(maxsize=64)
def _target_of(structure: Structure) -> Target:
    return Target(structure.spec)
