"""From a model's parameters and a run's grid to an exact likelihood: the one place where the law is written.

Every function is pure JAX and takes the run as data, so a program compiled for one run serves all of its length.
"""

from collections.abc import Mapping
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax import Array

from bayes_grpo.dynamics import Transition, damping_ratio, first_order, second_order
from bayes_grpo.grid import Grid
from bayes_grpo.kalman import Filtered, Observations, kalman_filter, kalman_smoother, simulate_path
from bayes_grpo.spec import ModelSpec

Parameters = Mapping[str, Array]

#: Unit of every parameter and derived quantity.
UNITS = {
    "plateau": "reward",
    "initial_reward": "reward",
    "stiffness": "1/step",
    "timescale": "step",
    "damping": "1",
    "damping_ratio": "1",
    "mass": "step",
    "temperature": "reward^2/step",
    "fluctuation": "reward",
    "observation_sd": "reward",
    "initial_velocity": "1",
}


class RunData(NamedTuple):
    """A run as the argument of a compiled program: grid, prior arguments, and the scalars the law needs.

    ``resolution`` (reward) is the least standard deviation of a logged reward: a curve that ends in exactly equal values,
    as after a collapse to 0, would else have unbounded likelihood at zero noise.
    """

    grid: Grid
    priors: dict[str, dict[str, float]]
    closed_form_mass: float
    group_size: float
    resolution: float


class StateSpace(NamedTuple):
    """The law at given parameters: motion, observations (as deviations from the plateau) and the initial state."""

    transition: Transition
    observations: Observations
    position: Array
    velocity: Array


def mass_of(spec: ModelSpec, parameters: Parameters, data: RunData) -> Array:
    """The mass, given or computed; only for second-order dynamics."""
    return parameters["mass"] if spec.mass == "parameter" else jnp.asarray(data.closed_form_mass)


def state_space(spec: ModelSpec, parameters: Parameters, data: RunData) -> StateSpace:
    """Assemble transitions, observations and initial state; entries of shape (n,)."""
    grid = data.grid
    plateau, stiffness = parameters["plateau"], parameters["stiffness"]
    k = stiffness * grid.rate
    q = 2 * stiffness * (parameters["fluctuation"] * grid.rate) ** 2 if spec.process_noise else jnp.zeros_like(k)
    position = parameters["initial_reward"] - plateau
    if spec.dynamics == "second_order":
        transition = second_order(grid.gap, mass_of(spec, parameters, data), parameters["damping"], k, q)
        velocity = -parameters["initial_velocity"] * stiffness * grid.start_rate * position
    else:
        transition = first_order(grid.gap, k, q)
        velocity = jnp.zeros(())
    transition = jax.tree.map(lambda entry: entry[grid.kind], transition)
    observations = Observations(
        value=jnp.asarray(grid.value) - plateau,
        variance=_row_variance(parameters, data) / grid.repeats,
        observed=jnp.asarray(grid.observed),
        keep=jnp.asarray(grid.keep),
        weight=jnp.asarray(grid.weight),
    )
    return StateSpace(transition, observations, position, velocity)


def _row_variance(parameters: Parameters, data: RunData) -> Array:
    """Observation variance of one log row, shape (n,)."""
    return parameters["observation_sd"] ** 2 * jnp.asarray(data.grid.noise) + data.resolution**2


def filtered(spec: ModelSpec, parameters: Parameters, data: RunData) -> Filtered:
    """Exact filter; ``log_density`` holds the pointwise terms log p(y_t | y_<t), shape (n,).

    Where several log rows share a step their mean is filtered, and their scatter about it, which does not depend on the
    state, completes the density of all of them.
    """
    found = kalman_filter(*state_space(spec, parameters, data))
    grid, variance = data.grid, _row_variance(parameters, data)
    more = (grid.repeats - 1) * jnp.log(2 * jnp.pi * variance) + jnp.log(grid.repeats) + grid.scatter / variance
    return found._replace(log_density=found.log_density - more / 2)


def smoothed(spec: ModelSpec, parameters: Parameters, data: RunData) -> tuple[Array, Array]:
    """Mean and variance of the expected reward x given all rows, each of shape (n,)."""
    mean, variance = kalman_smoother(*state_space(spec, parameters, data))
    return mean + parameters["plateau"], variance


def simulated(spec: ModelSpec, parameters: Parameters, data: RunData, key: Array) -> tuple[Array, Array]:
    """Draw a path of the expected reward and the rewards logged along it, each of shape (n,)."""
    path, logged = simulate_path(*state_space(spec, parameters, data), key)
    return path + parameters["plateau"], logged + parameters["plateau"]


def derived(spec: ModelSpec, parameters: Parameters, data: RunData) -> dict[str, Array]:
    """Quantities that follow from the parameters; what the law fixes is not among them (see `fixed`)."""
    stiffness = parameters["stiffness"]
    out = {"timescale": 1 / stiffness}
    if spec.dynamics == "second_order":
        mass = mass_of(spec, parameters, data)
        out["damping_ratio"] = damping_ratio(mass, parameters["damping"], stiffness)
    if spec.process_noise:
        out["temperature"] = 2 * stiffness * parameters["fluctuation"] ** 2 * data.group_size
    return out


def fixed(spec: ModelSpec, closed_form_mass: float) -> dict[str, float]:
    """Quantities the law itself fixes: first-order dynamics have unit damping and no mass, hence no finite ratio."""
    out: dict[str, float] = {}
    if spec.dynamics == "first_order":
        out |= {"damping": 1.0, "mass": 0.0, "damping_ratio": float("inf")}
    elif spec.mass == "closed_form":
        out["mass"] = float(closed_form_mass)
    if not spec.process_noise:
        out["temperature"] = 0.0
    return out


def log_likelihood(spec: ModelSpec, parameters: Parameters, data: RunData) -> Array:
    """Scalar log-likelihood; minus infinity where the law explodes beyond floating point."""
    total = jnp.sum(filtered(spec, parameters, data).log_density)
    return jnp.where(jnp.isfinite(total), total, -jnp.inf)
