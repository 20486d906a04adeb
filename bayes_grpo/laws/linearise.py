"""The filter for laws that are not linear in their state: in each row a straight line takes the place of the drift.

It is the line that fits the drift best under the filter's own uncertainty about the state. The reward as a function of
the state is replaced in the same way (statistical linearisation with Gauss-Hermite nodes; Särkkä 2013, chapter 6). The
motion of the linear law over the gap is exact, so the result is an ordinary linear state space.
"""

from typing import Any

import jax
import jax.numpy as jnp
from jax import lax

from bayes_grpo.laws.coordinates import NODES, WEIGHTS
from bayes_grpo.laws.kalman import Filtered, Observations, State, filter_row, filter_start
from bayes_grpo.laws.law import StateSpace
from bayes_grpo.laws.oscillator import Transition
from bayes_grpo.laws.relaxation import Relaxation
from bayes_grpo.laws.run_data import Parameters, RunData
from bayes_grpo.laws.shapes import Scalar

#: A state that is known exactly has the variance 0, whose square root has no gradient; this variance takes its place.
LEAST_VARIANCE = 1e-18


def local_motion(
    law: Relaxation, parameters: Parameters, run: RunData, gap: Scalar, rate: Scalar, state: Scalar, variance: Scalar
) -> Transition:
    """Exact motion over a gap of the law linearised about a state with this mean and variance; scalars."""
    states = state + jnp.sqrt(variance) * NODES
    forces, slopes = jax.jvp(lambda s: law.drift(parameters, run, rate, s), (states,), (jnp.ones_like(states),))
    noise = law.diffusion(parameters, run, rate)
    return law.motion_about(parameters, run, gap, state, WEIGHTS @ forces, -(WEIGHTS @ slopes), noise)


def linearised(law: Relaxation, parameters: Parameters, run: RunData) -> tuple[StateSpace, Filtered]:
    """Run the filter; return the linear state space that stands for the law, and the output; entries of shape (n,)."""
    rate, _ = law.clock.rates(run)
    kind = jnp.asarray(run.grid.kind)
    position, velocity = law.initial_state(parameters, run)

    def row(state: State, inputs: tuple[Scalar, Scalar, Observations]) -> tuple[State, Any]:
        gap, rate, observation = inputs
        motion = local_motion(law, parameters, run, gap, rate, state.x, jnp.maximum(state.xx, LEAST_VARIANCE))
        assert motion.b1 is not None
        mean = motion.f11 * state.x + motion.f12 * state.v + motion.b1
        ahead = motion.f11 * (motion.f11 * state.xx + 2 * motion.f12 * state.xv) + motion.f12**2 * state.vv + motion.q11
        slope, intercept, excess = law.line(parameters, run, mean, jnp.maximum(ahead, LEAST_VARIANCE))
        observation = observation._replace(slope=slope, intercept=intercept, excess=excess)
        state, filtered = filter_row(state, motion, observation)
        return state, (motion, observation, filtered)

    rows = (jnp.asarray(run.grid.gap)[kind], rate[kind], law.observations(parameters, run))
    # The gradient computes each row again instead of keeping its intermediate values, which would fill the processor's
    # cache.
    _, (motion, observations, filtered) = lax.scan(jax.checkpoint(row), filter_start(position, velocity), rows)
    return StateSpace(motion, observations, position, velocity), filtered
