"""From a law's parameters and a run to a linear state space: the one place where the laws are written.

Every function is pure JAX and takes the run as data, so a program compiled for one run serves all of its length.
"""

from collections.abc import Mapping
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax import Array
from jax.typing import ArrayLike

from bayes_grpo.laws.grid import Grid
from bayes_grpo.laws.kalman import Observations
from bayes_grpo.laws.oscillator import Transition, first_order, lagged_damping, second_order
from bayes_grpo.models.spec import Law

Parameters = Mapping[str, Array]

#: Unit of every parameter and derived quantity.
UNITS = {
    "plateau": "reward",
    "rise": "1",
    "initial_reward": "reward",
    "stiffness": "1/step",
    "timescale": "step",
    "midpoint": "step",
    "steepness": "1",
    "lag_share": "1",
    "damping": "1",
    "damping_ratio": "1",
    "mass": "step",
    "temperature": "reward^2/step",
    "fluctuation": "reward",
    "noise_ratio": "1",
    "step_sd": "reward/step^(1/2)",
    "observation_sd": "reward",
    "initial_velocity": "1",
    "temperature_exponent": "1",
    "observation_exponent": "1",
    "temperature_share": "1",
    "observation_share": "1",
}


class RunData(NamedTuple):
    """A run as the argument of a compiled program; for runs fitted together every entry has a leading dimension.

    ``resolution`` (reward) is the least standard deviation of a logged reward: a curve that ends in exactly equal values,
    as after a collapse to 0, would else have unbounded likelihood at zero noise. ``reference_group`` is the group size
    and ``relative_prompts`` the prompts per step over those, at which noise is stated where a law scales it.
    ``duration`` (step) is the time from first to last row; ``log_group_factor`` the table of
    `bayes_grpo.laws.linearise.group_factor_table`.
    """

    grid: Grid
    duration: float
    closed_form_mass: float
    mean_age: float
    group_size: float
    reference_group: float
    relative_prompts: float
    resolution: float
    reward_lower: float
    reward_range: float
    log_group_factor: ArrayLike


class StateSpace(NamedTuple):
    """The law at given parameters: motion, observations and the initial state, in the law's coordinate.

    The coordinate is the deviation from `origin`, or the logit of the reward's place between its bounds.
    """

    transition: Transition
    observations: Observations
    position: Array
    velocity: Array


def absolute(law: Law, parameters: Parameters, data: RunData) -> Parameters:
    """Parameters with plateau and fluctuation in reward, where the law states them relative to start and noise."""
    if not law.relative:
        return parameters
    out = {**parameters, "plateau": parameters["initial_reward"] + parameters["rise"] * data.reward_range}
    if law.process_noise:
        out["fluctuation"] = parameters["noise_ratio"] * parameters["observation_sd"]
    return out


def mass_of(law: Law, parameters: Parameters, data: RunData) -> Array:
    """The mass, given or computed; only for second-order dynamics."""
    return parameters["mass"] if law.mass == "parameter" else jnp.asarray(data.closed_form_mass)


def damping_of(law: Law, parameters: Parameters, data: RunData, stiffness: Array) -> Array:
    """The damping, given or left by lag at this stiffness; only for second-order dynamics."""
    if law.damping == "lag":
        return lagged_damping(stiffness, data.mean_age, parameters["lag_share"])
    return parameters["damping"]


def clock(law: Law, data: RunData) -> tuple[Array, Array]:
    """Learning rate over its peak in each kind of gap and at the start; ones where the law has no schedule."""
    grid = data.grid
    if law.schedule:
        return jnp.asarray(grid.rate), jnp.asarray(grid.start_rate)
    return jnp.ones_like(grid.rate), jnp.ones_like(grid.start_rate)


def origin(law: Law, parameters: Parameters) -> Array:
    """Reward at which the state of a law in the coordinate ``reward`` is zero."""
    return parameters["plateau"] if law.relaxes else jnp.zeros(())


