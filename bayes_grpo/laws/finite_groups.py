"""What finite groups do to the mean update when rewards are 0 or 1: exact sums over binomial outcomes, in JAX.

Take one prompt with success probability p, G rewards r of which a share f are successes, and advantages (r - f) / s.
Given f, the mean update direction is ``f (1 - f) / s * grad p / (p (1 - p))`` for any network, because the expected
score is ``grad p / p`` given a success and ``-grad p / (1 - p)`` given a failure. So the group size changes nothing
but the expectation of ``f (1 - f) / s``, here called the drive.
"""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from types import MappingProxyType
from typing import ClassVar, override

import jax.numpy as jnp
import numpy as np
from jax import Array
from jax.scipy.special import gammaln, xlog1py, xlogy
from jaxtyping import Float, Real

from bayes_grpo.laws import precision  # noqa: F401
from bayes_grpo.laws.correction import Correction, Needs
from bayes_grpo.laws.run_data import RunData
from bayes_grpo.laws.shapes import Numbers, Scalar, Values

#: What advantages are divided by: the group's standard deviation (GRPO), nothing (Dr. GRPO), or the whole batch's.
NORMALISATIONS = ("group", "none", "batch")
#: The table of the finite-group factor: logits of p from -_REACH to _REACH, in steps of _STEP.
_REACH, _STEP = 14.0, 0.25


def binomial(p: Numbers, size: Numbers, most: int) -> Values:
    """Probabilities of 0, 1, ..., most successes out of ``size <= most``, shape (..., most + 1)."""
    p, n = jnp.asarray(p, float)[..., None], jnp.asarray(size, float)[..., None]
    j = jnp.arange(most + 1.0)
    possible = j <= n
    j = jnp.where(possible, j, 0.0)
    log_mass = gammaln(n + 1) - gammaln(j + 1) - gammaln(n - j + 1) + xlogy(j, p) + xlog1py(n - j, -p)
    return jnp.where(possible, jnp.exp(log_mass), 0.0)


def finite_group_factor(p: Numbers, group_size: Numbers, most: int | None = None) -> Values:
    """``phi_G(p) = E[sqrt(f (1 - f))] / sqrt(p (1 - p))``, f ~ Binomial(G, p) / G.

    This is the mean GRPO update at group size G relative to that of infinite groups, for a trainer that divides by the
    group's population standard deviation. A trainer that divides by the sample standard deviation, as TRL does, has
    the factor ``sqrt((G - 1) / G)`` besides.

    Parameters
    ----------
    p, group_size : array_like
        Success probability and completions per prompt; broadcast together.
    most : int, optional
        An upper bound of the group size. It is needed where JAX traces the group size; else it is the largest one
        given.

    Returns
    -------
    jax.Array
        Between 0 and 1; where p is 0 or 1 it is 0, the limit.

    Examples
    --------
    >>> from bayes_grpo.laws.finite_groups import finite_group_factor
    >>> [round(float(factor), 2) for factor in finite_group_factor(0.1, [4, 8, 64])]
    [0.51, 0.7, 0.98]
    """
    p, n = jnp.broadcast_arrays(jnp.asarray(p, float), jnp.asarray(group_size, float))
    spread = jnp.sqrt(jnp.where((p > 0) & (p < 1), p * (1 - p), 1.0))
    most = int(n.max()) if most is None else most
    share = jnp.arange(most + 1.0) / n[..., None]
    values = jnp.sqrt(jnp.maximum(share * (1 - share), 0.0))
    return jnp.sum(binomial(p, n, most) * values, axis=-1) / spread


def drive(
    p: Scalar, group_size: Scalar, prompts: Scalar, normalisation: str, most_group: int, most_prompts: int
) -> Scalar:
    """``E[f (1 - f) / s]`` at finite group size, where s is a sample standard deviation (TRL's divisor); scalars.

    Parameters
    ----------
    p, group_size, prompts : jax.Array
        Success probability, completions per prompt and prompts per step.
    normalisation : {"group", "none", "batch"}
        What s is: the group's standard deviation, 1, or the whole batch's.
    most_group, most_prompts : int
        Upper bounds of the two sizes, which fix the shapes of the arrays.

    Returns
    -------
    jax.Array
        The drive, a scalar.
    """
    if normalisation == "none":
        return p * (1 - p) * (1 - 1 / group_size)
    if normalisation == "group":
        bessel = jnp.sqrt((group_size - 1) / group_size)
        return finite_group_factor(p, group_size, most_group) * jnp.sqrt(p * (1 - p)) * bessel
    mine = jnp.arange(most_group + 1.0)[:, None]
    others = jnp.arange(most_group * (most_prompts - 1) + 1.0)[None, :]
    weight = (
        binomial(p, group_size, most_group)[:, None]
        * binomial(p, group_size * (prompts - 1), most_group * (most_prompts - 1))[None, :]
    )
    size = group_size * prompts
    whole = (mine + others) / size
    variance = whole * (1 - whole) * size / (size - 1)
    f = mine / group_size
    return jnp.sum(jnp.where(variance > 0, weight * f * (1 - f) / jnp.sqrt(jnp.where(variance > 0, variance, 1)), 0.0))


def leading_drive(p: Values, normalisation: str) -> Values:
    """Drive of infinite groups: ``p (1 - p)`` without normalisation, else ``sqrt(p (1 - p))``."""
    variance = p * (1 - p)
    return variance if normalisation == "none" else jnp.sqrt(jnp.maximum(variance, 1e-300))


def group_factor_table(group_size: float | None) -> Float[np.ndarray, " logits"]:
    """Log of the finite-group factor with TRL's divisor, on a regular grid of logits of p; zeros where G is unknown."""
    logits = np.arange(-_REACH, _REACH + _STEP / 2, _STEP)
    if group_size is None:
        return np.zeros_like(logits)
    factor = np.asarray(finite_group_factor(1 / (1 + np.exp(-logits)), round(group_size)))
    table: np.ndarray = np.log(factor) + np.log1p(-1 / group_size) / 2
    return table


def group_factor(table: Real[Array | np.ndarray, " logits"], logit: Values) -> Values:
    """Finite-group factor at a logit of p: its log by cubic interpolation, beyond the table by straight lines."""
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


@dataclass(frozen=True)
class Groups(Correction, ABC):
    """Whether the drift takes into account that groups are finite."""

    #: Whether the factor depends on the state.
    finite: ClassVar[bool]

    @abstractmethod
    def factor(self, run: RunData, logit: Values) -> Values:
        """Factor of the drift at a logit of the success probability."""


@dataclass(frozen=True)
class FiniteGroups(Groups):
    """The drift is multiplied by the finite-group factor of binary rewards, at each state's success probability."""

    finite: ClassVar[bool] = True
    needs: ClassVar[Needs] = MappingProxyType(
        {"group_size": "the finite-group factor is left out, and temperature is that of the run's own groups (T / G)"}
    )

    @override
    def factor(self, run: RunData, logit: Values) -> Values:
        return group_factor(run.log_group_factor, logit)


@dataclass(frozen=True)
class InfiniteGroups(Groups):
    """The drift does not depend on the group size: the leading order."""

    finite: ClassVar[bool] = False

    @override
    def factor(self, run: RunData, logit: Values) -> Values:
        return jnp.ones_like(logit)
