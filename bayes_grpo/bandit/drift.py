"""The mean update of a softmax bandit in closed form, and what follows from it without simulation.

Let ``m_a+`` and ``m_a-`` be the expected positive and negative advantage that arm a collects in a batch. The mean
direction is ``sum_a (w_a+ m_a+ + w_a- m_a-) (e_a - pi) - kl grad KL``, where the weights w are importance ratios,
clipped or not: they depend on how stale the rollouts are. Fixed point, stiffness, lag share and temperature follow by
automatic differentiation.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jax.nn import log_softmax, softmax
from jax.scipy.stats import norm

from bayes_grpo.bandit.noise import temperature
from bayes_grpo.bandit.setting import Bandit, Numbers, Structure, split
from bayes_grpo.errors import InputError
from bayes_grpo.laws.finite_groups import drive, leading_drive

#: Expectations over groups of infinite size (the leading order), or of the bandit's own size.
GROUPS = ("infinite", "finite")


class Advantages(NamedTuple):
    """Sum of the advantages in a batch over its size, for each arm and either sign; shape (n,) each."""

    positive: Array
    negative: Array


def mean_advantages(probabilities: Array, numbers: Numbers, structure: Structure, groups: str) -> Advantages:
    """Expected advantages of rollouts that are drawn from a policy.

    They are exact for rewards of 0 or 1 at any group size, and for Gaussian rewards at infinite group size. For
    Gaussian rewards at finite group size they are exact only without normalisation, for frozen and for weighted
    updates.
    """
    mean = jnp.asarray(numbers.reward_mean)
    expected = probabilities @ mean
    if structure.binary:
        p = jnp.clip(expected, 1e-12, 1 - 1e-12)
        if groups == "finite":
            force = drive(
                p,
                jnp.asarray(numbers.group_size),
                jnp.asarray(numbers.prompts),
                structure.normalisation,
                structure.most_group,
                structure.most_prompts,
            )
        else:
            force = leading_drive(p, structure.normalisation)
        return Advantages(force * probabilities * mean / p, -force * probabilities * (1 - mean) / (1 - p))
    sd = jnp.asarray(numbers.reward_sd)
    distance = mean - expected
    safe = jnp.where(sd > 0, sd, 1.0)
    z = distance / safe
    above = jnp.where(sd > 0, distance * norm.cdf(z) + sd * norm.pdf(z), jnp.maximum(distance, 0.0))
    scale = 1.0 if structure.normalisation == "none" else jnp.sqrt(probabilities @ (distance**2 + sd**2))
    factor = 1 - 1 / numbers.group_size if groups == "finite" else 1.0
    return Advantages(
        probabilities * above * factor / scale,
        probabilities * (distance - above) * factor / scale,
    )


def direction(theta: Array, behaviour: Array, advantages: Advantages, numbers: Numbers, structure: Structure) -> Array:
    """Ascent direction (shape (n,)) of an update at ``theta`` on rollouts drawn at ``behaviour``."""
    if structure.staleness == "frozen":
        theta = behaviour
    log_pi, log_old = log_softmax(theta), log_softmax(behaviour)
    pi = jnp.exp(log_pi)
    ratio = jnp.exp(log_pi - log_old)
    positive, negative = ratio * advantages.positive, ratio * advantages.negative
    if structure.staleness == "clipped":
        positive = jnp.where(ratio > 1 + numbers.clip, 0.0, positive)
        negative = jnp.where(ratio < 1 - numbers.clip, 0.0, negative)
    push = positive + negative
    log_ratio = log_pi - log_softmax(jnp.asarray(numbers.reference))
    pull = pi * (log_ratio - pi @ log_ratio)
    return push - pi * push.sum() - numbers.kl * pull


def mean_direction(theta: Array, behaviour: Array, numbers: Numbers, structure: Structure, groups: str) -> Array:
    """Expected ascent direction, shape (n,)."""
    advantages = mean_advantages(softmax(behaviour), numbers, structure, groups)
    return direction(theta, behaviour, advantages, numbers, structure)


def check_groups(bandit: Bandit, groups: str) -> None:
    """Refuse expectations that have no closed form.

    Raises
    ------
    InputError
        For finite groups of Gaussian rewards with normalised advantages, and for a word that is not in `GROUPS`.
    """
    if groups not in GROUPS:
        raise InputError("groups", f"expected one of {', '.join(GROUPS)}, found {groups!r}")
    if groups == "finite" and not bandit.binary and bandit.normalisation != "none":
        raise InputError(
            "groups",
            "finite groups of Gaussian rewards have no closed form once advantages are normalised; "
            "use groups='infinite', normalisation='none', or rewards of 0 or 1",
        )


class Linearised(NamedTuple):
    """A bandit near its fixed point; its modes are in order of their stiffness, the softest first.

    Attributes
    ----------
    logits : numpy.ndarray
        Of the policy at the fixed point, shape (n,).
    expected_reward : float
        The plateau.
    stiffness : numpy.ndarray
        Of each mode at the peak learning rate, 1/step, shape (n - 1,).
    lag_share : numpy.ndarray
        The part of each stiffness that depends on the rollouts' policy and not on the current one, shape (n - 1,).
    temperature : float
        reward^2/step, see `bayes_grpo.bandit.noise.temperature`.
    """

    logits: np.ndarray
    expected_reward: float
    stiffness: np.ndarray
    lag_share: np.ndarray
    temperature: float


def linearise(bandit: Bandit, groups: str = "infinite") -> Linearised:
    """Fixed point of the mean drift, and stiffness, lag share and temperature there, by automatic differentiation.

    Parameters
    ----------
    bandit : Bandit
        With the heavy-ball optimizer: Adam's steps are not linear in the gradient.
    groups : {"infinite", "finite"}
        Expectations over groups of infinite size, or of the bandit's own.

    Returns
    -------
    Linearised
        The fixed point, and what holds near it.

    Raises
    ------
    InputError
        If there is no stable interior fixed point, because KL is too weak, or if the optimizer is Adam.

    Examples
    --------
    Of two arms with rewards 1 and 0, the stiffness is 2 eta kl p (1 - p) with p the plateau:

    >>> from bayes_grpo.bandit import Bandit, linearise
    >>> linear = linearise(Bandit(kl=0.5, learning_rate=0.1))
    >>> p = linear.expected_reward
    >>> round(p, 3), round(float(linear.stiffness[0] / (2 * 0.1 * 0.5 * p * (1 - p))), 6)
    (0.881, 1.0)
    """
    check_groups(bandit, groups)
    if bandit.optimizer == "adam":
        raise InputError("optimizer", "stiffness is defined for heavy_ball; Adam rescales the drift by its own history")
    structure, stacked = split([bandit])
    numbers = Numbers(*(field[0] for field in stacked))

    def drift(theta: Array, behaviour: Array) -> Array:
        return mean_direction(theta, behaviour, numbers, structure, groups)

    jacobians = jax.jit(jax.jacobian(drift, argnums=(0, 1)))
    # The sum of the logits never changes, so they move in a plane.
    n = len(bandit.reward_mean)
    plane = np.linalg.svd(np.eye(n) - 1 / n)[0][:, : n - 1]
    theta = _settle(jax.jit(lambda t: drift(t, t)), jacobians, np.asarray(bandit.initial, float), plane)
    now, lagged = (plane.T @ np.asarray(j) @ plane for j in jacobians(theta, theta))
    spectrum, vectors = np.linalg.eig(now + lagged)
    order = np.argsort(-spectrum.real)
    values, right = spectrum[order].real, vectors[:, order].real
    # A policy that runs to one arm also comes to rest numerically, when its other probabilities underflow.
    if not np.all(values < 0) or values.min() > -1e-9:
        raise InputError("kl", f"the drift has no stable interior fixed point at kl = {bandit.kl:g}; raise kl")
    left = np.linalg.inv(right)
    lag = np.einsum("ij,jk,ki->i", left, lagged, right) / values
    return Linearised(
        logits=theta,
        expected_reward=float(softmax(theta) @ np.asarray(bandit.reward_mean)),
        stiffness=-bandit.learning_rate * values,
        lag_share=lag,
        temperature=temperature(bandit, theta, groups),
    )


def _settle(drift, jacobians, theta: np.ndarray, plane: np.ndarray) -> np.ndarray:  # type: ignore[no-untyped-def]
    """Follow the drift to its fixed point by implicit steps that grow into Newton's."""
    step, size = 1.0, np.inf
    for _ in range(500):
        force = np.asarray(drift(theta)) @ plane
        size = float(np.abs(force).max())
        if size < 1e-14:
            break
        now, lagged = (plane.T @ np.asarray(j) @ plane for j in jacobians(theta, theta))
        move = np.linalg.solve(np.eye(len(force)) / step - now - lagged, force)
        if np.abs(move).max() < 1.0:
            theta, step = theta + plane @ move, step * 2
        else:
            step /= 4
    if size > 1e-9 or np.abs(theta).max() > 25:
        raise InputError("kl", "the drift has no interior fixed point: the policy runs to one arm; raise kl")
    return theta
