"""Mixtures of multivariate Student t's: density, draws, and a fit to weighted points.

Every array has a leading dimension ``row``: independent samplers that are computed together.
"""

from typing import NamedTuple

import jax.numpy as jnp
import numpy as np
from jax import Array, lax, random
from jax.scipy.linalg import solve_triangular
from jax.scipy.special import gammaln, logsumexp

#: Degrees of freedom: tails heavier than those of any posterior in these coordinates, but for priors with heavy tails
#: of their own.
DEGREES = 5.0
#: A component below this weight is moved to a point drawn by weight.
_LEAST_WEIGHT = 0.03


class Mixture(NamedTuple):
    """Log weights (row, component), means, and Cholesky factors of the scale matrices with their inverses."""

    log_weight: Array
    mean: Array
    factor: Array
    inverse: Array


def log_density(mixture: Mixture, points: Array) -> Array:
    """Log density at points, shape (row, point, dimension) -> (row, point)."""
    return logsumexp(mixture.log_weight[..., None] + _by_component(mixture, points)[0], axis=1)


def _by_component(mixture: Mixture, points: Array) -> tuple[Array, Array]:
    """Log density of each component at points and squared distance from it, (row, component, point)."""
    dimension = points.shape[-1]
    centre = jnp.einsum("rkij,rkj->rki", mixture.inverse, mixture.mean)
    white = jnp.einsum("rkij,rnj->rkni", mixture.inverse, points) - centre[:, :, None]
    square = (white * white).sum(-1)
    total = (DEGREES + dimension) / 2
    constant = gammaln(total) - gammaln(DEGREES / 2) - dimension / 2 * np.log(DEGREES * np.pi)
    log_determinant = jnp.log(jnp.diagonal(mixture.inverse, axis1=-2, axis2=-1)).sum(-1)
    return constant + log_determinant[..., None] - total * jnp.log1p(square / DEGREES), square


class Noise(NamedTuple):
    """Random numbers that make points of a mixture.

    Where the even division over the components begins, shape (row, 1), normal numbers, (row, point, dimension), and
    scales, (row, point, 1).
    """

    place: Array
    normal: Array
    scale: Array


def noise(key: Array, rows: int, count: int, dimension: int) -> Noise:
    """Random numbers for so many rows of points."""
    key_component, key_normal, key_scale = random.split(key, 3)
    return Noise(
        random.uniform(key_component, (rows, 1)),
        random.normal(key_normal, (rows, count, dimension)),
        random.chisquare(key_scale, DEGREES, shape=(rows, count, 1)) / DEGREES,
    )


def draw(mixture: Mixture, numbers: Noise) -> Array:
    """Points of the mixture that random numbers make, shape (row, count, dimension), evenly over the components."""
    components, count = mixture.mean.shape[1], numbers.normal.shape[1]
    place = (jnp.arange(count) + numbers.place) / count
    edges = jnp.cumsum(jnp.exp(mixture.log_weight), axis=1)
    component = jnp.minimum((place[:, :, None] > edges[:, None]).sum(-1), components - 1)
    offset = numbers.normal / jnp.sqrt(numbers.scale)
    moved = jnp.einsum("rkij,rnj->rkni", mixture.factor, offset) + mixture.mean[:, :, None]
    return jnp.take_along_axis(moved, component[:, None, :, None], axis=1)[:, 0]


def from_scales(log_weight: Array, mean: Array, scale: Array) -> Mixture:
    """A mixture from its scale matrices."""
    factor = jnp.linalg.cholesky(scale)
    identity = jnp.broadcast_to(jnp.eye(scale.shape[-1]), scale.shape)
    return Mixture(log_weight, mean, factor, solve_triangular(factor, identity, lower=True))


def widened(mixture: Mixture, width: float) -> Mixture:
    """The mixture with all scales multiplied."""
    return mixture._replace(factor=mixture.factor * width, inverse=mixture.inverse / width)


