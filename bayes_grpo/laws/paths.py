"""Paths drawn from a linear law."""

from typing import NamedTuple

import jax.numpy as jnp
from jax import Array, lax, random
from jax.typing import ArrayLike

from bayes_grpo.laws.kalman import Observations, moved
from bayes_grpo.laws.oscillator import Transition


class Restart(NamedTuple):
    """Where a simulated path is set anew: the row, and position and velocity after it."""

    row: ArrayLike
    position: Array
    velocity: Array


def restarted(restart: Restart | None, row: Array, x: Array, v: Array) -> tuple[Array, Array]:
    """Position and velocity after a row, set anew where the restart says so."""
    if restart is None:
        return x, v
    here = row == restart.row
    return jnp.where(here, restart.position, x), jnp.where(here, restart.velocity, v)


def correlated(xx: Array, xv: Array, vv: Array, z: Array) -> tuple[Array, Array]:
    """Two normals of this covariance from the first two standard ones of ``z``; the covariance may be singular."""
    root = jnp.sqrt(xx)
    cross = jnp.where(root > 0, xv / jnp.where(root > 0, root, 1.0), 0.0)
    rest = jnp.sqrt(jnp.maximum(vv - cross**2, 0.0))
    return root * z[0], cross * z[0] + rest * z[1]


def simulate_path(
    transition: Transition,
    observations: Observations,
    position: ArrayLike,
    velocity: ArrayLike,
    key: Array | None,
    restart: Restart | None = None,
) -> tuple[Array, Array]:
    """Draw one path of ``x - x*`` and the observations along it, two arrays of shape (n,).

    ``observations.value`` is not used. Rows that are not observed get a value too. Without a key there is no noise, with
    a restart the path goes on from there.
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
