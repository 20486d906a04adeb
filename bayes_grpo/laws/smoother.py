"""The state given all observations, and each observation given all others: Kalman smoother in JAX, 64-bit."""

from typing import Any, NamedTuple

import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Float

from bayes_grpo.laws.kalman import LOG_TWO_PI, Observations, State, filter_start, predict, update
from bayes_grpo.laws.oscillator import Transition
from bayes_grpo.laws.shapes import Operand, Values


class Smoothed(NamedTuple):
    """State in each row given all observations, and each observation's density given all others, shape (n,)."""

    mean: Values  # E[x - x* | all y]
    variance: Values  # Var[x | all y]
    leave_one_out: Values  # log p(y_t | all other y); 0 where not observed
    left_out_residual: Values  # y_t - E[y_t | all other y]
    left_out_variance: Values  # Var[y_t | all other y]


def kalman_smoother(
    transition: Transition, observations: Observations, position: Operand, velocity: Operand = 0.0
) -> Smoothed:
    """Mean and variance of ``x - x*`` given all observations, and leave-one-out densities.

    This is the modified Bryson-Frazier form (Bierman 1973). It inverts no predicted covariance, so singular ones (a
    known start, no process noise, first-order laws) need no special treatment. The same backward pass gives ``p(y_t |
    all other y)`` from the innovation over its variance and the gain (de Jong 1989, "Smoothing and interpolation with
    the state-space model").

    Parameters
    ----------
    transition, observations, position, velocity
        As for `bayes_grpo.laws.kalman.kalman_filter`.

    Returns
    -------
    Smoothed
        Entries of shape (n,).
    """

    def forward(state: State, inputs: tuple[Transition, Observations]) -> tuple[State, tuple[Array, ...]]:
        t, o = inputs
        before = predict(state, t, o)
        after, innovation, total = update(before, o)
        mean = jnp.stack([before.x, before.v, before.a])
        covariance = jnp.array(
            [
                [before.xx, before.xv, before.xa],
                [before.xv, before.vv, before.va],
                [before.xa, before.va, before.aa],
            ]
        )
        return after, (mean, covariance, innovation, total)

    Carry = tuple[Float[Array, "3"], Float[Array, "3 3"]]

    def backward(carry: Carry, inputs: Any) -> tuple[Carry, tuple[Array, ...]]:
        score, information = carry
        t, o, mean, covariance, innovation, total = inputs
        h = jnp.stack([jnp.zeros(()), jnp.zeros(()), o.weight * o.observed])
        gain = covariance @ h / total
        error, precision = innovation / total + gain @ score, 1 / total + gain @ information @ gain
        density = -0.5 * (LOG_TWO_PI - jnp.log(precision) + error**2 / precision)
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
