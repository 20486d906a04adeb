"""Exact likelihood of a linear-Gaussian reward curve: Kalman filter in JAX, 64-bit.

The state is ``(x - x*, x')``: deviation from the plateau, and velocity. In each row the state moves over the row's gap,
and ``y - x* = a + noise`` is observed where the mask says so, with a the deviation after the gap, or its mean over the
row's window. Where the reward is not the state but a function of it, ``slope a + intercept`` is observed, with variance
``excess`` about the line.
"""

from typing import NamedTuple

import jax.numpy as jnp
from jax import Array
from jax.typing import ArrayLike

from bayes_grpo.laws.motion import Motion, scan_rows
from bayes_grpo.laws.oscillator import Transition
from bayes_grpo.laws.shapes import Operand, Scalar, Values

LOG_TWO_PI = 1.8378770664093453


class Observations(NamedTuple):
    """What is observed in each row; all of shape (n,)."""

    value: Array  # deviation y - x*, reward; ignored where masked out
    variance: Array  # observation noise variance, reward^2, > 0
    observed: Array  # 1 where observed, else 0
    slope: Array | None = None  # change of the reward with the state; None: the reward is the state
    intercept: Array | None = None
    excess: Array | None = None  # variance of what the linear form leaves out


class Filtered(NamedTuple):
    """Filter output, one entry a row, shape (n,)."""

    log_density: Values  # log p(y_t | earlier y); 0 where not observed
    mean: Values  # E[x - x* | y up to t]
    variance: Values  # Var[x | y up to t]
    residual: Values  # innovation over its standard deviation; 0 where not observed


class State(NamedTuple):
    """Means of position and velocity, and their covariances."""

    x: Array
    v: Array
    xx: Array
    xv: Array
    vv: Array


class Logged(NamedTuple):
    """What a row would log without noise: mean, variance, and covariances with position and velocity after the row."""

    mean: Array
    variance: Array
    x: Array
    v: Array


def filter_start(position: Operand, velocity: Operand, variance_x: Operand = 0.0, variance_v: Operand = 0.0) -> State:
    """State of the filter before the first gap: known exactly, or with independent errors of these variances."""
    x, v, xx, vv = (jnp.asarray(value, float) for value in (position, velocity, variance_x, variance_v))
    return State(x, v, xx, jnp.zeros(()), vv)


def predict(s: State, t: Transition) -> State:
    """State after the row's gap, before its observation."""
    ax, av = t.f11 * s.xx + t.f12 * s.xv, t.f11 * s.xv + t.f12 * s.vv
    bx, bv = t.f21 * s.xx + t.f22 * s.xv, t.f21 * s.xv + t.f22 * s.vv
    x, v = moved(t, s.x, s.v)
    return State(
        x=x,
        v=v,
        xx=ax * t.f11 + av * t.f12 + t.q11,
        xv=ax * t.f21 + av * t.f22 + t.q12,
        vv=bx * t.f21 + bv * t.f22 + t.q22,
    )


def moved(t: Transition, x: Scalar, v: Scalar) -> tuple[Scalar, Scalar]:
    """Mean of position and velocity after the gap."""
    x, v = t.f11 * x + t.f12 * v, t.f21 * x + t.f22 * v
    return (x if t.b1 is None else x + t.b1), (v if t.b2 is None else v + t.b2)


def averaged(before: State, after: State, t: Transition) -> Logged:
    """The state that a row logs: that after the gap, or its mean over the row's window."""
    w = t.window
    if w is None:
        return Logged(after.x, after.xx, after.xx, after.xv)
    gx, gv = before.xx * w.g1 + before.xv * w.g2, before.xv * w.g1 + before.vv * w.g2
    return Logged(
        mean=w.g1 * before.x + w.g2 * before.v + w.c,
        variance=w.g1 * gx + w.g2 * gv + w.s,
        x=t.f11 * gx + t.f12 * gv + w.r1,
        v=t.f21 * gx + t.f22 * gv + w.r2,
    )


def seen_through(state: Logged, o: Observations) -> Logged:
    """The reward that a row logs, where it is a function of the state."""
    if o.slope is None:
        return state
    intercept, excess = (0.0 if part is None else part for part in (o.intercept, o.excess))
    return Logged(
        mean=o.slope * state.mean + intercept,
        variance=o.slope**2 * state.variance + excess,
        x=o.slope * state.x,
        v=o.slope * state.v,
    )


def update(s: State, logged: Logged, o: Observations) -> tuple[State, Array, Array]:
    """Condition on the row's observation; also return innovation and its variance (0 and 1 where unobserved)."""
    seen = o.observed > 0
    innovation = jnp.where(seen, o.value - logged.mean, 0.0)
    total = jnp.where(seen, logged.variance + o.variance, 1.0)
    gx, gv = jnp.where(seen, logged.x / total, 0.0), jnp.where(seen, logged.v / total, 0.0)
    state = State(
        x=s.x + gx * innovation,
        v=s.v + gv * innovation,
        xx=s.xx - gx * logged.x,
        xv=s.xv - gx * logged.v,
        vv=s.vv - gv * logged.v,
    )
    return state, innovation, total


def kalman_filter(
    motion: Motion | Transition, observations: Observations, position: ArrayLike, velocity: ArrayLike = 0.0
) -> Filtered:
    """Filter a reward curve that starts from a known state.

    Parameters
    ----------
    motion : Motion or Transition
        Motion over the gap before each row; entries of a Transition have shape (n,).
    observations : Observations
        What is observed, entries of shape (n,).
    position, velocity : float
        ``x - x*`` (reward) and ``x'`` (reward/step) before the first gap.

    Returns
    -------
    Filtered
        The log-likelihood is ``log_density.sum()``.
    """
    return filter_from(filter_start(position, velocity), motion, observations)


def filter_row(state: State, transition: Transition, observations: Observations) -> tuple[State, Filtered]:
    """One row of the filter: move, then condition on what is observed; scalars."""
    after = predict(state, transition)
    logged = seen_through(averaged(state, after, transition), observations)
    state, innovation, total = update(after, logged, observations)
    squared = innovation * innovation / total
    log_density = jnp.where(observations.observed > 0, -0.5 * (LOG_TWO_PI + jnp.log(total) + squared), 0.0)
    return state, Filtered(log_density, state.x, state.xx, innovation / jnp.sqrt(total))


def filter_from(start: State, motion: Motion | Transition, observations: Observations) -> Filtered:
    """Filter a reward curve from any state before the first gap."""
    filtered: Filtered = scan_rows(filter_row, start, motion, observations)[1]
    return filtered


def filter_states(start: State, motion: Motion | Transition, observations: Observations) -> State:
    """Position and velocity after each row's observation: means and covariances, each of shape (n,)."""

    def row(state: State, transition: Transition, observation: Observations) -> tuple[State, State]:
        state, _ = filter_row(state, transition, observation)
        return state, state

    states: State = scan_rows(row, start, motion, observations)[1]
    return states
