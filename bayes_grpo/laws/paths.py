"""Paths drawn from a linear law."""

from typing import NamedTuple

import jax.numpy as jnp
from jax import Array, lax, random
from jaxtyping import Float

from bayes_grpo.laws.kalman import Observations, moved
from bayes_grpo.laws.oscillator import Transition
from bayes_grpo.laws.shapes import Operand, Rows, Scalar


class Restart(NamedTuple):
    """A row after which a simulated path goes on from another state: this position and velocity."""

    row: Operand
    position: Scalar
    velocity: Scalar


def restarted(restart: Restart | None, row: Array, x: Scalar, v: Scalar) -> tuple[Scalar, Scalar]:
    """Position and velocity after a row: those of the restart in its row, else as they are."""
    if restart is None:
        return x, v
    here = row == restart.row
    return jnp.where(here, restart.position, x), jnp.where(here, restart.velocity, v)


def correlated(xx: Scalar, xv: Scalar, vv: Scalar, z: Float[Array, " normals"]) -> tuple[Scalar, Scalar]:
    """Two normal numbers of this covariance, which may be singular, from two standard normal ones."""
    root = jnp.sqrt(xx)
    cross = jnp.where(root > 0, xv / jnp.where(root > 0, root, 1.0), 0.0)
    rest = jnp.sqrt(jnp.maximum(vv - cross**2, 0.0))
    return root * z[0], cross * z[0] + rest * z[1]


def simulate_path(
    transition: Transition,
    observations: Observations,
    position: Operand,
    velocity: Operand,
    key: Array | None,
    restart: Restart | None = None,
) -> tuple[Rows, Rows]:
    """Draw one path of ``x - x*`` and the observations along it.

    Parameters
    ----------
    transition, observations, position, velocity
        As for `bayes_grpo.laws.kalman.kalman_filter`; ``observations.value`` is not used.
    key : jax.Array or None
        Seed of the noise; without one there is no noise.
    restart : Restart, optional
        A row after which the path goes on from another state.

    Returns
    -------
    tuple of jax.Array
        Path and observations, each of shape (n,). Rows that are not observed get a value too.
    """

    def row(
        state: tuple[Array, Array, Array], inputs: tuple[Transition, Observations, Array, Array]
    ) -> tuple[tuple[Array, Array, Array], tuple[Array, Array]]:
        x, v, a = state
        t, o, z, place = inputs
        x, v = moved(t, x, v)
        dx, dv = correlated(t.q11, t.q12, t.q22, z)
        x, v = restarted(restart, place, x + dx, v + dv)
        a = o.keep * a + x
        return (x, v, a), (x, o.weight * a + jnp.sqrt(o.variance) * z[2])

    n = transition.f11.shape[0]
    normals = jnp.zeros((n, 3)) if key is None else random.normal(key, (n, 3))
    start = (jnp.asarray(position, float), jnp.asarray(velocity, float), jnp.zeros(()))
    _, (path, logged) = lax.scan(row, start, (transition, observations, normals, jnp.arange(n)))
    return path, logged
