"""Normal approximations of the runs' likelihoods, and what follows from them in closed form.

A run's likelihood in its places u is taken as ``exp(-u' P u / 2 + h' u)``, a site with precision P and pull h. Then the
marginal likelihood of the population's point is known, and the runs' places given it are normal. Sites are improved by
expectation propagation over the runs (Vehtari et al. 2020): the moments of a run's places under its true likelihood and
the sites of all others decide its site.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jax.scipy.linalg import solve_triangular

#: Of the unit, added to the diagonal of covariances in their own units.
_RIDGE = 1e-8
#: Least precision of a site in any direction, as a share of what the run's places have in all, and the share below
#: which a negative one is not noise: the likelihood makes the places wider.
_LEAST_PRECISION, _WIDENED = 1e-4, -0.1


class Sites(NamedTuple):
    """Precision (run, parameter, parameter) and pull (run, parameter) of each run's likelihood, in places."""

    precision: Array | np.ndarray
    pull: Array | np.ndarray


class Conditional(NamedTuple):
    """Scattered places of the runs given the population's point, in spreads from their centre.

    ``log_marginal`` (run,) is the log of the site's mean over them, ``mean`` (run, place), and ``factor`` (run, place,
    place) the lower Cholesky factor of their precision.
    """

    log_marginal: Array
    mean: Array
    factor: Array


def conditional(sites: Sites, centres: Array, spreads: Array, scattered: np.ndarray) -> Conditional:
    """What the sites say given a point of the population.

    Parameters
    ----------
    sites : Sites
        Approximations of the runs.
    centres, spreads : jax.Array
        Shapes (run, parameter) and (parameter,).
    scattered : numpy.ndarray
        Columns of the parameters that scatter between runs.
    """
    spread = spreads[scattered]
    within = sites.precision[:, scattered][:, :, scattered]
    factor = jnp.linalg.cholesky(jnp.eye(scattered.size) + spread[:, None] * within * spread)
    slope = sites.pull - jnp.einsum("rij,rj->ri", sites.precision, centres)
    half = solve_triangular(factor, (spread * slope[:, scattered])[..., None], lower=True)
    mean = solve_triangular(factor, half, lower=True, trans=1)[..., 0]
    at_centre = jnp.einsum("ri,ri->r", sites.pull + slope, centres) / 2
    log_determinant = jnp.log(jnp.diagonal(factor, axis1=1, axis2=2)).sum(-1)
    return Conditional(at_centre + (half**2).sum((-1, -2)) / 2 - log_determinant, mean, factor)


def improved(sites: Sites, before: tuple[np.ndarray, np.ndarray], after: tuple[np.ndarray, np.ndarray]) -> Sites:
    """Sites after a step of expectation propagation.

    Parameters
    ----------
    sites : Sites
        Sites before it.
    before, after : tuple of numpy.ndarray
        Mean (run, parameter) and covariance (run, parameter, parameter) of each run's places, marginal over the
        population, under its site and under its likelihood; from the same points, so that their noise cancels.
    """
    (mean_before, covariance_before), (mean_after, covariance_after) = before, after
    # In coordinates in which the places have the covariance one before.
    unit = np.sqrt(np.diagonal(covariance_before, axis1=1, axis2=2))
    one = np.eye(unit.shape[1])
    root = unit[..., None] * np.linalg.cholesky(covariance_before / (unit[:, :, None] * unit[:, None]) + _RIDGE * one)
    inverse = np.linalg.inv(root)
    old = root.swapaxes(1, 2) @ np.asarray(sites.precision) @ root
    slope = np.asarray(sites.pull) - np.einsum("rij,rj->ri", sites.precision, mean_before)
    slope = np.einsum("rji,rj->ri", root, slope)
    shift = np.einsum("rij,rj->ri", inverse, mean_after - mean_before)
    total = np.linalg.inv(inverse @ covariance_after @ inverse.swapaxes(1, 2) + _RIDGE * one)
    values, vectors = np.linalg.eigh(total - one + old)
    precision = np.maximum(values, _LEAST_PRECISION)
    # Where the likelihood makes the places wider the site says next to nothing, and does not pull. Where it says little
    # it does pull: over many runs the little adds up.
    pull = np.einsum("rij,ri->rj", vectors, np.einsum("rij,rj->ri", total, shift) + slope)
    pull = np.where(values > _WIDENED, pull, precision * np.einsum("rij,ri->rj", vectors, shift))
    back = inverse.swapaxes(1, 2) @ vectors
    new = (back * precision[:, None]) @ back.swapaxes(1, 2)
    return Sites(new, np.einsum("rij,rj->ri", back, pull) + np.einsum("rij,rj->ri", new, mean_before))


def weighted_moments(points: np.ndarray, weights: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Mean and covariance of points (run, point, parameter) by weights (run, point) that sum to one in each run."""
    mean = np.einsum("rn,rnd->rd", weights, points)
    offset = points - mean[:, None]
    return mean, np.einsum("rn,rni,rnj->rij", weights, offset, offset, optimize=True)


def no_sites(runs: int, parameters: int) -> Sites:
    """Sites that say nothing."""
    return Sites(np.zeros((runs, parameters, parameters)), np.zeros((runs, parameters)))


def softmax(log_weights: np.ndarray, axis: int) -> np.ndarray:
    """Weights that sum to one along an axis."""
    return np.asarray(jax.nn.softmax(jnp.asarray(log_weights), axis=axis))
