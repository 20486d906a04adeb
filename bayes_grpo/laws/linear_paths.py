"""Paths drawn from a linear law."""

from typing import NamedTuple

import jax.numpy as jnp
from jax import Array, random
from jaxtyping import Float

from bayes_grpo.laws.kalman import Observations, moved
from bayes_grpo.laws.motion import Motion, scan_rows
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
    """Two normal numbers of this covariance, which may be singular, from two standard normal ones.

    Motion that is interpolated between rates may have a variance a little below zero where there is hardly any.
    """
    root = jnp.sqrt(jnp.maximum(xx, 0.0))
    cross = jnp.where(root > 0, xv / jnp.where(root > 0, root, 1.0), 0.0)
    rest = jnp.sqrt(jnp.maximum(vv - cross**2, 0.0))
    return root * z[0], cross * z[0] + rest * z[1]


def simulate_path(
    motion: Motion | Transition,
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
        state: tuple[Array, Array], t: Transition, inputs: tuple[Observations, Array, Array]
    ) -> tuple[tuple[Array, Array], tuple[Array, Array]]:
        (x, v), (o, z, place) = state, inputs
        mean_x, mean_v = moved(t, x, v)
        dx, dv = correlated(t.q11, t.q12, t.q22, z)
        ahead_x, ahead_v = restarted(restart, place, mean_x + dx, mean_v + dv)
        logged = ahead_x if t.window is None else _average(t, x, v, dx, dv, z[3])
        return (ahead_x, ahead_v), (ahead_x, logged + jnp.sqrt(o.variance) * z[2])

    n = observations.value.shape[0]
    # The first three normals of a row are the same whether it is a mean or not.
    normals = (
        jnp.zeros((n, 4))
        if key is None
        else jnp.concatenate([random.normal(key, (n, 3)), random.normal(random.fold_in(key, 1), (n, 1))], axis=1)
    )
    start = (jnp.asarray(position, float), jnp.asarray(velocity, float))
    _, (path, logged) = scan_rows(row, start, motion, (observations, normals, jnp.arange(n)))
    return path, logged


def _average(t: Transition, x: Array, v: Array, dx: Array, dv: Array, z: Array) -> Array:
    """Mean over a row's window, given the state before the row and the noise of the state after it."""
    w = t.window
    assert w is not None
    # Regression of the mean's noise on the state's: two steps, as the state's noise may be singular.
    along = jnp.where(t.q11 > 0, w.r1 / jnp.where(t.q11 > 0, t.q11, 1.0), 0.0)
    cross = jnp.where(t.q11 > 0, t.q12 / jnp.where(t.q11 > 0, t.q11, 1.0), 0.0)
    rest = t.q22 - cross * t.q12
    rest_covariance = w.r2 - along * t.q12
    known = rest > 1e-12 * t.q22
    across = jnp.where(known, rest_covariance / jnp.where(known, rest, 1.0), 0.0)
    variance = jnp.maximum(w.s - along * w.r1 - across * rest_covariance, 0.0)
    noise = along * dx + across * (dv - cross * dx) + jnp.sqrt(variance) * z
    return w.g1 * x + w.g2 * v + w.c + noise
