"""What a law says of the steps after the last logged reward, at given parameters: pure JAX, one run."""

from typing import NamedTuple

import jax.numpy as jnp
from jax import Array, random
from jax.typing import ArrayLike

from bayes_grpo.laws.draws import draw_path
from bayes_grpo.laws.kalman import filter_start, filter_states
from bayes_grpo.laws.law import Law
from bayes_grpo.laws.likelihood import state_space
from bayes_grpo.laws.paths import Restart, correlated
from bayes_grpo.laws.run_data import Parameters, RunData


class Ahead(NamedTuple):
    """Rewards in every row of the grid, shape (n,), and the plateau, NaN where the law has none.

    ``curve`` is the law without noise from the start of the run, ``trend`` without noise from the state at the last observed
    row, ``path`` and ``logged`` with it; up to that row these three mean nothing.
    """

    curve: Array
    trend: Array
    path: Array
    logged: Array
    plateau: Array


def ahead(law: Law, parameters: Parameters, run: RunData, last: ArrayLike, key: Array) -> Ahead:
    """Go on from the state that the rewards up to a row leave.

    Parameters
    ----------
    law : Law
        Any law.
    parameters : mapping of str to array
        One value each.
    run : RunData
        The run with the rows to come, which hold no rewards.
    last : int
        Grid row of the last reward.
    key : jax.Array
        Of what is drawn.
    """
    space = state_space(law, parameters, run)
    start = filter_start(space.position, space.velocity)
    states = filter_states(start, space.motion, space.observations)
    x, v, xx, xv, vv = (entry[last] for entry in states)
    key_state, key_path = random.split(key)
    dx, dv = correlated(jnp.maximum(xx, 0.0), xv, vv, random.normal(key_state, (2,)))
    here = Restart(last, x + dx, v + dv)
    path, logged = draw_path(law, parameters, run, key_path, here)
    plateau = law.absolute(parameters, run).get("plateau", jnp.asarray(jnp.nan))
    curve, trend = (draw_path(law, parameters, run, None, restart)[0] for restart in (None, here))
    return Ahead(curve, trend, path, logged, plateau)
