"""The oscillator in closed form: from hyperparameters to mass and damping, and from these to transitions.

The law is ``m x'' + c x' + k (x - x*) = sqrt(q) w(t)`` with white noise ``w`` (Predictable GRPO, arXiv 2606.30789).
Time is counted in optimizer steps.
"""

from math import factorial
from typing import NamedTuple

import jax.numpy as jnp
import numpy as np
from jax import Array
from jaxtyping import Float

from bayes_grpo.laws import precision  # noqa: F401
from bayes_grpo.laws.shapes import Numbers, Values

#: Below this |Z| the hyperbolic functions of sqrt(Z) are summed as power series (see `_damped_pair`).
_SERIES_LIMIT = 0.25
#: Moments that the power series of `_energies_series` takes: enough for full precision where that form is used.
_TERMS = 22

Shaped = Float[Array, "*shape"]


class Window(NamedTuple):
    """Mean of x - x* over the points of a row, ``g z + c + noise`` with z the state before the gap; shape (n,).

    ``r1`` and ``r2`` are the covariances of its noise with that of the state after the row, ``s`` is its variance.
    """

    g1: Array
    g2: Array
    c: Array
    r1: Array
    r2: Array
    s: Array


class Transition(NamedTuple):
    """Transition of ``z = (x - x*, x')`` over a gap: ``z -> F z + b + noise`` with covariance Q. Each of shape (n,).

    ``window`` is the mean over the row's points; None where rows log single steps.
    """

    f11: Array
    f12: Array
    f21: Array
    f22: Array
    q11: Array
    q12: Array
    q22: Array
    b1: Array | None = None
    b2: Array | None = None
    window: Window | None = None


def closed_form_mass(momentum: float) -> float:
    """Mass of an optimizer with momentum ``beta1``: ``(1 + beta1) / (2 (1 - beta1))`` steps."""
    return (1 + momentum) / (2 * (1 - momentum))


def mean_age[Number: (float, np.ndarray, Array)](refresh_interval: Number, delay: float = 0.0) -> Number:
    """Mean age (step) of an update's rollouts: ``(K - 1) / 2`` for a refresh every K updates, plus a delay."""
    return (refresh_interval - 1) / 2 + delay


def lagged_damping(stiffness: Numbers, age: Numbers, lag_share: Numbers) -> Values:
    """Damping that off-policy lag leaves: ``c = 1 - lambda k age``, with lambda = 0 for exact re-weighting."""
    return 1 - jnp.asarray(lag_share) * jnp.asarray(stiffness) * jnp.asarray(age)


def damping_ratio(mass: Numbers, damping: Numbers, stiffness: Numbers) -> Values:
    """``c / (2 sqrt(m k))``: below 1 the mean rings, at or below 0 it is unstable."""
    return jnp.asarray(damping) / (2 * jnp.sqrt(jnp.asarray(mass) * jnp.asarray(stiffness)))


def first_order(gap: Numbers, stiffness: Numbers, noise: Numbers) -> Transition:
    """Exact transition of the overdamped limit ``x' = -k (x - x*) + sqrt(q) w`` over ``gap`` steps.

    Parameters
    ----------
    gap, stiffness, noise : array_like
        Time gap (step), stiffness k (1/step) and noise intensity q (reward^2/step); they are broadcast together.

    Returns
    -------
    Transition
        The velocity entries are zero.
    """
    d, k, q = jnp.broadcast_arrays(*(jnp.asarray(value, dtype=float) for value in (gap, stiffness, noise)))
    zero = jnp.zeros_like(d)
    return Transition(jnp.exp(-k * d), zero, zero, zero, q * d * mean_exp(-2 * k * d), zero, zero)


