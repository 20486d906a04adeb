"""What a law says of the steps after the last logged reward, at given parameters: pure JAX, one run."""

from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax import Array, lax, random
from jax.typing import ArrayLike

from bayes_grpo.laws.kalman import filter_start, filter_states
from bayes_grpo.laws.likelihood import state_space
from bayes_grpo.laws.linearise import simulate_state_dependent, to_reward
from bayes_grpo.laws.paths import Restart, simulate_path
from bayes_grpo.laws.state_space import Parameters, RunData, absolute, origin
from bayes_grpo.models.spec import Law


class Ahead(NamedTuple):
    """Rewards in every row of the grid, shape (draw, n), and plateaus, shape (draw,), NaN where the law has none.

    ``curve`` is the law without noise from the start of the run, ``trend`` without noise from the state at the last observed
    row, ``path`` and ``logged`` with it; up to that row these three mean nothing.
    """

    curve: Array
    trend: Array
    path: Array
    logged: Array
    plateau: Array


@partial(jax.jit, static_argnums=0)
def draw_ahead(law: Law, parameters: Parameters, data: RunData, last: ArrayLike, key: Array) -> Ahead:
    """Go on from the state that the rewards up to a row leave, once for each posterior draw.

    Parameters
    ----------
    law : Law
        Any law.
    parameters : mapping of str to array
        Posterior draws, shape (draw,).
    data : RunData
        The run with the rows to come, which hold no rewards.
    last : int
        Grid row of the last reward.
    key : jax.Array
        Of the draws.
    """
    count = next(iter(parameters.values())).shape[0]
    drawn: Ahead = lax.map(
        lambda one: _ahead(law, one[0], data, last, one[1]), (dict(parameters), random.split(key, count))
    )
    return drawn


def _ahead(law: Law, parameters: Parameters, data: RunData, last: ArrayLike, key: Array) -> Ahead:
    space = state_space(law, parameters, data)
    parameters = absolute(law, parameters, data)
    start = filter_start(space.position, space.velocity)
    x, v, xx, xv, vv = (entry[last] for entry in filter_states(space.transition, space.observations, start))
    key_state, key_path = random.split(key)
    z = random.normal(key_state, (2,))
    root = jnp.sqrt(jnp.maximum(xx, 0.0))
    cross = jnp.where(root > 0, xv / jnp.where(root > 0, root, 1.0), 0.0)
    rest = jnp.sqrt(jnp.maximum(vv - cross**2, 0.0))
    here = Restart(last, x + root * z[0], v + cross * z[0] + rest * z[1])

    def simulated(key: Array | None, restart: Restart | None) -> tuple[Array, Array]:
        if law.state_dependent:
            path, logged = simulate_state_dependent(law, parameters, data, key, restart)
            return to_reward(law, parameters, data, path), logged
        path, logged = simulate_path(*space, key, restart)
        zero = origin(law, parameters)
        return path + zero, logged + zero

    path, logged = simulated(key_path, here)
    plateau = parameters["plateau"] if "plateau" in parameters else jnp.asarray(jnp.nan)
    return Ahead(simulated(None, None)[0], simulated(None, here)[0], path, logged, plateau)