def noise_scale(law: Law, parameters: Parameters, data: RunData, kind: str) -> Array:
    """Variance of a run's noise relative to that stated at the reference group size and prompts; kind: temperature, observation."""
    if law.group_noise == "own":
        return jnp.ones(())
    ratio = data.reference_group / jnp.asarray(data.group_size)
    if law.group_noise == "exponent":
        ratio = ratio ** parameters[f"{kind}_exponent"]
    elif law.group_noise == "split":
        share = parameters[f"{kind}_share"]
        ratio = (share + (1 - share) / data.group_size) / (share + (1 - share) / data.reference_group)
    return ratio / data.relative_prompts


def row_variance(law: Law, parameters: Parameters, data: RunData) -> Array:
    """Observation variance of one log row, shape (n,)."""
    variance = parameters["observation_sd"] ** 2 * noise_scale(law, parameters, data, "observation")
    return variance * jnp.asarray(data.grid.noise) + data.resolution**2


def observations_of(law: Law, parameters: Parameters, data: RunData, zero: Array) -> Observations:
    """The grid's rows as the filter takes them, values relative to ``zero``."""
    grid = data.grid
    return Observations(
        value=jnp.asarray(grid.value) - zero,
        variance=row_variance(law, parameters, data) / grid.repeats,
        observed=jnp.asarray(grid.observed),
        keep=jnp.asarray(grid.keep),
        weight=jnp.asarray(grid.weight),
    )


def linear_state_space(law: Law, parameters: Parameters, data: RunData) -> StateSpace:
    """Assemble transitions, observations and initial state of a law that is linear in the reward; entries of shape (n,)."""
    grid = data.grid
    rate, start_rate = clock(law, data)
    zero = origin(law, parameters)
    position, velocity = parameters["initial_reward"] - zero, jnp.zeros(())
    if law.dynamics == "sigmoid":
        transition = _on_curve(_sigmoid(parameters, jnp.cumsum((grid.gap * rate)[grid.kind])))
        return StateSpace(transition, observations_of(law, parameters, data, zero), position, velocity)
    if law.dynamics == "random_walk":
        k = jnp.zeros_like(rate)
        q = (parameters["step_sd"] * rate) ** 2
    else:
        k = parameters["stiffness"] * rate
        q = jnp.zeros_like(k)
        if law.process_noise:
            q = 2 * parameters["stiffness"] * (parameters["fluctuation"] * rate) ** 2
    q = q * noise_scale(law, parameters, data, "temperature")
    if law.dynamics == "second_order":
        damping = damping_of(law, parameters, data, k)
        transition = second_order(grid.gap, mass_of(law, parameters, data), damping, k, q)
        velocity = -parameters["initial_velocity"] * parameters["stiffness"] * start_rate * position
    else:
        transition = first_order(grid.gap, k, q)
    transition = jax.tree.map(lambda entry: entry[grid.kind], transition)
    return StateSpace(transition, observations_of(law, parameters, data, zero), position, velocity)


def _sigmoid(parameters: Parameters, compute: Array) -> Array:
    """``R0 + (A - R0) / (1 + (Cmid / C)^B)`` (ScaleRL, arXiv 2510.13786) with compute counted in steps."""
    begun = compute > 0
    log_ratio = jnp.log(jnp.where(begun, compute, 1.0)) - jnp.log(parameters["midpoint"])
    share = jnp.where(begun, jax.nn.sigmoid(parameters["steepness"] * log_ratio), 0.0)
    return parameters["initial_reward"] + (parameters["plateau"] - parameters["initial_reward"]) * share


def _on_curve(curve: Array) -> Transition:
    """Motion that forgets where it was: a deterministic curve, as a state space."""
    zero = jnp.zeros_like(curve)
    return Transition(zero, zero, zero, zero, zero, zero, zero, curve, zero)
