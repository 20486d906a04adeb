"""What a law says about the steps after the last logged reward, at given parameters; for one run."""

from typing import NamedTuple

import jax.numpy as jnp
from jax import Array, random
from jax.typing import ArrayLike

from bayes_grpo.laws.kalman import filter_start, filter_states
from bayes_grpo.laws.law import Law
from bayes_grpo.laws.likelihood import state_space
from bayes_grpo.laws.linear_paths import Restart, correlated
from bayes_grpo.laws.paths import draw_path
from bayes_grpo.laws.run_data import Parameters, RunData
from bayes_grpo.laws.shapes import Values


class Ahead(NamedTuple):
    """Rewards in every row of the grid, shape (n,), and the plateau, NaN where the law has none.

    ``curve`` follows the law without noise from the start of the run. The others go on from the state at the last
    observed row and mean nothing before it: ``trend`` without noise, ``path`` with the noise of the expected reward,
    ``logged`` with that of a logged row as well.
    """

    curve: Values
    trend: Values
    path: Values
    logged: Values
    plateau: Values


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
    last_state = Restart(last, x + dx, v + dv)
    path, logged = draw_path(law, parameters, run, key_path, last_state)
    plateau = law.absolute(parameters, run).get("plateau", jnp.asarray(jnp.nan))
    curve, trend = (draw_path(law, parameters, run, None, restart)[0] for restart in (None, last_state))
    return Ahead(curve, trend, path, logged, plateau)
