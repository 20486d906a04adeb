"""The runs' places drawn about what their sites say, and what the likelihood says of them."""

from functools import lru_cache
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array, random
from jax.scipy.linalg import solve_triangular
from jax.scipy.special import gammaln, logsumexp

from bayes_grpo.inference.importance.population.correction import Correction
from bayes_grpo.inference.importance.population.sites import Conditional, Sites, conditional
from bayes_grpo.inference.importance.population.target import PopulationTarget
from bayes_grpo.inference.layout import ModelData

#: Degrees of freedom of the Student t's that places are drawn from, and how much wider they are than the site.
_DEGREES, _WIDTH = 30.0, 1.05
#: Share of places that are drawn from the population instead: they guard what a site denies and the likelihood allows.
_GUARDS = 0.25
_NONE = -1e250


class Drawn(NamedTuple):
    """Places drawn at points of the population.

    ``log_prior`` (point,) is that of the point, ``log_ratio`` (point, run) the estimated marginal likelihood of the run
    over its site's, in logs, and ``log_marginal`` (point,) the sites' sum. ``chosen`` (point, run, parameter) is one of
    the run's places, drawn by weight, among ``places`` (point, run, place, parameter) with ``log_weight``;
    ``log_weight_of_site`` is what the weights were if the site were the likelihood, but for a constant.
    """

    log_prior: Array
    log_marginal: Array
    log_ratio: Array
    chosen: Array
    places: Array
    log_weight: Array
    log_weight_of_site: Array


class Places:
    """Compiled functions of points, data and sites. Make one with `places_of`."""

    def __init__(self, target: PopulationTarget) -> None:
        self.target = target
        self.draw = jax.jit(self._drawn, static_argnums=4)
        of_row = jax.vmap(self._surrogate, (0, None, None, None))
        self.surrogate = jax.jit(jax.vmap(of_row, (0, None, None, None)))

    def _surrogate(self, point: Array, data: ModelData, sites: Sites, correction: Correction) -> tuple[Array, Array]:
        """Log prior density of a point and the log of the sites' marginal likelihood, corrected."""
        _, log_prior = self.target.unpack(point, data)
        centres, spreads = self.target.centres(point, data)
        given = conditional(sites, centres, spreads, self.target.scattered)
        return log_prior, given.log_marginal.sum() + correction.at(point)

    def _drawn(self, points: Array, data: ModelData, sites: Sites, bits: Array, count: int) -> Drawn:
        """Draw ``count`` places of every run at each point, in pairs on either side of the mean."""
        target, scattered = self.target, self.target.scattered
        key_normal, key_scale, key_choice = random.split(random.wrap_key_data(bits), 3)
        log_prior = jax.vmap(lambda point: target.unpack(point, data)[1])(points)
        centres, spreads = jax.vmap(lambda point: target.centres(point, data))(points)
        given = jax.vmap(lambda centre, spread: conditional(sites, centre, spread, scattered))(centres, spreads)
        offset, white, log_proposal = _offsets(given, key_normal, key_scale, count)
        shape = (*centres.shape[:2], count)
        places = jnp.broadcast_to(centres[:, :, None], (*shape, centres.shape[-1]))
        places = places.at[..., scattered].add(spreads[:, None, None, scattered] * offset)
        by_run = jnp.moveaxis(places, 1, 0).reshape(shape[1], -1, centres.shape[-1])
        densities = target.densities(by_run, data).reshape(shape[1], shape[0], count)
        log_weight = jnp.moveaxis(densities, 0, 1) + _log_normal(offset) - log_proposal
        log_weight = jnp.where(jnp.isfinite(log_weight), log_weight, _NONE)
        choice = jnp.argmax(log_weight + random.gumbel(key_choice, log_weight.shape), axis=-1)
        return Drawn(
            log_prior=log_prior,
            log_marginal=given.log_marginal.sum(-1),
            log_ratio=logsumexp(log_weight, axis=-1) - np.log(count) - given.log_marginal,
            chosen=jnp.take_along_axis(places, choice[..., None, None], axis=2)[:, :, 0],
            places=places,
            log_weight=log_weight,
            log_weight_of_site=_log_determinant(given.factor)[..., None] - (white**2).sum(-1) / 2 - log_proposal,
        )


def _offsets(given: Conditional, key_normal: Array, key_scale: Array, count: int) -> tuple[Array, Array, Array]:
    """Places in spreads from their centre, their whitened values, and the log density that they are drawn from.

    Pairs lie on either side of the site's mean, the guards on either side of the centre.
    """
    guards = max(1, int(_GUARDS * count / 2))
    shape = (*given.mean.shape[:2], count // 2, given.mean.shape[-1])
    far, half = jnp.split(random.normal(key_normal, shape), [guards], axis=2)
    scale = _WIDTH / jnp.sqrt(random.chisquare(key_scale, _DEGREES, shape=(*half.shape[:3], 1)) / _DEGREES)
    near = solve_triangular(given.factor, jnp.swapaxes(half * scale, -1, -2), lower=True, trans=1)
    near, mean = jnp.swapaxes(near, -1, -2), given.mean[:, :, None]
    offset = jnp.concatenate([mean + near, mean - near, far, -far], axis=2)
    white = jnp.einsum("prji,prnj->prni", given.factor, offset - mean)
    share = 2 * guards / count
    log_near = _log_density(white, given.factor) + np.log(1 - share)
    return offset, white, jnp.logaddexp(log_near, _log_normal(offset) + np.log(share))


def _log_normal(offset: Array) -> Array:
    log_density: Array = -(offset**2).sum(-1) / 2 - offset.shape[-1] / 2 * np.log(2 * np.pi)
    return log_density


def _log_density(white: Array, factor: Array) -> Array:
    """Log density of the Student t that offsets are drawn from, at their whitened values (..., place, dimension)."""
    dimension = white.shape[-1]
    total = (_DEGREES + dimension) / 2
    constant = gammaln(total) - gammaln(_DEGREES / 2) - dimension / 2 * np.log(_DEGREES * np.pi)
    log_determinant = _log_determinant(factor) - dimension * np.log(_WIDTH)
    square = (white**2).sum(-1) / _WIDTH**2
    log_density: Array = constant + log_determinant[..., None] - total * jnp.log1p(square / _DEGREES)
    return log_density


def _log_determinant(factor: Array) -> Array:
    log_determinant: Array = jnp.log(jnp.diagonal(factor, axis1=-2, axis2=-1)).sum(-1)
    return log_determinant


@lru_cache(maxsize=64)
def places_of(target: PopulationTarget) -> Places:
    """The functions of a target, made once."""
    return Places(target)
