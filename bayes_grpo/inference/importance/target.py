"""The posterior of a model's parameters as a density over the real coordinates that importance sampling moves in."""

from collections.abc import Mapping
from functools import lru_cache
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from bayes_grpo.inference.evaluate import Structure
from bayes_grpo.inference.importance.families import DAMPING, FAMILIES, REAL, Family
from bayes_grpo.inference.importance.noises import forgotten_share, noises_of
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
        self._families = {name: (prior, family_of(name, prior)) for name, prior in spec.parameters.items()}
        self._noises = noises_of({name: prior.distribution for name, prior in spec.parameters.items()})
        self._evaluate = Program(self._evaluated, spec.structure, returns=(Evaluated,))

    def evaluate(self, points: Array | np.ndarray, data: ModelData) -> Evaluated:
        """The model at points, shape (row, point, dimension)."""
        evaluated: Evaluated = self._evaluate(points, data)
        return evaluated

    def draw_prior(
        self, rng: np.random.Generator, data: ModelData, *shape: int
    ) -> tuple[np.ndarray, dict[str, np.ndarray]]:
        """Points drawn from the prior, shape (..., dimension), and their parameters, shape (...)."""
        given = {name: {key: np.asarray(v, float) for key, v in data.priors[name].items()} for name in self._families}
        places, values = [], {}
        for name, (prior, family) in self._families.items():
            places.append(family.place(FAMILIES[prior.distribution].draw(rng, given[name], shape), given[name]))
            values[name] = family.coordinate.value(places[-1], given[name])
        stacked = np.stack(places, axis=-1)
        if self._noises is not None:
            stacked = self._noises.join(stacked, self._forgotten(values, data))
        for place, (name, (_, family)) in enumerate(self._families.items()):
            stacked[..., place] = family.tails.inverse(stacked[..., place], given[name])
        return stacked, values

    def _evaluated(self, points: Array, data: ModelData) -> Evaluated:
        evaluated: Evaluated = jax.vmap(jax.vmap(self._at, (0, None)), (0, None))(points, data)
        return evaluated

    def _at(self, point: Array, data: ModelData) -> Evaluated:
        families = [(family, arguments_of(name, data)) for name, (_, family) in self._families.items()]
        places = jnp.stack([family.tails.value(z, given) for z, (family, given) in zip(point, families, strict=True)])
        if self._noises is not None:
            places = self._noises.split(places, self._forgotten(self._values(places, data), data))
        log_prior = jnp.zeros(())
        for z, u, (family, given) in zip(point, places, families, strict=True):
            log_prior += family.tails.log_slope(z, given) + family.density_of_place(u, given)
        values = self._values(places, data)
        return Evaluated(log_prior, log_likelihood(self.spec.law, values, data.run), values)

    def _values(self, places: Array, data: ModelData) -> dict[str, Array]:
        """Parameters at their coordinates u."""
        named = zip(self._families.items(), places, strict=True)
        return {name: family.coordinate.value(u, arguments_of(name, data)) for (name, (_, family)), u in named}

    def _forgotten(self, values: Mapping[str, Any], data: ModelData) -> Any:
        """Share of a fluctuation that is new in a row, by the mean gap between rows of the log, merged or not."""
        rows = (data.run.grid.observed * data.run.grid.repeats).sum()
        return forgotten_share(values, data.run.duration / (rows - (rows > 1)))


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
