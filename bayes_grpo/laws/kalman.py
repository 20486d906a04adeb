"""Exact likelihood of a linear-Gaussian reward curve: Kalman filter in JAX, 64-bit.

The state is ``(x - x*, x', a)``: deviation from the plateau, velocity, and the running sum that turns window means
into ordinary observations. In each row the state first moves over the row's gap, then ``a <- keep a + (x - x*)``,
then ``y - x* = weight a + noise`` is observed where the mask says so. With ``keep = 0`` and ``weight = 1`` every row
observes x itself; a row that ends a window of n points has ``weight = 1 / n`` and the points before it are unobserved.
Where the reward is not the state but a function of it, the sum takes ``slope x + intercept`` and gains variance ``excess``.
"""

from typing import NamedTuple

import jax.numpy as jnp
from jax import Array, lax
from jax.typing import ArrayLike

from bayes_grpo.laws.oscillator import Transition

LOG_TWO_PI = 1.8378770664093453


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


class Filtered(NamedTuple):
    """Filter output, one entry a row, shape (n,)."""

    log_density: Array  # log p(y_t | earlier y); 0 where unobserved
    mean: Array  # E[x - x* | y up to t]
    variance: Array  # Var[x | y up to t]
    residual: Array  # innovation over its standard deviation; 0 where unobserved


class State(NamedTuple):
    """Means of position, velocity and running sum, and their covariances."""

    x: Array
    v: Array
    a: Array
    xx: Array
    xv: Array
    vv: Array
    xa: Array
    va: Array
    aa: Array


def filter_start(
    position: ArrayLike, velocity: ArrayLike, variance_x: ArrayLike = 0.0, variance_v: ArrayLike = 0.0
) -> State:
    """State of the filter before the first gap: known exactly, or with independent errors of these variances."""
    x, v, xx, vv = (jnp.asarray(value, float) for value in (position, velocity, variance_x, variance_v))
    zero = jnp.zeros(())
    return State(x, v, zero, xx, zero, vv, zero, zero, zero)


def predict(s: State, t: Transition, o: Observations) -> State:
    """State after the row's gap, before its observation."""
    ax, av = t.f11 * s.xx + t.f12 * s.xv, t.f11 * s.xv + t.f12 * s.vv
    bx, bv = t.f21 * s.xx + t.f22 * s.xv, t.f21 * s.xv + t.f22 * s.vv
    xx = ax * t.f11 + av * t.f12 + t.q11
    xv = ax * t.f21 + av * t.f22 + t.q12
    vv = bx * t.f21 + bv * t.f22 + t.q22
    old_xa = o.keep * (t.f11 * s.xa + t.f12 * s.va)
    old_va = o.keep * (t.f21 * s.xa + t.f22 * s.va)
    x, v = moved(t, s.x, s.v)
    slope, taken, excess = _taken(o, x)
    return State(
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


def update(s: State, o: Observations) -> tuple[State, Array, Array]:
    """Condition on the row's observation; also return innovation and its variance (0 and 1 where unobserved)."""
    seen = o.observed > 0
    innovation = jnp.where(seen, o.value - o.weight * s.a, 0.0)
    total = jnp.where(seen, o.weight**2 * s.aa + o.variance, 1.0)
    gain = jnp.where(seen, o.weight / total, 0.0)
    gx, gv, ga = s.xa * gain, s.va * gain, s.aa * gain
    step = o.weight
    return (
        State(
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
    return filter_from(filter_start(position, velocity), transition, observations)


def filter_row(state: State, transition: Transition, observations: Observations) -> tuple[State, Filtered]:
    """One row of the filter: move, then condition on what is observed; scalars."""
    state, innovation, total = update(predict(state, transition, observations), observations)
    squared = innovation * innovation / total
    log_density = jnp.where(observations.observed > 0, -0.5 * (LOG_TWO_PI + jnp.log(total) + squared), 0.0)
    return state, Filtered(log_density, state.x, state.xx, innovation / jnp.sqrt(total))


def filter_from(start: State, transition: Transition, observations: Observations) -> Filtered:
    """Filter a reward curve from any state before the first gap."""
    _, filtered = lax.scan(lambda state, row: filter_row(state, *row), start, (transition, observations))
    return filtered


def filter_states(transition: Transition, observations: Observations, start: State) -> tuple[Array, ...]:
    """Position and velocity after each row's observation: means and covariance x, v, xx, xv, vv, each of shape (n,)."""

    def row(state: State, inputs: tuple[Transition, Observations]) -> tuple[State, tuple[Array, ...]]:
        state, _ = filter_row(state, *inputs)
        return state, (state.x, state.v, state.xx, state.xv, state.vv)

    _, states = lax.scan(row, start, (transition, observations))
    return states
