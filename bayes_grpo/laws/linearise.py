"""Laws whose drift depends on the state: bounded rewards (logit coordinate) and finite groups.

With p the place of the expected reward between its bounds and p* that of the plateau, the bounded law is the oscillator's in
the logit z of p,

    m z'' + c z' = 4 k(t) phi_G(p) (p* - p) + sqrt(q(t)) w(t),   p = 1 / (1 + exp(-z)),

so without mass ``p' = k(t) phi_G(p) 4 p (1 - p) (p* - p)``: the overdamped law times what a softmax policy and a finite group
leave of the gradient, with k the stiffness at p = 1/2 and infinite groups. Noise is constant in z; ``fluctuation`` is its
effect on the reward at p = 1/2. p never leaves [0, 1].

The filter is a Gauss-Hermite (with 3 nodes: unscented) Kalman filter in z: in each row drift and reward are replaced by the
straight lines that fit them best under the filter's own uncertainty (statistical linearisation; Särkkä 2013, chapter 6),
and the linear motion over the gap is exact. What comes out is an ordinary linear state space.
"""

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array, lax, random
from jax.typing import ArrayLike

from bayes_grpo.laws.finite_groups import finite_group_factor
from bayes_grpo.laws.kalman import Filtered, filter_row, filter_start
from bayes_grpo.laws.oscillator import Transition, first_order, mean_exp, second_order
from bayes_grpo.laws.paths import Restart, restarted
from bayes_grpo.laws.state_space import (
    Parameters,
    RunData,
    StateSpace,
    clock,
    damping_of,
    mass_of,
    noise_scale,
    observations_of,
    origin,
)
from bayes_grpo.models.spec import Law

# Nodes and weights of the standard normal.
_NODES, _WEIGHTS = np.polynomial.hermite_e.hermegauss(5)
_WEIGHTS = _WEIGHTS / _WEIGHTS.sum()

#: The table of the finite-group factor: logits of p from -_REACH to _REACH.
_REACH, _STEP = 14.0, 0.25
#: A place between the bounds is kept this far inside them where its logit is taken.
_INSIDE = 1e-6
#: Motion over a gap is simulated in this many parts.
_PARTS = 4
#: Restoring rates nearer to zero than this (1/step) are taken as this.
_LEAST_PULL = 1e-6


def group_factor_table(group_size: float | None) -> np.ndarray:
    """Log of the finite-group factor, TRL's divisor G - 1 included, on a regular grid of logits; zeros where G is unknown."""
    logits = np.arange(-_REACH, _REACH + _STEP / 2, _STEP)
    if group_size is None:
        return np.zeros_like(logits)
    factor = np.asarray(finite_group_factor(1 / (1 + np.exp(-logits)), round(group_size)))
    table: np.ndarray = np.log(factor) + np.log1p(-1 / group_size) / 2
    return table


def group_factor(table: ArrayLike, logit: Array) -> Array:
    """Finite-group factor at a logit of p: cubic interpolation of the table's logs, straight lines beyond its ends."""
    table = jnp.asarray(table)
    place = (logit + _REACH) / _STEP
    last = table.shape[-1] - 1
    left = jnp.clip(jnp.floor(place).astype(int), 1, last - 2)
    t = jnp.clip(place - left, -1.0, 2.0)
    table = jnp.asarray(table)
    y0, y1, y2, y3 = (table[left + i] for i in (-1, 0, 1, 2))
    cubic = y1 + t / 2 * (y2 - y0 + t * (2 * y0 - 5 * y1 + 4 * y2 - y3 + t * (3 * (y1 - y2) + y3 - y0)))
    low, high = jnp.minimum(place, 0.0), jnp.maximum(place - last, 0.0)
    return jnp.exp(cubic + low * (table[1] - table[0]) + high * (table[last] - table[last - 1]))


def place_of(data: RunData, reward: Array) -> Array:
    """Where a reward lies between its bounds, 0 to 1."""
    return (reward - data.reward_lower) / data.reward_range


def _logit(place: Array) -> Array:
    inside = jnp.clip(place, _INSIDE, 1 - _INSIDE)
    return jnp.log(inside) - jnp.log1p(-inside)


