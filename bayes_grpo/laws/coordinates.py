"""The coordinate in which a law is written: the reward itself, or the logit of its place between its bounds.

A coordinate maps rewards to states and back, says how a plateau pulls a state, and gives the straight line in the
state that stands for the reward, because a Kalman filter can observe straight lines only.
"""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import ClassVar, override

import jax
import jax.numpy as jnp
import numpy as np

from bayes_grpo.laws.correction import Correction
from bayes_grpo.laws.run_data import RunData
from bayes_grpo.laws.shapes import Operand, Scalar, Values

#: Gauss-Hermite nodes and weights of the standard normal distribution, by which straight lines are fitted to curved
#: functions.
NODES, _WEIGHTS = np.polynomial.hermite_e.hermegauss(5)
WEIGHTS = _WEIGHTS / _WEIGHTS.sum()
#: A place is moved at least this far inside its bounds 0 and 1 before its logit is taken.
_INSIDE = 1e-6


def place_of(run: RunData, reward: Operand) -> Values:
    """Where a reward lies between its bounds, from 0 to 1."""
    return (jnp.asarray(reward) - run.reward_lower) / run.reward_range


def logit_of(place: Values) -> Values:
    """Logit of a place between the bounds."""
    inside = jnp.clip(place, _INSIDE, 1 - _INSIDE)
    return jnp.log(inside) - jnp.log1p(-inside)


@dataclass(frozen=True)
class Coordinate(Correction, ABC):
    """A map between rewards and states.

    The methods take ``origin``, the reward at which the state of a law written in the reward is zero; of a relaxation
    it is the plateau.
    """

    #: Whether a law that is linear in the reward stays linear here.
    linear: ClassVar[bool]

    @abstractmethod
    def to_state(self, run: RunData, reward: Operand, origin: Operand) -> Values:
        """State at a reward."""

    @abstractmethod
    def to_reward(self, run: RunData, state: Values, origin: Operand) -> Values:
        """Reward at a state."""

    @abstractmethod
    def zero(self, origin: Operand) -> Operand:
        """Reward that is subtracted from the logged rewards before the filter takes them."""

    @abstractmethod
    def pull(self, run: RunData, state: Values, plateau: Operand) -> Values:
        """Pull of a plateau on a state, per unit of stiffness."""

    @abstractmethod
    def logit(self, run: RunData, state: Values, origin: Operand) -> Values:
        """Logit of the reward's place between its bounds."""

    @abstractmethod
    def stiffening(self, run: RunData, plateau: Operand) -> Operand:
        """Slope of the pull at the plateau, in units of the law's stiffness."""

    @abstractmethod
    def slope(self, run: RunData, reward: Operand) -> Operand:
        """Derivative of the reward by the state, at a reward."""

    @abstractmethod
    def noise_unit(self, run: RunData) -> Operand:
        """Noise of the state that makes a noise of one in the reward, in the middle of the reward's range."""

    @abstractmethod
    def line(self, run: RunData, state: Scalar, variance: Scalar) -> tuple[Scalar, Scalar, Scalar]:
        """Straight line in the state that stands for the reward: its slope, its intercept, and the variance about it.

        The state is normal with mean ``state`` and this variance; the line is the one that fits best on average.
        """


@dataclass(frozen=True)
class RewardCoordinate(Coordinate):
    """The state is the reward less the law's origin."""

    linear: ClassVar[bool] = True

    @override
    def to_state(self, run: RunData, reward: Operand, origin: Operand) -> Values:
        return jnp.asarray(reward) - origin

    @override
    def to_reward(self, run: RunData, state: Values, origin: Operand) -> Values:
        return state + origin

    @override
    def zero(self, origin: Operand) -> Operand:
        return origin

    @override
    def pull(self, run: RunData, state: Values, plateau: Operand) -> Values:
        return -state

    @override
    def logit(self, run: RunData, state: Values, origin: Operand) -> Values:
        return logit_of(place_of(run, state + origin))

    @override
    def stiffening(self, run: RunData, plateau: Operand) -> Operand:
        return 1.0

    @override
    def slope(self, run: RunData, reward: Operand) -> Operand:
        return 1.0

    @override
    def noise_unit(self, run: RunData) -> Operand:
        return 1.0

    @override
    def line(self, run: RunData, state: Scalar, variance: Scalar) -> tuple[Scalar, Scalar, Scalar]:
        return jnp.ones_like(state), jnp.zeros_like(state), jnp.zeros_like(state)


@dataclass(frozen=True)
class LogitCoordinate(Coordinate):
    """The state is the logit of p, the reward's place between its bounds, so that the reward never leaves them.

    Without mass, a stiffness k gives ``p' = k 4 p (1 - p) (p* - p)``: the linear law times the factor p (1 - p) of a
    softmax policy's gradient, with k the stiffness at p = 1/2.
    """

    linear: ClassVar[bool] = False

    @override
    def to_state(self, run: RunData, reward: Operand, origin: Operand) -> Values:
        return logit_of(place_of(run, reward))

    @override
    def to_reward(self, run: RunData, state: Values, origin: Operand) -> Values:
        return run.reward_lower + run.reward_range * jax.nn.sigmoid(state)

    @override
    def zero(self, origin: Operand) -> Operand:
        return jnp.zeros(())

    @override
    def pull(self, run: RunData, state: Values, plateau: Operand) -> Values:
        return 4 * (place_of(run, plateau) - jax.nn.sigmoid(state))

    @override
    def logit(self, run: RunData, state: Values, origin: Operand) -> Values:
        return state

    @override
    def stiffening(self, run: RunData, plateau: Operand) -> Operand:
        place = place_of(run, plateau)
        return 4 * place * (1 - place)

    @override
    def slope(self, run: RunData, reward: Operand) -> Operand:
        place = place_of(run, reward)
        return run.reward_range * place * (1 - place)

    @override
    def noise_unit(self, run: RunData) -> Operand:
        return 4 / run.reward_range

    @override
    def line(self, run: RunData, state: Scalar, variance: Scalar) -> tuple[Scalar, Scalar, Scalar]:
        share = jax.nn.sigmoid(state + jnp.sqrt(variance) * NODES)
        mean, slope = WEIGHTS @ share, WEIGHTS @ (share * (1 - share))
        excess = jnp.maximum(WEIGHTS @ (share - mean) ** 2 - slope**2 * variance, 0.0)
        span = run.reward_range
        intercept = run.reward_lower + span * (mean - slope * state)
        return jnp.asarray(span * slope), jnp.asarray(intercept), jnp.asarray(span**2 * excess)
