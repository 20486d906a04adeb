"""The mean update of a softmax bandit in closed form, and what follows from it without any trajectory.

With ``m_a+`` and ``m_a-`` the expected positive and negative advantage that arm a collects in a batch, the mean direction is
``sum_a (w_a+ m_a+ + w_a- m_a-) (e_a - pi) - kl grad KL``: the weights w carry staleness (importance ratio, clipped or not).
Fixed point, stiffness, lag share and temperature come from it by automatic differentiation.
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

#: Expectations over groups of infinite size (the leading order) or of the size set.
GROUPS = ("infinite", "finite")


class Advantages(NamedTuple):
    """Sums of advantages over a batch, divided by its size, by arm and by sign; shape (n,) each."""

    positive: Array
    negative: Array


def mean_advantages(probabilities: Array, numbers: Numbers, structure: Structure, groups: str) -> Advantages:
    """Expected advantages of rollouts drawn from a policy.

    Exact for rewards of 0 or 1, at infinite and at finite group size. For Gaussian rewards exact at infinite group size;
    at finite size only without normalisation (and there for frozen and weighted updates).
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
        For finite groups of Gaussian rewards with normalised advantages, and for unknown words.
    """
    if groups not in GROUPS:
        raise InputError("groups", f"expected one of {', '.join(GROUPS)}, found {groups!r}")
    if groups == "finite" and not bandit.binary and bandit.normalisation != "none":
        raise InputError(
            "groups",
            "finite groups of Gaussian rewards have no closed form once advantages are normalised; use groups='infinite', "
            "normalisation='none', or rewards of 0 or 1",
        )


class Linearised(NamedTuple):
    """A bandit near its fixed point; modes by ascending stiffness.

    ``logits`` (n,), ``expected_reward`` (the plateau), ``stiffness`` (n - 1,) in 1/step at the peak learning rate,
    ``lag_share`` (n - 1,): the part of each stiffness that comes from the rollouts' policy rather than the current one,
    ``temperature`` in reward^2/step, see `bayes_grpo.bandit.noise.temperature`.
    """

    logits: np.ndarray
    expected_reward: float
    stiffness: np.ndarray
    lag_share: np.ndarray
    temperature: float


def linearise(bandit: Bandit, groups: str = "infinite") -> Linearised:
    """Fixed point of the mean drift, and stiffness, lag share and temperature there, from automatic differentiation.

    Raises
    ------
    InputError
        If there is no stable interior fixed point (too little KL), or the optimizer is Adam, whose steps are not linear
        in the gradient.
    """
    check_groups(bandit, groups)
    if bandit.optimizer == "adam":
        raise InputError("optimizer", "stiffness is defined for heavy_ball; Adam rescales the drift by its own history")
    structure, stacked = split([bandit])
    numbers = Numbers(*(field[0] for field in stacked))

    def drift(theta: Array, behaviour: Array) -> Array:
        return mean_direction(theta, behaviour, numbers, structure, groups)

    jacobians = jax.jit(jax.jacobian(drift, argnums=(0, 1)))
    # Logits move only in the plane of constant sum.
    n = len(bandit.reward_mean)
    plane = np.linalg.svd(np.eye(n) - 1 / n)[0][:, : n - 1]
    theta = _settle(jax.jit(lambda t: drift(t, t)), jacobians, np.asarray(bandit.initial, float), plane)
    now, lagged = (plane.T @ np.asarray(j) @ plane for j in jacobians(theta, theta))
    spectrum, vectors = np.linalg.eig(now + lagged)
    order = np.argsort(-spectrum.real)
    values, right = spectrum[order].real, vectors[:, order].real
    # A policy that runs to one arm comes to rest numerically, where its probabilities underflow.
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