def second_order(gap: Numbers, mass: Numbers, damping: Numbers, stiffness: Numbers, noise: Numbers) -> Transition:
    """Exact transition of the oscillator over ``gap`` steps; the coefficients are constant within the gap.

    Values and gradients keep their digits through critical damping, ``c -> 0``, ``c < 0``, ``k = 0``, and gaps from 0
    to thousands of time constants.

    Parameters
    ----------
    gap : array_like
        Time gap, step.
    mass, damping, stiffness, noise : array_like
        m > 0 (step), c (1), k (1/step), q (reward^2/step); they are broadcast against ``gap``.

    Returns
    -------
    Transition
        Entries of the shape that all arguments are broadcast to.
    """
    d, m, c, k, q = jnp.broadcast_arrays(
        *(jnp.asarray(value, dtype=float) for value in (gap, mass, damping, stiffness, noise))
    )
    u, w = c * d / (2 * m), k * d * d / m
    cosine, sine = _damped_pair(u, w)
    f11, f22 = cosine + u * sine, cosine - u * sine
    real = u * u - w >= _SERIES_LIMIT
    slow, fast, root = _exponents(jnp.where(real, u, 1.0), jnp.where(real, w, 0.5))
    # Far from critical damping C - uS cancels; the exponents' own form does not.
    f11 = jnp.where(real, (slow * jnp.exp(fast) - fast * jnp.exp(slow)) / (2 * root), f11)
    f22 = jnp.where(real, (slow * jnp.exp(slow) - fast * jnp.exp(fast)) / (2 * root), f22)
    position, velocity = _response_energies(u, w, sine, f22)
    scale = q / m**2
    return Transition(
        f11=f11,
        f12=d * sine,
        f21=-k * d / m * sine,
        f22=f22,
        q11=scale * d**3 * position,
        q12=scale * d**2 * sine**2 / 2,
        q22=scale * d * velocity,
    )


def mean_exp(z: Shaped) -> Shaped:
    """``(exp(z) - 1) / z``, the mean of exp over [0, z], smooth through 0."""
    small = jnp.abs(z) < 0.3
    inner = jnp.where(small, z, 0.0)
    series = jnp.ones_like(z)
    for n in range(13, 1, -1):
        series = 1 + inner / n * series
    outer = jnp.where(small, 1.0, z)
    return jnp.where(small, series, jnp.expm1(outer) / outer)


def _exponents(u: Shaped, w: Shaped) -> tuple[Shaped, Shaped, Shaped]:
    """``(r - u, -r - u, r)`` with ``r = sqrt(u^2 - w)`` for ``u^2 > w``, each without cancellation."""
    root = jnp.sqrt(u * u - w)
    forward = u >= 0
    reach = jnp.abs(u) + root
    slow = jnp.where(forward, -w / reach, reach)
    fast = jnp.where(forward, -reach, w / reach)
    return slow, fast, root


def _damped_pair(u: Shaped, w: Shaped) -> tuple[Shaped, Shaped]:
    """``exp(-u) cosh(sqrt Z)`` and ``exp(-u) sinh(sqrt Z) / sqrt Z`` with ``Z = u^2 - w``, smooth through Z = 0."""
    z = u * u - w
    near, real = jnp.abs(z) < _SERIES_LIMIT, z >= _SERIES_LIMIT
    zs = jnp.where(near, z, 0.0)
    even = odd = jnp.ones_like(z)
    for n in range(8, 0, -1):
        even = 1 + zs / ((2 * n - 1) * 2 * n) * even
        odd = 1 + zs / (2 * n * (2 * n + 1)) * odd
    decay = jnp.exp(-jnp.where(real, 0.0, u))
    slow, fast, root = _exponents(jnp.where(real, u, 1.0), jnp.where(real, w, 0.5))
    rise, fall = jnp.exp(slow), jnp.exp(fast)
    angle = jnp.sqrt(jnp.where(near | real, 1.0, -z))
    cosine = jnp.where(near, decay * even, jnp.where(real, (rise + fall) / 2, decay * jnp.cos(angle)))
    sine = jnp.where(near, decay * odd, jnp.where(real, (rise - fall) / (2 * root), decay * jnp.sin(angle) / angle))
    return cosine, sine