def local_stiffness(law: Law, parameters: Parameters, data: RunData) -> Array:
    """Pull at the plateau (1/step): what the linear laws call stiffness."""
    place = place_of(data, parameters["plateau"])
    pull = parameters["stiffness"]
    if law.coordinate == "logit":
        pull = pull * 4 * place * (1 - place)
    if law.finite_groups:
        pull = pull * group_factor(data.log_group_factor, _logit(place))
    return pull


def reward_slope(law: Law, parameters: Parameters, data: RunData) -> Array:
    """Change of the reward with the law's coordinate at the plateau."""
    if law.coordinate == "reward":
        return jnp.ones(())
    place = place_of(data, parameters["plateau"])
    return data.reward_range * place * (1 - place)


def to_reward(law: Law, parameters: Parameters, data: RunData, state: Array) -> Array:
    """Reward of a position in the law's coordinate."""
    if law.coordinate == "logit":
        return data.reward_lower + data.reward_range * jax.nn.sigmoid(state)
    return state + origin(law, parameters)


def _force(law: Law, parameters: Parameters, data: RunData, rate: Array, state: Array) -> Array:
    """Drift of the state, at unit damping without mass its velocity; shape of ``state``."""
    if law.coordinate == "logit":
        logit = state
        pull = 4 * (place_of(data, parameters["plateau"]) - jax.nn.sigmoid(state))
    else:
        logit = _logit(place_of(data, to_reward(law, parameters, data, state)))
        pull = -state
    if law.finite_groups:
        pull = pull * group_factor(data.log_group_factor, logit)
    return parameters["stiffness"] * rate * pull


def _noise(law: Law, parameters: Parameters, data: RunData, rate: Array) -> Array:
    if not law.process_noise:
        return jnp.zeros_like(rate)
    unit = 4 / data.reward_range if law.coordinate == "logit" else 1.0
    scale = noise_scale(law, parameters, data, "temperature")
    return 2 * parameters["stiffness"] * (parameters["fluctuation"] * unit * rate) ** 2 * scale


def _motion(
    law: Law, parameters: Parameters, data: RunData, gap: Array, rate: Array, x: Array, variance: Array
) -> Transition:
    """Exact motion over a gap of the law linearised about a state of given mean and variance; scalars."""
    states = x + jnp.sqrt(variance) * _NODES
    forces, slopes = jax.jvp(lambda z: _force(law, parameters, data, rate, z), (states,), (jnp.ones_like(states),))
    force, pull = _WEIGHTS @ forces, -(_WEIGHTS @ slopes)
    q = _noise(law, parameters, data, rate)
    if law.dynamics == "first_order":
        linear = first_order(gap, pull, q)
        shift = gap * mean_exp(-pull * gap)
        return linear._replace(b1=(1 - linear.f11) * x + force * shift, b2=jnp.zeros_like(x))
    mass = mass_of(law, parameters, data)
    pull = jnp.where(jnp.abs(pull) < _LEAST_PULL, _LEAST_PULL, pull)
    linear = second_order(gap, mass, damping_of(law, parameters, data, pull), pull, q)
    rest = x + force / pull
    return linear._replace(b1=(1 - linear.f11) * rest, b2=-linear.f21 * rest)


def _seen(law: Law, parameters: Parameters, data: RunData, x: Array, variance: Array) -> tuple[Array, Array, Array]:
    """Reward as a straight line in the state: slope, intercept, and variance about the line."""
    if law.coordinate == "reward":
        return jnp.ones_like(x), jnp.zeros_like(x), jnp.zeros_like(x)
    share = jax.nn.sigmoid(x + jnp.sqrt(variance) * _NODES)
    mean, slope = _WEIGHTS @ share, _WEIGHTS @ (share * (1 - share))
    excess = jnp.maximum(_WEIGHTS @ (share - mean) ** 2 - slope**2 * variance, 0.0)
    span = data.reward_range
    intercept = data.reward_lower + span * (mean - slope * x)
    return jnp.asarray(span * slope), jnp.asarray(intercept), jnp.asarray(span**2 * excess)


