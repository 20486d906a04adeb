"""Paths of the expected reward drawn from any law, and the rewards logged along them."""

import jax.numpy as jnp
from jax import Array, lax, random

from bayes_grpo.laws.kalman import moved
from bayes_grpo.laws.law import Law
from bayes_grpo.laws.linear_paths import Restart, correlated, restarted, simulate_path
from bayes_grpo.laws.linearise import LEAST_VARIANCE, local_motion, row_gaps
from bayes_grpo.laws.relaxation import Relaxation
from bayes_grpo.laws.run_data import Parameters, RunData
from bayes_grpo.laws.shapes import Rows

#: A law that is not linear moves over a gap in this many parts, each of which is linearised.
_PARTS = 4


def draw_path(
    law: Law, parameters: Parameters, run: RunData, key: Array | None, restart: Restart | None = None
) -> tuple[Rows, Rows]:
    """Draw a path of the expected reward, and the rewards that are logged along it.

    Parameters
    ----------
    law : Law
        Any law.
    parameters : mapping of str to array
        One value each.
    run : RunData
        The run laid out in time; its rewards are not used.
    key : jax.Array or None
        Seed of the noise; without one there is no noise.
    restart : Restart, optional
        A row after which the path goes on from another state.

    Returns
    -------
    tuple of jax.Array
        Path and logged rewards, each of shape (n,).
    """
    parameters = law.absolute(parameters, run)
    if law.linear:
        path, logged = simulate_path(*law.state_space(parameters, run), key, restart)
    else:
        assert isinstance(law, Relaxation)
        path, logged = _draw_curved(law, parameters, run, key, restart)
    return law.to_reward(parameters, run, path), logged + law.coordinate.zero(
        law.logged_origin(parameters, run, law.rows(run))
    )


def _draw_curved(
    law: Relaxation, parameters: Parameters, run: RunData, key: Array | None, restart: Restart | None
) -> tuple[Rows, Rows]:
    """A path of the state, in short linear parts, and the logged rewards relative to the coordinate's zero."""
    gaps, n = row_gaps(law, run), run.grid.value.shape[0]
    zero = law.coordinate.zero(law.origin(parameters, run))
    least = jnp.asarray(LEAST_VARIANCE)

    def part(state, z):  # type: ignore[no-untyped-def]
        x, v, gap, rate = state
        t = local_motion(law, parameters, run, gap, rate, x, least)
        x, v = moved(t, x, v)
        dx, dv = correlated(t.q11, t.q12, t.q22, z)
        return (x + dx, v + dv, gap, rate), law.to_reward(parameters, run, x + dx)

    def row(state, inputs):  # type: ignore[no-untyped-def]
        x, v = state
        g, o, z, noise, place = inputs
        if averages:
            (x, v, _, _), _ = lax.scan(part, (x, v, g.gap, g.rate), z[:1])
            inside = (g.points - 1) * g.spacing
            first = law.to_reward(parameters, run, x)
            (x, v, _, _), rewards = lax.scan(part, (x, v, inside / _PARTS, g.rate), z[1:])
            # Trapezoids of the parts stand for the mean of the points.
            reward = (rewards.sum() + (first - rewards[-1]) / 2) / _PARTS
            x, v = restarted(restart, place, x, v)
        else:
            (x, v, _, _), _ = lax.scan(part, (x, v, g.gap / _PARTS, g.rate), z)
            x, v = restarted(restart, place, x, v)
            reward = law.to_reward(parameters, run, x)
        return (x, v), (x, reward - zero + jnp.sqrt(o.variance) * noise)

    averages = run.grid.averages
    path_noise, row_noise = jnp.zeros((n, _PARTS + averages, 2)), jnp.zeros(n)
    if key is not None:
        key_path, key_noise = random.split(key)
        path_noise, row_noise = random.normal(key_path, path_noise.shape), random.normal(key_noise, row_noise.shape)
    observations = law.observations(parameters, run)
    rows = (gaps, observations, path_noise, row_noise, jnp.arange(n))
    _, (path, logged) = lax.scan(row, law.initial_state(parameters, run), rows)
    return path, logged