def _response_energies(u: Shaped, w: Shaped, sine: Shaped, f22: Shaped) -> tuple[Shaped, Shaped]:
    """``(int phi^2 / D^3, int phi'^2 / D)`` of the impulse response ``phi`` over a gap D.

    No single formula keeps its digits everywhere, so there are four, by the region of (u, w) = (c D / 2m, k D^2 / m):
    a power series for short gaps; the two exponentials where the motion is overdamped; sine and cosine where it is
    weakly damped; and elsewhere the stationary identity Q = P - F P F'.
    """
    short = (jnp.abs(u) < 0.5) & (w <= 0.75)
    complex_ = (jnp.abs(u) < 0.5) & (w > 0.75)
    real = (jnp.abs(u) >= 0.5) & (u * u - w >= u * u / 4)
    rest = ~(short | complex_ | real)
    forms = (
        (short, _energies_series, (0.0, 0.0)),
        (complex_, _energies_complex, (0.0, 1.0)),
        (real, _energies_real, (1.0, 0.5)),
    )
    ui, wi = jnp.where(rest, u, 1.0), jnp.where(rest, w, 1.0)
    si, fi = jnp.where(rest, sine, 0.0), jnp.where(rest, f22, 0.0)
    velocity = (1 - fi * fi - wi * si * si) / (4 * ui)
    position = (velocity - si * fi - ui * si * si) / wi
    for region, form, (safe_u, safe_w) in forms:
        energies = form(jnp.where(region, u, safe_u), jnp.where(region, w, safe_w))
        position = jnp.where(region, energies[0], position)
        velocity = jnp.where(region, energies[1], velocity)
    return position, velocity


def _energies_series(u: Shaped, w: Shaped) -> tuple[Shaped, Shaped]:
    # phi^2 and phi'^2 are exp(-2 u s) times power series in 4 Z s^2, so both energies are sums of the moments
    # M_n = int_0^1 s^n exp(-2 u s) ds, which the downward recursion gives without loss.
    a, z = 2 * u, 4 * (u * u - w)
    tail = jnp.exp(-a)
    moments = [tail / (_TERMS + 1) * (1 + a / (_TERMS + 2) * (1 + a / (_TERMS + 3)))]
    for n in range(_TERMS, 0, -1):
        moments.append((a * moments[-1] + tail) / n)
    moments.reverse()
    sines = odds = evens = jnp.zeros_like(u)
    for j in range((_TERMS - 2) // 2, -1, -1):
        sines = z * sines + 2 / factorial(2 * j + 2) * moments[2 * j + 2]
        odds = z * odds + 2 / factorial(2 * j + 1) * moments[2 * j + 1]
        evens = z * evens + (0.5 if j else 1.0) / factorial(2 * j) * moments[2 * j]
    return sines, evens - u * odds + u * u * sines


def _energies_complex(u: Shaped, w: Shaped) -> tuple[Shaped, Shaped]:
    angle = jnp.sqrt(w - u * u)
    decay = jnp.exp(-2 * u)
    flat = mean_exp(-2 * u)
    even = -u * (decay * jnp.cos(2 * angle) - 1)
    odd = angle * decay * jnp.sin(2 * angle)
    return (flat - (even + odd) / (2 * w)) / (2 * angle**2), (w * flat - (even - odd) / 2) / (2 * angle**2)


def _energies_real(u: Shaped, w: Shaped) -> tuple[Shaped, Shaped]:
    slow, fast, root = _exponents(u, w)
    es, ef, em = mean_exp(2 * slow), mean_exp(2 * fast), mean_exp(-2 * u)
    return (
        (es + ef - 2 * em) / (4 * root**2),
        (slow**2 * es + fast**2 * ef - 2 * w * em) / (4 * root**2),
    )
