"""Where the rewards' drive balances the reference's pull: the plateau of GRPO with a KL term, in closed form.

Take one success probability p, rewards of 0 or 1 with the expectation ``x = wrong + (right - wrong) p``, the KL weight
b, and a policy that starts at its reference. The rewards drive the logit of p, and the KL term pulls it back:

    d logit(p)/dt = k [ drive(x) (1 - clipped)  -  b (logit p - logit p_start) ]

    drive(x) = (right - wrong) phi_G(x) / sqrt(x (1 - x))   advantages over the group's standard deviation (GRPO)
    drive(x) = (right - wrong) (1 - 1/G)                    advantages as they are (Dr. GRPO)

phi_G is the finite-group factor, with the divisor G - 1 of the trainer's standard deviation. Without finite groups the
fixed point is that of Mroueh (arXiv 2503.06639). The drive depends on the group size and the pull does not, so the
plateau moves with the group size.
"""

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from bayes_grpo.laws import precision  # noqa: F401
from bayes_grpo.laws.finite_groups import finite_group_factor
from bayes_grpo.laws.shapes import Numbers, Values

#: Rewards are kept this far away from 0 and 1, where the drive of infinite groups has no bound.
_EDGE = 1e-9
#: The fixed point is sought up to this many logits above the start; the force is computed at so many points.
_REACH, _POINTS = 40.0, 400


def logit(p: Numbers) -> Values:
    """Logarithm of the odds."""
    p = jnp.asarray(p, float)
    return jnp.log(p) - jnp.log1p(-p)


def balance_drive(
    x: Numbers, group_size: Numbers, span: Numbers, normalisation: str = "group", most: int | None = None
) -> Values:
    """Drive of the rewards on the logit of the success probability; the first three arguments are broadcast together.

    Parameters
    ----------
    x : array_like
        Expected reward, between 0 and 1.
    group_size : array_like
        Completions per prompt; infinity is the leading order.
    span : array_like
        Expected reward of a right answer less that of a wrong one.
    normalisation : {"group", "none"}
        Whether advantages are divided by the group's standard deviation.
    most : int, optional
        An upper bound of the finite group sizes. It is needed where JAX traces them.

    Returns
    -------
    jax.Array
        Drive per unit of rate.
    """
    x, size, span = jnp.broadcast_arrays(*(jnp.asarray(value, float) for value in (x, group_size, span)))
    if normalisation == "none":
        return span * (1 - 1 / size)
    x = jnp.clip(x, _EDGE, 1 - _EDGE)
    finite = jnp.isfinite(size)
    if most is None:
        most = int(np.max(np.where(np.asarray(finite), np.asarray(size), 2)))
    bounded = jnp.where(finite, size, 2.0)
    factor = jnp.where(finite, finite_group_factor(x, bounded, most) * jnp.sqrt(1 - 1 / bounded), 1.0)
    return span * factor / jnp.sqrt(x * (1 - x))


def fixed_point(
    kl: Numbers,
    group_size: Numbers,
    start: Numbers,
    wrong: Numbers,
    right: Numbers,
    clipped: Numbers = 0.0,
    normalisation: str = "group",
) -> Values:
    """First success probability above the start at which drive and pull balance; 1 if there is none.

    Parameters
    ----------
    kl, group_size, start, wrong, right, clipped : array_like
        KL weight, completions per prompt, success probability of start and reference, expected reward of a wrong and
        of a right answer, and the share of the drive that clipping removes; they are broadcast together.
    normalisation : {"group", "none"}
        Whether advantages are divided by the group's standard deviation.

    Returns
    -------
    jax.Array
        Success probability, of the shape that the arguments are broadcast to.
    """
    values = (jnp.asarray(value, float) for value in (kl, group_size, start, wrong, right, clipped))
    kl, group_size, start, wrong, right, clipped = jnp.broadcast_arrays(*values)
    sizes = np.asarray(group_size)
    most = int(np.max(np.where(np.isfinite(sizes), sizes, 2), initial=2))

    def force(rise: Array) -> Array:
        x = wrong + (right - wrong) * jax.nn.sigmoid(logit(start) + rise)
        return (1 - clipped) * balance_drive(x, group_size, right - wrong, normalisation, most) - kl * rise

    grid = jnp.linspace(0.0, _REACH, _POINTS)
    below = jax.lax.map(force, jnp.broadcast_to(grid.reshape(-1, *[1] * kl.ndim), (_POINTS, *kl.shape))) <= 0
    crossed = jnp.any(below, 0)
    place = jnp.argmax(below, 0)
    low, high = grid[jnp.maximum(place - 1, 0)], grid[place]
    for _ in range(50):
        middle = (low + high) / 2
        above = force(middle) > 0
        low, high = jnp.where(above, middle, low), jnp.where(above, high, middle)
    return jnp.where(crossed, jax.nn.sigmoid(logit(start) + (low + high) / 2), 1.0)