def about_points(points: Array, key: Array, components: int) -> Mixture:
    """A wide first mixture: components at some of the points, each with the scale of all, (row, point, dimension)."""
    rows, count, dimension = points.shape
    _, covariance = _moments(points, jnp.full((rows, count), 1 / count))
    chosen = random.randint(key, (rows, components, 1), 0, count)
    mean = jnp.take_along_axis(points, chosen, axis=1)
    scale = jnp.broadcast_to(covariance[:, None], (rows, components, dimension, dimension))
    return from_scales(jnp.full((rows, components), -np.log(components)), mean, scale)


def fit_weighted(mixture: Mixture, points: Array, weights: Array, gumbel: Array, iterations: int) -> Mixture:
    """Move a mixture to weighted points by the EM algorithm (Peel and McLachlan 2000, at fixed degrees of freedom).

    Scales are shrunk towards their mean, the more the fewer points a component has.

    Parameters
    ----------
    mixture : Mixture
        Where it begins.
    points, weights : jax.Array
        Shapes (row, point, dimension) and (row, point); weights of a row sum to one.
    gumbel : jax.Array
        Random numbers, shape (row, component, point), by which the points are chosen that components without weight are
        moved to.
    iterations : int
        Of the algorithm.
    """
    _, components, dimension = mixture.mean.shape
    _, covariance = _moments(points, weights)
    floor = 1e-7 * _diagonal(covariance) + 1e-20 * jnp.eye(dimension)
    wide = (covariance + floor)[:, None] / components ** (2 / dimension)
    mixture = _revived(mixture, points, weights, gumbel, wide)

    def step(_: int, mixture: Mixture) -> Mixture:
        density, square = _by_component(mixture, points)
        joint = mixture.log_weight[..., None] + density
        share = jnp.exp(joint - logsumexp(joint, axis=1, keepdims=True)) * weights[:, None]
        pull = share * (DEGREES + dimension) / (DEGREES + square)
        mass, effective = share.sum(-1), share.sum(-1) ** 2 / jnp.maximum((share * share).sum(-1), 1e-300)
        mean = jnp.einsum("rkn,rnd->rkd", pull, points) / jnp.maximum(pull.sum(-1), 1e-300)[..., None]
        offset = points[:, None] - mean[:, :, None]
        scale = jnp.einsum("rkni,rknj->rkij", offset * pull[..., None], offset)
        within = scale.sum(1, keepdims=True)
        scale = scale / jnp.maximum(mass, 1e-300)[..., None, None]
        shrinkage = (dimension / (dimension + effective))[..., None, None]
        ridge = 1e-4 * _diagonal(within) + floor[:, None]
        scale = (1 - shrinkage) * scale + shrinkage * within + ridge
        populated = (effective > 2)[..., None]
        log_weight = jnp.log(jnp.maximum(mass, 1e-3))
        return from_scales(
            log_weight - logsumexp(log_weight, axis=1, keepdims=True),
            jnp.where(populated, mean, mixture.mean),
            jnp.where(populated[..., None], scale, within + ridge),
        )

    fitted: Mixture = lax.fori_loop(0, iterations, step, mixture)
    return fitted


def _revived(mixture: Mixture, points: Array, weights: Array, gumbel: Array, scale: Array) -> Mixture:
    """Components without weight at points drawn by weight."""
    components = mixture.mean.shape[1]
    chosen = jnp.argmax(jnp.log(weights + 1e-300)[:, None] + gumbel, axis=-1)
    weak = mixture.log_weight < np.log(_LEAST_WEIGHT)
    mean = jnp.where(weak[..., None], jnp.take_along_axis(points, chosen[..., None], axis=1), mixture.mean)
    own = mixture.factor @ jnp.swapaxes(mixture.factor, -1, -2)
    log_weight = jnp.where(weak, -np.log(components), mixture.log_weight)
    log_weight = log_weight - logsumexp(log_weight, axis=1, keepdims=True)
    return from_scales(log_weight, mean, jnp.where(weak[..., None, None], scale, own))


def _diagonal(matrices: Array) -> Array:
    """Matrices without what is off the diagonal."""
    return matrices * jnp.eye(matrices.shape[-1])


def _moments(points: Array, weights: Array) -> tuple[Array, Array]:
    mean = jnp.einsum("rn,rnd->rd", weights, points)
    offset = points - mean[:, None]
    return mean, jnp.einsum("rni,rnj->rij", offset * weights[..., None], offset)
