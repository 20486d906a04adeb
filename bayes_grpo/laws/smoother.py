"""The state given all observations, and each observation given all others: Kalman smoother in JAX, 64-bit."""

from typing import NamedTuple

import jax.numpy as jnp
from jax import Array
from jax.typing import ArrayLike

from bayes_grpo.laws.kalman import (
    LOG_TWO_PI,
    Observations,
    State,
    averaged,
    filter_start,
    predict,
    seen_through,
    update,
)
from bayes_grpo.laws.motion import Motion, scan_rows
from bayes_grpo.laws.oscillator import Transition


class Smoothed(NamedTuple):
    """State in each row given all observations, and each observation's density given all others, shape (n,)."""

    log_density: Array  # log p(y_t | earlier y); 0 where unobserved
    mean: Array  # E[x - x* | all y]
    variance: Array  # Var[x | all y]
    leave_one_out: Array  # log p(y_t | all other y); 0 where unobserved
    left_out_residual: Array  # y_t - E[y_t | all other y]
    left_out_variance: Array  # Var[y_t | all other y]


def kalman_smoother(
    motion: Motion | Transition, observations: Observations, position: ArrayLike, velocity: ArrayLike = 0.0
) -> Smoothed:
    """Mean and variance of ``x - x*`` given all observations, and leave-one-out densities.

    Modified Bryson-Frazier form (Bierman 1973): no predicted covariance is inverted, so singular ones (known start, no
    process noise, first-order models) are ordinary. The same backward pass gives, with the innovation over its variance
    and the gain, ``p(y_t | all other y)`` (de Jong 1989, "Smoothing and interpolation with the state-space model").
    What a row logs is the third component of the state, which the next row does not remember.
    """
    _, (density, predicted) = scan_rows(_forward, filter_start(position, velocity), motion, observations)
    start = (jnp.zeros(3), jnp.zeros((3, 3)))
    _, smoothed = scan_rows(_backward, start, motion, (observations, predicted), reverse=True)
    return Smoothed(density, *smoothed)


class _Predicted(NamedTuple):
    """A row given the rows before it: state with what the row logs, innovation, and the innovation's variance."""

    mean: Array
    covariance: Array
    innovation: Array
    total: Array


def _forward(state: State, t: Transition, o: Observations) -> tuple[State, tuple[Array, _Predicted]]:
    """One row of the filter."""
    before = predict(state, t)
    average = averaged(state, before, t)
    after, innovation, total = update(before, seen_through(average, o), o)
    mean = jnp.stack([before.x, before.v, average.mean])
    covariance = jnp.array(
        [
            [before.xx, before.xv, average.x],
            [before.xv, before.vv, average.v],
            [average.x, average.v, average.variance],
        ]
    )
    squared = innovation * innovation / total
    density = jnp.where(o.observed > 0, -0.5 * (LOG_TWO_PI + jnp.log(total) + squared), 0.0)
    return after, (density, _Predicted(mean, covariance, innovation, total))


def _backward(
    carry: tuple[Array, Array], t: Transition, row: tuple[Observations, _Predicted]
) -> tuple[tuple[Array, Array], tuple[Array, ...]]:
    """One row of the smoother: carry holds the score and the information of all later rows."""
    (score, information), (o, (mean, covariance, innovation, total)) = carry, row
    zero = jnp.zeros(())
    slope = o.observed if o.slope is None else o.slope * o.observed
    h = jnp.stack([zero, zero, slope])
    gain = covariance @ h / total
    error, precision = innovation / total + gain @ score, 1 / total + gain @ information @ gain
    density = -0.5 * (LOG_TWO_PI - jnp.log(precision) + error**2 / precision)
    rest = jnp.eye(3) - jnp.outer(gain, h)
    score = rest.T @ score - h * innovation / total
    information = rest.T @ information @ rest + jnp.outer(h, h) / total
    smoothed = mean - covariance @ score, covariance - covariance @ information @ covariance
    g1, g2 = (t.f11, t.f12) if t.window is None else (t.window.g1, t.window.g2)
    moves = jnp.array([[t.f11, t.f12, zero], [t.f21, t.f22, zero], [g1, g2, zero]])
    left_out = jnp.where(o.observed > 0, density, 0.0)
    out = (smoothed[0][0], smoothed[1][0, 0], left_out, error / precision, 1 / precision)
    return (moves.T @ score, moves.T @ information @ moves), out
