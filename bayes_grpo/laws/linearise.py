"""The filter for laws that are not linear in their state: in each row a straight line takes the place of the drift.

It is the line that fits the drift best under the filter's own uncertainty about the state. The reward as a function of
the state is replaced in the same way (statistical linearisation with Gauss-Hermite nodes; Särkkä 2013, chapter 6). The
motion of the linear law over the gap is exact, so the result is an ordinary linear state space.
"""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax import Array, lax

from bayes_grpo.laws.coordinates import NODES, WEIGHTS
from bayes_grpo.laws.kalman import Filtered, Observations, State, averaged, filter_row, filter_start, predict
from bayes_grpo.laws.law import Law, StateSpace
from bayes_grpo.laws.motion import Motion
from bayes_grpo.laws.oscillator import Transition
from bayes_grpo.laws.relaxation import Relaxation
from bayes_grpo.laws.run_data import Parameters, RunData
from bayes_grpo.laws.shapes import Scalar
from bayes_grpo.laws.window import windowed

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


class Gaps(NamedTuple):
    """What a row's motion depends on beside the state; shape (n,), digits (n, digit)."""

    gap: Array
    rate: Array
    points: Array
    spacing: Array
    digits: Array


def row_gaps(law: Law, run: RunData) -> Gaps:
    """Gaps of all rows."""
    grid, (rate, _) = run.grid, law.clock.rates(run)
    gap, rate, points, spacing, *digits = grid.per_row(grid.gap, rate, grid.points, grid.spacing, *grid.digits)
    return Gaps(gap, rate, points, spacing, jnp.stack(digits, axis=-1) if digits else jnp.zeros((gap.shape[0], 0)))


def _row_motion(law: Relaxation, parameters: Parameters, run: RunData, gaps: Gaps, state: State) -> Transition:
    """Motion to the end of a row, linearised about the state before it."""
    variance = jnp.maximum(state.xx, LEAST_VARIANCE)

    def motion(gap: Array) -> Transition:
        return local_motion(law, parameters, run, gap, gaps.rate, state.x, variance)

    first = motion(gaps.gap)
    return windowed(first, motion(gaps.spacing), gaps.digits, gaps.points) if run.grid.averages else first


def linearised(law: Relaxation, parameters: Parameters, run: RunData) -> tuple[StateSpace, Filtered]:
    """Run the filter; return the linear state space that it made of the law, and its output, entries of shape (n,)."""
    position, velocity = law.initial_state(parameters, run)

    def row(state: State, inputs: tuple[Gaps, Observations]) -> tuple[State, Any]:
        gaps, observation = inputs
        motion = _row_motion(law, parameters, run, gaps, state)
        average = averaged(state, predict(state, motion), motion)
        slope, intercept, excess = law.line(
            parameters, run, average.mean, jnp.maximum(average.variance, LEAST_VARIANCE)
        )
        observation = observation._replace(slope=slope, intercept=intercept, excess=excess)
        state, filtered = filter_row(state, motion, observation)
        return state, (motion, observation, filtered)

    rows = (row_gaps(law, run), law.observations(parameters, run))
    # What a row computes is computed again for the gradient, not kept: the nodes' values would fill the cache.
    _, (motion, observations, filtered) = lax.scan(jax.checkpoint(row), filter_start(position, velocity), rows)
    return StateSpace(Motion(motion), observations, position, velocity), filtered