def _initial(law: Law, parameters: Parameters, data: RunData) -> tuple[Array, Array]:
    if law.coordinate == "logit":
        position = _logit(place_of(data, parameters["initial_reward"]))
    else:
        position = parameters["initial_reward"] - origin(law, parameters)
    if law.dynamics == "first_order":
        return position, jnp.zeros(())
    start_rate = clock(law, data)[1]
    return position, parameters["initial_velocity"] * _force(law, parameters, data, start_rate, position)


def _zero(law: Law, parameters: Parameters) -> Array:
    """What observed rewards are relative to: the logit law observes the reward itself."""
    return jnp.zeros(()) if law.coordinate == "logit" else origin(law, parameters)


def linearised(law: Law, parameters: Parameters, data: RunData) -> tuple[StateSpace, Filtered]:
    """Run the filter; return the linear state space it made of the law and its output, entries of shape (n,)."""
    grid = data.grid
    rate, _ = clock(law, data)
    position, velocity = _initial(law, parameters, data)

    def row(state, inputs):  # type: ignore[no-untyped-def]
        gap, rate, o = inputs
        motion = _motion(law, parameters, data, gap, rate, state.x, _root_safe(state.xx))
        x = motion.f11 * state.x + motion.f12 * state.v + motion.b1
        ahead = motion.f11 * (motion.f11 * state.xx + 2 * motion.f12 * state.xv) + motion.f12**2 * state.vv + motion.q11
        slope, intercept, excess = _seen(law, parameters, data, x, _root_safe(ahead))
        o = o._replace(slope=slope, intercept=intercept, excess=excess)
        state, filtered = filter_row(state, motion, o)
        return state, (motion, o, filtered)

    rows = (
        jnp.asarray(grid.gap)[grid.kind],
        rate[grid.kind],
        observations_of(law, parameters, data, _zero(law, parameters)),
    )
    _, (motion, observations, filtered) = lax.scan(jax.checkpoint(row), filter_start(position, velocity), rows)
    return StateSpace(motion, observations, position, velocity), filtered


def _root_safe(variance: Array) -> Array:
    """A variance whose square root has a gradient: known states have none."""
    return jnp.maximum(variance, 1e-18)


def simulate_state_dependent(
    law: Law, parameters: Parameters, data: RunData, key: Array | None, restart: Restart | None = None
) -> tuple[Array, Array]:
    """Draw a path of the state and the rewards logged along it, each of shape (n,); as `bayes_grpo.laws.paths.simulate_path`."""
    grid = data.grid
    rate, _ = clock(law, data)
    zero = _zero(law, parameters)
    observations = observations_of(law, parameters, data, zero)

    def part(state, inputs):  # type: ignore[no-untyped-def]
        x, v, gap, rate = state
        t = _motion(law, parameters, data, gap, rate, x, jnp.asarray(1e-18))
        root = jnp.sqrt(t.q11)
        cross = jnp.where(root > 0, t.q12 / jnp.where(root > 0, root, 1.0), 0.0)
        rest = jnp.sqrt(jnp.maximum(t.q22 - cross**2, 0.0))
        x, v = t.f11 * x + t.f12 * v + t.b1, t.f21 * x + t.f22 * v + t.b2
        return (x + root * inputs[0], v + cross * inputs[0] + rest * inputs[1], gap, rate), None

    def row(state, inputs):  # type: ignore[no-untyped-def]
        x, v, a = state
        gap, rate, o, z, noise, place = inputs
        (x, v, _, _), _ = lax.scan(part, (x, v, gap / _PARTS, rate), z)
        x, v = restarted(restart, place, x, v)
        seen = to_reward(law, parameters, data, x) - zero
        a = o.keep * a + seen
        return (x, v, a), (x, o.weight * a + jnp.sqrt(o.variance) * noise)

    n = grid.kind.shape[0]
    path_noise, row_noise = jnp.zeros((n, _PARTS, 2)), jnp.zeros(n)
    if key is not None:
        key_path, key_noise = random.split(key)
        path_noise, row_noise = random.normal(key_path, path_noise.shape), random.normal(key_noise, row_noise.shape)
    rows = (
        jnp.asarray(grid.gap)[grid.kind],
        rate[grid.kind],
        observations,
        path_noise,
        row_noise,
        jnp.arange(n),
    )
    start = (*_initial(law, parameters, data), jnp.zeros(()))
    _, (path, logged) = lax.scan(row, start, rows)
    return path, logged + zero
