"""Exact likelihood of a linear-Gaussian reward curve: Kalman filter and smoother in JAX, 64-bit.

The state is ``(x - x*, x', a)``: deviation from the plateau, velocity, and the running sum that turns window means
into ordinary observations. In each row the state first moves over the row's gap, then ``a <- keep a + (x - x*)``,
then ``y - x* = weight a + noise`` is observed where the mask says so. With ``keep = 0`` and ``weight = 1`` every row
observes x itself; a row that ends a window of n points has ``weight = 1 / n`` and the points before it are unobserved.
Where the reward is not the state but a function of it, the sum takes ``slope x + intercept`` and gains variance ``excess``.
"""

from typing import Any, NamedTuple

import jax.numpy as jnp
from jax import Array, lax, random
from jax.typing import ArrayLike

from bayes_grpo.dynamics import Transition

_LOG_TWO_PI = 1.8378770664093453


class Observations(NamedTuple):
    """What is observed in each row, all of shape (n,)."""

    value: Array  # deviation y - x*, reward; ignored where masked out
    variance: Array  # observation noise variance, reward^2, > 0
    observed: Array  # 1 where observed, else 0
    keep: Array  # 1 where the running sum goes on, 0 where it restarts
    weight: Array  # 1 / number of points in the running sum
    slope: Array | None = None  # what the running sum takes of x; None: x itself
    intercept: Array | None = None
    excess: Array | None = None  # variance of what the linear form leaves out


class Smoothed(NamedTuple):
    """State in each row given all observations, and each observation's density given all others, shape (n,)."""

    mean: Array  # E[x - x* | all y]
    variance: Array  # Var[x | all y]
    leave_one_out: Array  # log p(y_t | all other y); 0 where unobserved
    left_out_residual: Array  # y_t - E[y_t | all other y]
    left_out_variance: Array  # Var[y_t | all other y]


class Filtered(NamedTuple):
    """Filter output, one entry a row, shape (n,)."""

    log_density: Array  # log p(y_t | earlier y); 0 where unobserved
    mean: Array  # E[x - x* | y up to t]
    variance: Array  # Var[x | y up to t]
    residual: Array  # innovation over its standard deviation; 0 where unobserved


class Restart(NamedTuple):
    """Where a simulated path is set anew: the row, and position and velocity after it."""

    row: ArrayLike
    position: Array
    velocity: Array


def restarted(restart: Restart | None, row: Array, x: Array, v: Array) -> tuple[Array, Array]:
    """Position and velocity after a row, set anew where the restart says so."""
    if restart is None:
        return x, v
    here = row == restart.row
    return jnp.where(here, restart.position, x), jnp.where(here, restart.velocity, v)


class _State(NamedTuple):
    x: Array
    v: Array
    a: Array
    xx: Array
    xv: Array
    vv: Array
    xa: Array
    va: Array
    aa: Array


def filter_start(position: ArrayLike, velocity: ArrayLike) -> _State:
    """State of the filter before the first gap: known exactly."""
    zero = jnp.zeros(())
    return _State(jnp.asarray(position, float), jnp.asarray(velocity, float), *([zero] * 7))


def _start_stationary(variance_x: ArrayLike, variance_v: ArrayLike) -> _State:
    zero = jnp.zeros(())
    return _State(zero, zero, zero, jnp.asarray(variance_x), zero, jnp.asarray(variance_v), zero, zero, zero)


def _predict(s: _State, t: Transition, o: Observations) -> _State:
    ax, av = t.f11 * s.xx + t.f12 * s.xv, t.f11 * s.xv + t.f12 * s.vv
    bx, bv = t.f21 * s.xx + t.f22 * s.xv, t.f21 * s.xv + t.f22 * s.vv
    xx = ax * t.f11 + av * t.f12 + t.q11
    xv = ax * t.f21 + av * t.f22 + t.q12
    vv = bx * t.f21 + bv * t.f22 + t.q22
    old_xa = o.keep * (t.f11 * s.xa + t.f12 * s.va)
    old_va = o.keep * (t.f21 * s.xa + t.f22 * s.va)
    x, v = moved(t, s.x, s.v)
    slope, taken, excess = _taken(o, x)
    return _State(
        x=x,
        v=v,
        a=o.keep * s.a + taken,
        xx=xx,
        xv=xv,
        vv=vv,
        xa=old_xa + slope * xx,
        va=old_va + slope * xv,
        aa=o.keep * s.aa + slope * (2 * old_xa + slope * xx) + excess,
    )


