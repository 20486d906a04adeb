"""Exact likelihood of a linear-Gaussian reward curve: Kalman filter in JAX, 64-bit.

The state is ``(x - x*, x', a)``: the deviation from the plateau, the velocity, and a running sum that turns the means
over a logging window into ordinary observations. Each row has three steps: the state moves over the row's gap; the sum
becomes ``a <- keep a + (x - x*)``; and where the row is observed, ``y - x* = weight a + noise``. With ``keep = 0`` and
``weight = 1`` every row observes x itself. A row that ends a window of n points has ``weight = 1 / n``, and the points
before it are not observed. Where the reward is not the state but a function of it, the sum takes ``slope x +
intercept`` and gains the variance ``excess``.
"""

from typing import NamedTuple

import jax.numpy as jnp
from jax import lax

from bayes_grpo.laws.oscillator import Transition
from bayes_grpo.laws.shapes import Operand, Rows, Scalar, Values

LOG_TWO_PI = 1.8378770664093453


class Observations(NamedTuple):
    """What is observed in each row; all of shape (n,)."""

    value: Values  # deviation y - x*, reward; ignored where not observed
    variance: Values  # variance of the observation noise, reward^2, above 0
    observed: Values  # 1 where observed, else 0
    keep: Values  # 1 where the running sum goes on, 0 where it starts anew
    weight: Values  # 1 / number of points in the running sum
    slope: Values | None = None  # the sum takes slope x + intercept; None: x itself
    intercept: Values | None = None
    excess: Values | None = None  # variance of the reward about that straight line


class Filtered(NamedTuple):
    """Filter output, one entry a row, shape (n,)."""

    log_density: Values  # log p(y_t | earlier y); 0 where not observed
    mean: Values  # E[x - x* | y up to t]
    variance: Values  # Var[x | y up to t]
    residual: Values  # innovation over its standard deviation; 0 where not observed


class State(NamedTuple):
    """Means of position, velocity and running sum, and their covariances; scalars."""

    x: Scalar
    v: Scalar
    a: Scalar
    xx: Scalar
    xv: Scalar
    vv: Scalar
    xa: Scalar
    va: Scalar
    aa: Scalar


def filter_start(position: Operand, velocity: Operand, variance_x: Operand = 0.0, variance_v: Operand = 0.0) -> State:
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


def moved(t: Transition, x: Scalar, v: Scalar) -> tuple[Scalar, Scalar]:
    """Mean of position and velocity after the gap."""
    x, v = t.f11 * x + t.f12 * v, t.f21 * x + t.f22 * v
    return (x if t.b1 is None else x + t.b1), (v if t.b2 is None else v + t.b2)


def _taken(o: Observations, x: Scalar) -> tuple[Operand, Scalar, Operand]:
    """What the running sum takes from a row: its slope in x, its mean, and the variance about the straight line."""
    if o.slope is None:
        return 1.0, x, 0.0
    rest = 0.0 if o.intercept is None else o.intercept
    return o.slope, o.slope * x + rest, 0.0 if o.excess is None else o.excess


def update(s: State, o: Observations) -> tuple[State, Scalar, Scalar]:
    """Condition on the row's observation; also return the innovation and its variance (0 and 1 where not observed)."""
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
    transition: Transition, observations: Observations, position: Operand, velocity: Operand = 0.0
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


def filter_states(transition: Transition, observations: Observations, start: State) -> tuple[Rows, ...]:
    """Means and covariance x, v, xx, xv, vv of position and velocity after each row, each of shape (n,)."""

    def row(state: State, inputs: tuple[Transition, Observations]) -> tuple[State, tuple[Scalar, ...]]:
        state, _ = filter_row(state, *inputs)
        return state, (state.x, state.v, state.xx, state.xv, state.vv)

    _, states = lax.scan(row, start, (transition, observations))
    return states
