"""What a law says about the steps after the last logged reward, at given parameters; for one run."""

from collections.abc import Mapping
from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax import Array, lax, random
from jaxtyping import Float

from bayes_grpo.laws.draws import draw_path
from bayes_grpo.laws.kalman import filter_start, filter_states
from bayes_grpo.laws.law import Law
from bayes_grpo.laws.likelihood import state_space
from bayes_grpo.laws.paths import Restart, correlated
from bayes_grpo.laws.run_data import Parameters, RunData
from bayes_grpo.laws.shapes import Operand, Values


class Ahead(NamedTuple):
    """Rewards in every row of the grid, shape (draws, n), and plateaus, shape (draws,), NaN where the law has none.

    ``curve`` follows the law without noise from the start of the run. The others go on from the state at the last
    observed row and mean nothing before it: ``trend`` without noise, ``path`` with the noise of the expected reward,
    ``logged`` with that of a logged row as well.
    """

    curve: Values
    trend: Values
    path: Values
    logged: Values
    plateau: Values


@partial(jax.jit, static_argnums=0)
def draw_ahead(
    law: Law, parameters: Mapping[str, Float[Array, " draws"]], run: RunData, last: Operand, key: Array
) -> Ahead:
    """Go on from the state that the rewards up to a row lead to, once for each posterior draw.

    Parameters
    ----------
    law : Law
        Any law.
    parameters : mapping of str to array
        Posterior draws, shape (draws,).
    run : RunData
        The run with the rows to come, which hold no rewards.
    last : int
        Grid row of the last reward.
    key : jax.Array
        Seed of the noise.

    Returns
    -------
    Ahead
        One path a draw.
    """
    count = next(iter(parameters.values())).shape[0]
    drawn: Ahead = lax.map(
        lambda one: _ahead(law, one[0], run, last, one[1]), (dict(parameters), random.split(key, count))
    )
    return drawn


def _ahead(law: Law, parameters: Parameters, run: RunData, last: Operand, key: Array) -> Ahead:
    space = state_space(law, parameters, run)
    start = filter_start(space.position, space.velocity)
    x, v, xx, xv, vv = (entry[last] for entry in filter_states(space.transition, space.observations, start))
    key_state, key_path = random.split(key)
    dx, dv = correlated(jnp.maximum(xx, 0.0), xv, vv, random.normal(key_state, (2,)))
    last_state = Restart(last, x + dx, v + dv)
    path, logged = draw_path(law, parameters, run, key_path, last_state)
    plateau = law.absolute(parameters, run).get("plateau", jnp.asarray(jnp.nan))
    curve, trend = (draw_path(law, parameters, run, None, restart)[0] for restart in (None, last_state))
    return Ahead(curve, trend, path, logged, plateau)