def moved(t: Transition, x: Array, v: Array) -> tuple[Array, Array]:
    """Mean of position and velocity after the gap."""
    x, v = t.f11 * x + t.f12 * v, t.f21 * x + t.f22 * v
    return (x if t.b1 is None else x + t.b1), (v if t.b2 is None else v + t.b2)


def _taken(o: Observations, x: Array) -> tuple[ArrayLike, Array, ArrayLike]:
    """What the running sum takes of a row: slope, mean and excess variance."""
    if o.slope is None:
        return 1.0, x, 0.0
    rest = 0.0 if o.intercept is None else o.intercept
    return o.slope, o.slope * x + rest, 0.0 if o.excess is None else o.excess


def _update(s: _State, o: Observations) -> tuple[_State, Array, Array]:
    """Condition on the row's observation; also return innovation and its variance (0 and 1 where unobserved)."""
    seen = o.observed > 0
    innovation = jnp.where(seen, o.value - o.weight * s.a, 0.0)
    total = jnp.where(seen, o.weight**2 * s.aa + o.variance, 1.0)
    gain = jnp.where(seen, o.weight / total, 0.0)
    gx, gv, ga = s.xa * gain, s.va * gain, s.aa * gain
    step = o.weight
    return (
        _State(
            x=s.x + gx * innovation,
            v=s.v + gv * innovation,
            a=s.a + ga * innovation,
            xx=s.xx - gx * s.xa * step,
            xv=s.xv - gx * s.va * step,
            vv=s.vv - gv * s.va * step,
            xa=s.xa - gx * s.aa * step,
            va=s.va - gv * s.aa * step,
            aa=s.aa - ga * s.aa * step,
        ),
        innovation,
        total,
    )


def kalman_filter(
    transition: Transition, observations: Observations, position: ArrayLike, velocity: ArrayLike = 0.0
) -> Filtered:
    """Filter a reward curve that starts from a known state.

    Parameters
    ----------
    transition : Transition
        Motion over the gap before each row, entries of shape (n,).
    observations : Observations
        What is observed, entries of shape (n,).
    position, velocity : float
        ``x - x*`` (reward) and ``x'`` (reward/step) before the first gap.

    Returns
    -------
    Filtered
        The log-likelihood is ``log_density.sum()``.
    """
    return _filter(transition, observations, filter_start(position, velocity))


def kalman_filter_stationary(
    transition: Transition, observations: Observations, variance_x: ArrayLike, variance_v: ArrayLike
) -> Filtered:
    """Filter a curve that starts in the stationary state about its plateau (variances from `stationary_variance`)."""
    return _filter(transition, observations, _start_stationary(variance_x, variance_v))


def filter_row(state: "_State", transition: Transition, observations: Observations) -> tuple["_State", Filtered]:
    """One row of the filter: move, then condition on what is observed; scalars."""
    state, innovation, total = _update(_predict(state, transition, observations), observations)
    squared = innovation * innovation / total
    log_density = jnp.where(observations.observed > 0, -0.5 * (_LOG_TWO_PI + jnp.log(total) + squared), 0.0)
    return state, Filtered(log_density, state.x, state.xx, innovation / jnp.sqrt(total))


def _filter(transition: Transition, observations: Observations, start: _State) -> Filtered:
    _, filtered = lax.scan(lambda state, row: filter_row(state, *row), start, (transition, observations))
    return filtered


def filter_states(transition: Transition, observations: Observations, start: "_State") -> tuple[Array, ...]:
    """Position and velocity after each row's observation: means and covariance x, v, xx, xv, vv, each of shape (n,)."""

    def row(state: _State, inputs: tuple[Transition, Observations]) -> tuple[_State, tuple[Array, ...]]:
        state, _ = filter_row(state, *inputs)
        return state, (state.x, state.v, state.xx, state.xv, state.vv)

    _, states = lax.scan(row, start, (transition, observations))
    return states


