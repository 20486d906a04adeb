"""What a law says of a run: exact densities, smoothed and simulated rewards, and what follows from its parameters.

Laws that are linear in the reward have an exact likelihood; those of `bayes_grpo.laws.linearise` an approximate one. Every function is
pure JAX and for one run; runs that are fitted together are mapped over.
"""

import jax.numpy as jnp
from jax import Array, random

from bayes_grpo.laws.kalman import Filtered, kalman_filter
from bayes_grpo.laws.linearise import linearised, local_stiffness, reward_slope, simulate_state_dependent, to_reward
from bayes_grpo.laws.oscillator import damping_ratio
from bayes_grpo.laws.paths import simulate_path
from bayes_grpo.laws.smoother import kalman_smoother
from bayes_grpo.laws.state_space import (
    Parameters,
    RunData,
    StateSpace,
    absolute,
    damping_of,
    linear_state_space,
    mass_of,
    noise_scale,
    origin,
    row_variance,
)
from bayes_grpo.models.spec import Law


def state_space(law: Law, parameters: Parameters, data: RunData) -> StateSpace:
    """Transitions, observations and initial state, entries of shape (n,)."""
    parameters = absolute(law, parameters, data)
    if law.state_dependent:
        return linearised(law, parameters, data)[0]
    return linear_state_space(law, parameters, data)


def _of_repeats(law: Law, parameters: Parameters, data: RunData) -> Array:
    """Log density of the scatter of log rows that share a step about their mean, shape (n,); 0 for single rows.

    The filter takes their mean; the scatter does not depend on the state.
    """
    grid, variance = data.grid, row_variance(law, parameters, data)
    repeats = jnp.asarray(grid.repeats)
    return -((repeats - 1) * jnp.log(2 * jnp.pi * variance) + jnp.log(repeats) + grid.scatter / variance) / 2


def filtered(law: Law, parameters: Parameters, data: RunData) -> Filtered:
    """Filter output; ``log_density`` holds the pointwise terms log p(y_t | y_<t), shape (n,)."""
    if law.state_dependent:
        found = linearised(law, parameters, data)[1]
    else:
        found = kalman_filter(*state_space(law, parameters, data))
    return found._replace(log_density=found.log_density + _of_repeats(law, parameters, data))


def log_likelihood(law: Law, parameters: Parameters, data: RunData) -> Array:
    """Scalar log-likelihood; minus infinity where the law explodes beyond floating point."""
    total = jnp.sum(filtered(law, parameters, data).log_density)
    return jnp.where(jnp.isfinite(total), total, -jnp.inf)


def leave_one_out(law: Law, parameters: Parameters, data: RunData) -> Array:
    """Pointwise terms log p(y_t | all other y), shape (n,), from the smoother; a step's rows are left out together."""
    smoothed = kalman_smoother(*state_space(law, parameters, data))
    return smoothed.leave_one_out + _of_repeats(law, parameters, data)


def left_out(law: Law, parameters: Parameters, data: RunData, key: Array) -> Array:
    """A draw of each logged reward from p(y_t | all other y), shape (n,); what a leave-one-out predictive check needs."""
    smoothed = kalman_smoother(*state_space(law, parameters, data))
    sd = jnp.sqrt(smoothed.left_out_variance)
    return jnp.asarray(data.grid.value) - smoothed.left_out_residual + sd * random.normal(key, sd.shape)


def expected_reward(law: Law, parameters: Parameters, data: RunData, key: Array) -> Array:
    """A draw of the expected reward in each row given all rows, shape (n,); each row on its own, not a path."""
    found = kalman_smoother(*state_space(law, parameters, data))
    sd = jnp.sqrt(jnp.maximum(found.variance, 0.0))
    return to_reward(law, absolute(law, parameters, data), data, found.mean + sd * random.normal(key, sd.shape))


def simulated(law: Law, parameters: Parameters, data: RunData, key: Array) -> tuple[Array, Array]:
    """Draw a path of the expected reward and the rewards logged along it, each of shape (n,)."""
    if law.state_dependent:
        path, logged = simulate_state_dependent(law, parameters, data, key)
        return to_reward(law, parameters, data, path), logged
    path, logged = simulate_path(*state_space(law, parameters, data), key)
    zero = origin(law, absolute(law, parameters, data))
    return path + zero, logged + zero


def derived(law: Law, parameters: Parameters, data: RunData) -> dict[str, Array]:
    """Quantities that follow from the parameters; what the law fixes is not among them (see `fixed`).

    Of state-dependent laws they are those of the law linearised about its plateau.
    """
    if not law.relaxes:
        return {}
    stated, parameters = parameters, absolute(law, parameters, data)
    out = {name: parameters[name] for name in parameters if name not in stated}
    stiffness = local_stiffness(law, parameters, data)
    out["timescale"] = 1 / stiffness
    if law.dynamics == "second_order":
        damping = damping_of(law, parameters, data, stiffness)
        if law.damping == "lag":
            out["damping"] = damping
        out["damping_ratio"] = damping_ratio(mass_of(law, parameters, data), damping, stiffness)
    if law.process_noise:
        slope = reward_slope(law, parameters, data) * (4 / data.reward_range if law.coordinate == "logit" else 1.0)
        noise = 2 * parameters["stiffness"] * (parameters["fluctuation"] * slope) ** 2
        out["temperature"] = noise * noise_scale(law, parameters, data, "temperature") * data.group_size
    return out


def fixed(law: Law, closed_form_mass: float) -> dict[str, float]:
    """Quantities the law itself fixes: first-order dynamics have unit damping and no mass, hence no finite ratio."""
    out: dict[str, float] = {}
    if law.dynamics == "first_order":
        out |= {"damping": 1.0, "mass": 0.0, "damping_ratio": float("inf")}
    elif law.mass == "closed_form":
        out["mass"] = float(closed_form_mass)
    if law.relaxes and not law.process_noise:
        out["temperature"] = 0.0
    return out
