"""The posterior of a model's parameters as a density over the real coordinates that importance sampling moves in."""

from functools import lru_cache
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from bayes_grpo.inference.evaluate import Structure
from bayes_grpo.inference.importance.families import DAMPING, FAMILIES, REAL, Family
from bayes_grpo.inference.layout import ModelData
from bayes_grpo.inference.programs import Program
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
        self._evaluate = Program(self._evaluated, spec.structure, returns=(Evaluated,))

    def evaluate(self, points: Array | np.ndarray, data: ModelData) -> Evaluated:
        """The model at points, shape (row, point, dimension)."""
        evaluated: Evaluated = self._evaluate(points, data)
        return evaluated

    def draw_prior(
        self, rng: np.random.Generator, data: ModelData, *shape: int
    ) -> tuple[np.ndarray, dict[str, np.ndarray]]:
        """Points drawn from the prior, shape (..., dimension), and their parameters, shape (...)."""
        points, values = [], {}
        for name, prior in self.spec.parameters.items():
            family = family_of(name, prior)
            given = {key: np.asarray(value, float) for key, value in data.priors[name].items()}
            point = family.point(FAMILIES[prior.distribution].draw(rng, given, shape), given)
            points.append(point)
            values[name] = family.value(point, given)
        return np.stack(points, axis=-1), values

    def _evaluated(self, points: Array, data: ModelData) -> Evaluated:
        evaluated: Evaluated = jax.vmap(jax.vmap(self._at, (0, None)), (0, None))(points, data)
        return evaluated

    def _at(self, point: Array, data: ModelData) -> Evaluated:
        values, log_prior = {}, jnp.zeros(())
        for place, (name, prior) in enumerate(self.spec.parameters.items()):
            given, family = arguments_of(name, data), family_of(name, prior)
            values[name] = family.value(point[place], given)
            log_prior += family.density_of_point(point[place], given)
        return Evaluated(log_prior, log_likelihood(self.spec.law, values, data.run), values)


def family_of(name: str, prior: Prior) -> Family:
    """Family of a parameter's prior; the damping has a coordinate of its own where its prior is on the whole line."""
    family = FAMILIES[prior.distribution]
    if name == "damping" and prior.distribution in ("Normal", "StudentT"):
        return family._replace(coordinate=DAMPING, of_coordinate=False, tails=REAL)
    return family


def arguments_of(name: str, data: ModelData) -> dict[str, Array]:
    """Arguments of the prior of a site."""
    return {key: jnp.asarray(value, float) for key, value in data.priors[name].items()}


def target_of(spec: ModelSpec) -> Target:
    """The target of a model, made once a structure."""
    return _target_of(Structure(spec))


@lru_cache(maxsize=64)
def _target_of(structure: Structure) -> Target:
    return Target(structure.spec)
