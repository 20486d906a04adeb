"""Rows that log the mean of several steps: the sum of the state over the steps, carried through the gap in closed form.

One step of a linear law maps state z = (x, v) and running sum A to ``z' = F z + b + e`` and ``A' = A + x'``. Many equal
steps are that map composed with itself, which takes as many compositions as the number of steps has binary digits: any
window is exact and costs one row.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax import Array
from jax.typing import ArrayLike

from bayes_grpo.laws.oscillator import Transition, Window


class Map(NamedTuple):
    """``z -> F z + b + e`` and ``A -> A + g z + c + n``, with the covariances of e and n; entries of one shape."""

    f11: Array
    f12: Array
    f21: Array
    f22: Array
    b1: Array
    b2: Array
    q11: Array
    q12: Array
    q22: Array
    g1: Array
    g2: Array
    c: Array
    r1: Array
    r2: Array
    s: Array


def one_step(t: Transition) -> Map:
    """Move once, then add the position to the sum."""
    zero = jnp.zeros_like(t.f11)
    b1, b2 = (zero if b is None else b for b in (t.b1, t.b2))
    return Map(t.f11, t.f12, t.f21, t.f22, b1, b2, t.q11, t.q12, t.q22, t.f11, t.f12, b1, t.q11, t.q12, t.q11)


def compose(first: Map, then: Map) -> Map:
    """The map that does one after the other."""
    a, t = first, then
    # Covariance of the state after the first map, carried by the second map's state and sum.
    h11, h12 = t.f11 * a.q11 + t.f12 * a.q12, t.f11 * a.q12 + t.f12 * a.q22
    h21, h22 = t.f21 * a.q11 + t.f22 * a.q12, t.f21 * a.q12 + t.f22 * a.q22
    u1, u2 = a.q11 * t.g1 + a.q12 * t.g2, a.q12 * t.g1 + a.q22 * t.g2
    w1, w2 = a.r1 + u1, a.r2 + u2
    return Map(
        f11=t.f11 * a.f11 + t.f12 * a.f21,
        f12=t.f11 * a.f12 + t.f12 * a.f22,
        f21=t.f21 * a.f11 + t.f22 * a.f21,
        f22=t.f21 * a.f12 + t.f22 * a.f22,
        b1=t.f11 * a.b1 + t.f12 * a.b2 + t.b1,
        b2=t.f21 * a.b1 + t.f22 * a.b2 + t.b2,
        q11=h11 * t.f11 + h12 * t.f12 + t.q11,
        q12=h11 * t.f21 + h12 * t.f22 + t.q12,
        q22=h21 * t.f21 + h22 * t.f22 + t.q22,
        g1=a.g1 + t.g1 * a.f11 + t.g2 * a.f21,
        g2=a.g2 + t.g1 * a.f12 + t.g2 * a.f22,
        c=a.c + t.c + t.g1 * a.b1 + t.g2 * a.b2,
        r1=t.f11 * w1 + t.f12 * w2 + t.r1,
        r2=t.f21 * w1 + t.f22 * w2 + t.r2,
        s=a.s + t.s + 2 * (t.g1 * a.r1 + t.g2 * a.r2) + t.g1 * u1 + t.g2 * u2,
    )


def windowed(first: Transition, step: Transition, digits: ArrayLike, points: ArrayLike) -> Transition:
    """Motion to the end of a window, with the mean of the state over its points.

    Parameters
    ----------
    first : Transition
        Motion to the window's first point.
    step : Transition
        Motion from one point to the next.
    digits : array_like
        Binary digits of the number of points less one, lowest first, shape (digit, ...).
    points : array_like
        Number of points.
    """
    whole, power = one_step(first), one_step(step)
    for digit in jnp.asarray(digits):
        longer = compose(whole, power)
        whole = jax.tree.map(lambda more, less, take=digit > 0.5: jnp.where(take, more, less), longer, whole)
        power = compose(power, power)
    n = jnp.asarray(points)
    window = Window(whole.g1 / n, whole.g2 / n, whole.c / n, whole.r1 / n, whole.r2 / n, whole.s / n**2)
    b1, b2 = (None, None) if first.b1 is None and step.b1 is None else (whole.b1, whole.b2)
    return Transition(*whole[:4], *whole[6:9], b1, b2, window)