def kalman_smoother(
    transition: Transition, observations: Observations, position: ArrayLike, velocity: ArrayLike = 0.0
) -> Smoothed:
    """Mean and variance of ``x - x*`` given all observations, and leave-one-out densities.

    Modified Bryson-Frazier form (Bierman 1973): no predicted covariance is inverted, so singular ones (known start,
    no process noise, first-order models) are ordinary. The same backward pass gives, with the innovation over its variance
    and the gain, ``p(y_t | all other y)`` (de Jong 1989, "Smoothing and interpolation with the state-space model").
    """

    def forward(state: _State, inputs: tuple[Transition, Observations]) -> tuple[_State, tuple[Array, ...]]:
        t, o = inputs
        before = _predict(state, t, o)
        after, innovation, total = _update(before, o)
        mean = jnp.stack([before.x, before.v, before.a])
        covariance = jnp.array(
            [
                [before.xx, before.xv, before.xa],
                [before.xv, before.vv, before.va],
                [before.xa, before.va, before.aa],
            ]
        )
        return after, (mean, covariance, innovation, total)

    def backward(carry: tuple[Array, Array], inputs: Any) -> tuple[tuple[Array, Array], tuple[Array, ...]]:
        score, information = carry
        t, o, mean, covariance, innovation, total = inputs
        h = jnp.stack([jnp.zeros(()), jnp.zeros(()), o.weight * o.observed])
        gain = covariance @ h / total
        error, precision = innovation / total + gain @ score, 1 / total + gain @ information @ gain
        density = -0.5 * (_LOG_TWO_PI - jnp.log(precision) + error**2 / precision)
        rest = jnp.eye(3) - jnp.outer(gain, h)
        score = rest.T @ score - h * innovation / total
        information = rest.T @ information @ rest + jnp.outer(h, h) / total
        smoothed = mean - covariance @ score, covariance - covariance @ information @ covariance
        zero = jnp.zeros(())
        slope = 1.0 if o.slope is None else o.slope
        motion = jnp.array([[t.f11, t.f12, zero], [t.f21, t.f22, zero], [slope * t.f11, slope * t.f12, o.keep]])
        left_out = jnp.where(o.observed > 0, density, 0.0)
        out = (smoothed[0][0], smoothed[1][0, 0], left_out, error / precision, 1 / precision)
        return (motion.T @ score, motion.T @ information @ motion), out

    rows = (transition, observations)
    _, saved = lax.scan(forward, filter_start(position, velocity), rows)
    start = (jnp.zeros(3), jnp.zeros((3, 3)))
    inputs: Any = (*rows, *saved)
    _, smoothed = lax.scan(backward, start, inputs, reverse=True)
    return Smoothed(*smoothed)


def simulate_path(
    transition: Transition,
    observations: Observations,
    position: ArrayLike,
    velocity: ArrayLike,
    key: Array | None,
    restart: Restart | None = None,
) -> tuple[Array, Array]:
    """Draw one path of ``x - x*`` and the observations along it, two arrays of shape (n,).

    ``observations.value`` is not used. Rows that are not observed get a value too. Without a key there is no noise, with
    a restart the path goes on from there.
    """

    def row(
        state: tuple[Array, Array, Array], inputs: tuple[Transition, Observations, Array, Array]
    ) -> tuple[tuple[Array, Array, Array], tuple[Array, Array]]:
        x, v, a = state
        t, o, z, place = inputs
        # Cholesky factor of the 2 x 2 process noise, with zero noise allowed.
        root = jnp.sqrt(t.q11)
        cross = jnp.where(root > 0, t.q12 / jnp.where(root > 0, root, 1.0), 0.0)
        rest = jnp.sqrt(jnp.maximum(t.q22 - cross**2, 0.0))
        x, v = moved(t, x, v)
        x, v = restarted(restart, place, x + root * z[0], v + cross * z[0] + rest * z[1])
        a = o.keep * a + x
        return (x, v, a), (x, o.weight * a + jnp.sqrt(o.variance) * z[2])

    n = transition.f11.shape[0]
    normals = jnp.zeros((n, 3)) if key is None else random.normal(key, (n, 3))
    start = (jnp.asarray(position, float), jnp.asarray(velocity, float), jnp.zeros(()))
    _, (path, logged) = lax.scan(row, start, (transition, observations, normals, jnp.arange(n)))
    return path, logged
