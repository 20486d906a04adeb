"""What a law says about a run: densities, smoothed and simulated rewards, and what follows from its parameters.

Laws that are linear in their state have an exact likelihood; the likelihood of the others is the approximation of
`bayes_grpo.laws.linearise`. Every function is pure JAX and takes one run; for runs that are fitted together it is
mapped over them.
"""

from typing import NamedTuple

import jax.numpy as jnp
from jax import Array, random

from bayes_grpo.laws.kalman import Filtered, State, filter_row, filter_start, kalman_filter
from bayes_grpo.laws.law import Law, LoggedRow, StateSpace
from bayes_grpo.laws.linearise import linearised
from bayes_grpo.laws.motion import scan_rows
from bayes_grpo.laws.oscillator import Transition
from bayes_grpo.laws.paths import draw_path
from bayes_grpo.laws.relaxation import Relaxation
from bayes_grpo.laws.run_data import Parameters, RunData
from bayes_grpo.laws.shapes import Rows, Scalar, Values
from bayes_grpo.laws.smoother import Smoothed, kalman_smoother


def state_space(law: Law, parameters: Parameters, run: RunData) -> StateSpace:
    """Transitions, observations and initial state, entries of shape (n,)."""
    parameters = law.absolute(parameters, run)
    if law.linear:
        return law.state_space(parameters, run)
    assert isinstance(law, Relaxation)
    return linearised(law, parameters, run)[0]


def filtered(law: Law, parameters: Parameters, run: RunData) -> Filtered:
    """Filter output; ``log_density`` holds the pointwise terms log p(y_t | y_<t), shape (n,)."""
    if law.linear:
        output = kalman_filter(*state_space(law, parameters, run))
    else:
        assert isinstance(law, Relaxation)
        output = linearised(law, parameters, run)[1]
    return output._replace(log_density=output.log_density + law.scatter_density(parameters, run, law.rows(run)))


def log_likelihood(law: Law, parameters: Parameters, run: RunData) -> Scalar:
    """Log-likelihood of a run's rewards; minus infinity where the law explodes beyond floating point."""
    summed = _summed if law.linear else _summed_terms
    total = summed(law, parameters, run)
    return jnp.where(jnp.isfinite(total), total, -jnp.inf)


def _summed_terms(law: Law, parameters: Parameters, run: RunData) -> Scalar:
    return jnp.sum(filtered(law, parameters, run).log_density)


def _summed(law: Law, parameters: Parameters, run: RunData) -> Scalar:
    """Log-likelihood of a linear law.

    Nothing is kept of a row but the sum: at many parameters at once more would not fit into the processor's cache, and
    the filter would wait for memory.
    """
    parameters = law.absolute(parameters, run)

    def row(carry: tuple[State, Scalar], motion: Transition, logged: LoggedRow) -> tuple[tuple[State, Scalar], None]:
        state, total = carry
        state, output = filter_row(state, motion, law.observation(parameters, run, logged))
        return (state, total + output.log_density + law.scatter_density(parameters, run, logged)), None

    start = filter_start(*law.initial_state(parameters, run))
    motion = law.transitions(parameters, run)
    total: Scalar = scan_rows(row, (start, jnp.zeros(())), motion, law.rows(run))[0][1]
    return total


def leave_one_out(law: Law, parameters: Parameters, run: RunData) -> Rows:
    """Pointwise terms log p(y_t | all other y), shape (n,); rows of one step are left out together."""
    smoothed = kalman_smoother(*state_space(law, parameters, run))
    return smoothed.leave_one_out + law.scatter_density(parameters, run, law.rows(run))


class Account(NamedTuple):
    """What the rewards of a run say at given parameters, each of shape (n,)."""

    log_density: Array  # log p(y_t | y_<t)
    leave_one_out: Array  # log p(y_t | all other y); a step's rows are left out together
    expected_reward: Array  # a draw of the expected reward given all rows; each row on its own, not a path


def account(law: Law, parameters: Parameters, run: RunData, key: Array) -> Account:
    """Densities and a draw of the expected reward from one pass of filter and smoother."""
    smoothed = kalman_smoother(*state_space(law, parameters, run))
    repeats = law.scatter_density(parameters, run, law.rows(run))
    return Account(
        log_density=smoothed.log_density + repeats,
        leave_one_out=smoothed.leave_one_out + repeats,
        expected_reward=_drawn(law, parameters, run, smoothed, key),
    )


def left_out(law: Law, parameters: Parameters, run: RunData, key: Array) -> Rows:
    """A draw of each logged reward from p(y_t | all other y), shape (n,), for leave-one-out predictive checks."""
    smoothed = kalman_smoother(*state_space(law, parameters, run))
    sd = jnp.sqrt(smoothed.left_out_variance)
    return jnp.asarray(run.grid.value) - smoothed.left_out_residual + sd * random.normal(key, sd.shape)


def expected_reward(law: Law, parameters: Parameters, run: RunData, key: Array) -> Array:
    """A draw of the expected reward in each row given all rows, shape (n,); each row on its own, not a path."""
    return _drawn(law, parameters, run, kalman_smoother(*state_space(law, parameters, run)), key)


def _drawn(law: Law, parameters: Parameters, run: RunData, smoothed: Smoothed, key: Array) -> Array:
    sd = jnp.sqrt(jnp.maximum(smoothed.variance, 0.0))
    state = smoothed.mean + sd * random.normal(key, sd.shape)
    return law.to_reward(law.absolute(parameters, run), run, state)


def simulated(law: Law, parameters: Parameters, run: RunData, key: Array) -> tuple[Rows, Rows]:
    """Draw a path of the expected reward, and the rewards that are logged along it, each of shape (n,)."""
    return draw_path(law, parameters, run, key)


def derived(law: Law, parameters: Parameters, run: RunData) -> dict[str, Values]:
    """Quantities that follow from the parameters, by name; those that the law fixes are in `Law.fixed`."""
    absolute = law.absolute(parameters, run)
    stated = {name: value for name, value in absolute.items() if name not in parameters}
    return stated | law.derived(absolute, run)
