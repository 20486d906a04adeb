"""What the likelihoods say beyond their sites, learnt as a function of the population's point alone.

No normal site is a likelihood that is skewed, and what the sites of 50 runs miss adds up to several posterior standard
deviations. The sum is smooth and has few dimensions, so a quadratic learns it from estimates at a thousand points.
Points are weighted afterwards, so that the correction decides how many are effective and never what they say.
"""

from typing import NamedTuple

import jax.numpy as jnp
import numpy as np
from jax import Array

#: Standard deviations beyond the root of the dimension at which the quadratic goes on as a constant.
_REACH = 3.0
#: Curvature upwards at most, in units in which the points scatter by one: the corrected posterior stays one peak.
_MOST_CURVATURE = 1.0
#: Ridge on the second-order coefficients, in points. The noise of an estimate is about one.
_RIDGE = 5.0
#: Share of the points whose estimates are drawn up to that of the next, and log units below the best at which all are:
#: far below, a quadratic is no description.
_WORST, _FAR = 0.02, 100.0


class Correction(NamedTuple):
    """``slope' z + z' curvature z / 2`` with ``z = root (point - centre)``."""

    centre: Array | np.ndarray
    root: Array | np.ndarray
    slope: Array | np.ndarray
    curvature: Array | np.ndarray

    def at(self, points: Array) -> Array:
        """The correction of the log marginal likelihood at points, shape (..., site), but for a constant."""
        offset = (points - self.centre) @ self.root.T
        most = jnp.sqrt(offset.shape[-1]) + _REACH
        offset *= jnp.minimum(1.0, most / jnp.sqrt((offset**2).sum(-1, keepdims=True) + 1e-12))
        quadratic: Array = jnp.einsum("...i,ij,...j->...", offset, self.curvature, offset)
        return offset @ self.slope + quadratic / 2


def no_correction(size: int) -> Correction:
    """Zero everywhere."""
    return Correction(np.zeros(size), np.eye(size), np.zeros(size), np.zeros((size, size)))


def learnt(points: np.ndarray, remainder: np.ndarray) -> Correction:
    """The quadratic that fits what the sites miss; none where points are too few, too alike or not finite.

    Parameters
    ----------
    points : numpy.ndarray
        Shape (point, site).
    remainder : numpy.ndarray
        Estimated log marginal likelihood of all runs over that of their sites, shape (point,).
    """
    size = points.shape[1]
    if not np.isfinite(points).all():
        return no_correction(size)
    centre, covariance = points.mean(0), np.cov(points.T).reshape(size, size)
    if np.linalg.matrix_rank(covariance) < size:
        return no_correction(size)
    root = np.linalg.inv(np.linalg.cholesky(covariance + 1e-12 * np.eye(size)))
    offset = (points - centre) @ root.T
    row, column = np.triu_indices(size)
    terms = np.column_stack([np.ones(len(points)), offset, offset[:, row] * offset[:, column]])
    ridge = np.r_[np.zeros(1 + size), np.full(row.size, _RIDGE)]
    remainder = np.nan_to_num(remainder, nan=-np.inf, posinf=-np.inf)
    best = remainder.max()
    if not np.isfinite(best):
        return no_correction(size)
    raised = np.maximum(remainder, best - _FAR)
    raised = np.maximum(raised, np.quantile(raised, _WORST))
    coefficients = np.linalg.solve(terms.T @ terms + np.diag(ridge), terms.T @ (raised - raised.mean()))
    curvature = np.zeros((size, size))
    curvature[row, column] = coefficients[1 + size :]
    values, vectors = np.linalg.eigh(curvature + curvature.T)
    curvature = (vectors * np.minimum(values, _MOST_CURVATURE)) @ vectors.T
    return Correction(centre, root, coefficients[1 : 1 + size], curvature)
