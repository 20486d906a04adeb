"""A model that pools, in two parts: the population's point, and given it the places of every run's parameters.

The point holds all that is common to the runs: locations, spreads, coefficients of predictors, shared parameters. A
run's places are its parameters on the real line (as they are, logarithm or logit). Given the point they are normal
about a centre with a spread each; those of shared parameters are at the centre itself.
"""

from functools import lru_cache, partial

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array, lax

from bayes_grpo.inference.evaluate import Structure
from bayes_grpo.inference.importance.families import FAMILIES
from bayes_grpo.inference.importance.target import arguments_of
from bayes_grpo.inference.layout import ModelData
from bayes_grpo.laws.likelihood import log_likelihood
from bayes_grpo.laws.run_data import RunData
from bayes_grpo.models.spec import ModelSpec

#: Points of a run whose densities are computed in one go: their states fit into the processor's cache.
_AT_ONCE = 1024


def has_population(spec: ModelSpec, data: ModelData) -> bool:
    """Whether the runs share all but their places, and all predictors are known."""
    known = all(np.asarray(predictor.known).all() for predictor in data.predictors.values())
    return known and all(prior.pooling != "separate" for prior in spec.parameters.values())


class PopulationTarget:
    """Functions of the population's point and of places; all take the runs as data. Make one with `population_of`.

    Parameters
    ----------
    spec : ModelSpec
        A model for which `has_population` holds; only its structure is compiled in.
    """

    def __init__(self, spec: ModelSpec) -> None:
        self.spec = spec
        self.sites = list(spec.sites())
        self.scattered = np.flatnonzero([prior.spread is not None for prior in spec.parameters.values()])
        self.densities = jax.jit(self._densities)

    def unpack(self, point: Array, data: ModelData) -> tuple[dict[str, Array], Array]:
        """Values of all sites at a point, shape (site,), and its log prior density."""
        values, log_prior = {}, jnp.zeros(())
        for (name, prior), entry in zip(self.sites, point, strict=True):
            given, family = arguments_of(name, data), FAMILIES[prior.distribution]
            values[name] = family.value(entry, given)
            log_prior += family.density_of_point(entry, given)
        return values, log_prior

    def centres(self, point: Array, data: ModelData) -> tuple[Array, Array]:
        """Centres of the places, shape (run, parameter), and their spreads, (parameter,): zero of shared ones."""
        values, _ = self.unpack(point, data)
        at = {name: entry for (name, _), entry in zip(self.sites, point, strict=True)}
        runs = jnp.shape(data.run.closed_form_mass)
        centres, spreads = [], []
        for name, prior in self.spec.parameters.items():
            site = self._site(name)
            centre = jnp.broadcast_to(
                FAMILIES[prior.distribution].tails.value(at[site], arguments_of(site, data)), runs
            )
            for predictor in prior.predictors:
                centre += values[f"{name}_by_{predictor}"] * data.predictors[predictor].value
            centres.append(centre)
            spreads.append(values[f"{name}_spread"] if prior.spread is not None else jnp.zeros(()))
        return jnp.stack(centres, axis=1), jnp.stack(spreads)

    def parameters(self, places: Array, data: ModelData) -> dict[str, Array]:
        """Parameters at places, shape (..., parameter) -> (...)."""
        return {
            name: FAMILIES[prior.distribution].coordinate.value(
                places[..., column], arguments_of(self._site(name), data)
            )
            for column, (name, prior) in enumerate(self.spec.parameters.items())
        }

    def draw_prior(self, rng: np.random.Generator, data: ModelData, *shape: int) -> np.ndarray:
        """Points of the population drawn from the prior, shape (..., site)."""
        points = []
        for name, prior in self.sites:
            given, family = (
                {key: np.asarray(v, float) for key, v in data.priors[name].items()},
                FAMILIES[prior.distribution],
            )
            points.append(family.point(family.draw(rng, given, shape), given))
        return np.stack(points, axis=-1)

    def _densities(self, places: Array, data: ModelData) -> Array:
        """Log-likelihood of each run at places of its own, shape (run, point, parameter) -> (run, point)."""
        runs, count, parameters = places.shape
        size = _AT_ONCE if count % _AT_ONCE == 0 else count

        def at(place: Array, run: RunData) -> Array:
            return log_likelihood(self.spec.law, self.parameters(place, data), run)

        def of_run(given: tuple[Array, RunData]) -> Array:
            parts, run = given
            mapped: Array = lax.map(jax.vmap(partial(at, run=run)), parts)
            return mapped

        log_likelihoods: Array = lax.map(of_run, (places.reshape(runs, -1, size, parameters), data.run))
        return log_likelihoods.reshape(runs, count)

    def _site(self, name: str) -> str:
        """Site of a parameter's location."""
        return name if self.spec.parameters[name].plain else f"{name}_location"


def population_of(spec: ModelSpec) -> PopulationTarget:
    """The target of a model that pools, made once a structure."""
    return _population_of(Structure(spec))


@lru_cache(maxsize=64)
def _population_of(structure: Structure) -> PopulationTarget:
    return PopulationTarget(structure.spec)
