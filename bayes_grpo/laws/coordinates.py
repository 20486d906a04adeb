"""Where a law is written: in the reward itself, or in the logit of its place between its bounds.

A coordinate maps rewards to states and back, says how a plateau pulls a state, and states the reward as a straight line in the state,
which is what a Kalman filter can observe.
"""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import ClassVar, override

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jax.typing import ArrayLike

from bayes_grpo.laws.correction import Correction
from bayes_grpo.laws.run_data import RunData

#: Nodes and weights of the standard normal (Gauss-Hermite), by which straight lines are fitted to curved functions.
NODES, _WEIGHTS = np.polynomial.hermite_e.hermegauss(5)
WEIGHTS = _WEIGHTS / _WEIGHTS.sum()
#: A place between the bounds is kept this far inside them where its logit is taken.
_INSIDE = 1e-6


def place_of(run: RunData, reward: ArrayLike) -> Array:
    """Where a reward lies between its bounds, 0 to 1."""
    return (jnp.asarray(reward) - run.reward_lower) / run.reward_range


def logit_of(place: Array) -> Array:
    """Logit of a place between the bounds."""
    inside = jnp.clip(place, _INSIDE, 1 - _INSIDE)
    return jnp.log(inside) - jnp.log1p(-inside)


@dataclass(frozen=True)
class Coordinate(Correction, ABC):
    """A map between rewards and states. ``origin`` is the reward at which a law written in the reward is zero."""

    #: Whether a law that is linear in the reward stays linear here.
    linear: ClassVar[bool]

    @abstractmethod
    def to_state(self, run: RunData, reward: ArrayLike, origin: ArrayLike) -> Array:
        """State at a reward."""

    @abstractmethod
    def to_reward(self, run: RunData, state: Array, origin: ArrayLike) -> Array:
        """Reward at a state."""

    @abstractmethod
    def zero(self, origin: ArrayLike) -> ArrayLike:
        """Reward that observations are stated relative to."""

    @abstractmethod
    def pull(self, run: RunData, state: Array, plateau: ArrayLike) -> Array:
        """Pull of a plateau on a state, per unit of stiffness."""

    @abstractmethod
    def logit(self, run: RunData, state: Array, origin: ArrayLike) -> Array:
        """Logit of the reward's place between its bounds."""

    @abstractmethod
    def stiffening(self, run: RunData, plateau: ArrayLike) -> ArrayLike:
        """Slope of the pull at the plateau, relative to the law's stiffness."""

    @abstractmethod
    def slope(self, run: RunData, reward: ArrayLike) -> ArrayLike:
        """Change of the reward with the state, at a reward."""

    @abstractmethod
    def noise_unit(self, run: RunData) -> ArrayLike:
        """Noise of the state for a noise of one in the reward, in the middle of its range."""

    @abstractmethod
    def line(self, run: RunData, state: Array, variance: Array) -> tuple[Array, Array, Array]:
        """Reward as a straight line in the state under its uncertainty: slope, intercept, and variance about the line."""


@dataclass(frozen=True)
class RewardCoordinate(Coordinate):
    """The state is the reward less the law's origin."""

    linear: ClassVar[bool] = True

    @override
    def to_state(self, run: RunData, reward: ArrayLike, origin: ArrayLike) -> Array:
        return jnp.asarray(reward) - origin

    @override
    def to_reward(self, run: RunData, state: Array, origin: ArrayLike) -> Array:
        return state + origin

    @override
    def zero(self, origin: ArrayLike) -> ArrayLike:
        return origin

    @override
    def pull(self, run: RunData, state: Array, plateau: ArrayLike) -> Array:
        return -state

    @override
    def logit(self, run: RunData, state: Array, origin: ArrayLike) -> Array:
        return logit_of(place_of(run, state + origin))

    @override
    def stiffening(self, run: RunData, plateau: ArrayLike) -> ArrayLike:
        return 1.0

    @override
    def slope(self, run: RunData, reward: ArrayLike) -> ArrayLike:
        return 1.0

    @override
    def noise_unit(self, run: RunData) -> ArrayLike:
        return 1.0

    @override
    def line(self, run: RunData, state: Array, variance: Array) -> tuple[Array, Array, Array]:
        return jnp.ones_like(state), jnp.zeros_like(state), jnp.zeros_like(state)


@dataclass(frozen=True)
class LogitCoordinate(Coordinate):
    """The state is the logit of the reward's place between its bounds, so that the reward never leaves them.

    Without mass, a stiffness k gives ``p' = k 4 p (1 - p) (p* - p)``: the linear law times what a softmax policy leaves of the
    gradient, with k the stiffness at p = 1/2.
    """

    linear: ClassVar[bool] = False

    @override
    def to_state(self, run: RunData, reward: ArrayLike, origin: ArrayLike) -> Array:
        return logit_of(place_of(run, reward))

    @override
    def to_reward(self, run: RunData, state: Array, origin: ArrayLike) -> Array:
        return run.reward_lower + run.reward_range * jax.nn.sigmoid(state)

    @override
    def zero(self, origin: ArrayLike) -> ArrayLike:
        return jnp.zeros(())

    @override
    def pull(self, run: RunData, state: Array, plateau: ArrayLike) -> Array:
        return 4 * (place_of(run, plateau) - jax.nn.sigmoid(state))

    @override
    def logit(self, run: RunData, state: Array, origin: ArrayLike) -> Array:
        return state

    @override
    def stiffening(self, run: RunData, plateau: ArrayLike) -> ArrayLike:
        place = place_of(run, plateau)
        return 4 * place * (1 - place)

    @override
    def slope(self, run: RunData, reward: ArrayLike) -> ArrayLike:
        place = place_of(run, reward)
        return run.reward_range * place * (1 - place)

    @override
    def noise_unit(self, run: RunData) -> ArrayLike:
        return 4 / run.reward_range

    @override
    def line(self, run: RunData, state: Array, variance: Array) -> tuple[Array, Array, Array]:
        share = jax.nn.sigmoid(state + jnp.sqrt(variance) * NODES)
        mean, slope = WEIGHTS @ share, WEIGHTS @ (share * (1 - share))
        excess = jnp.maximum(WEIGHTS @ (share - mean) ** 2 - slope**2 * variance, 0.0)
        span = run.reward_range
        intercept = run.reward_lower + span * (mean - slope * state)
        return jnp.asarray(span * slope), jnp.asarray(intercept), jnp.asarray(span**2 * excess)
