"""The balance law: the rewards' drive against the pull of the reference, in the logit of the success probability."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import jax
import jax.numpy as jnp

from bayes_grpo.laws.coordinates import NODES, WEIGHTS, Coordinate, LogitCoordinate, logit_of
from bayes_grpo.laws.dynamics.first_order import FirstOrder
from bayes_grpo.laws.dynamics.second_order import SecondOrder
from bayes_grpo.laws.finite_groups import FiniteGroups, Groups
from bayes_grpo.laws.relaxation import Relaxation
from bayes_grpo.laws.run_data import Parameters, RunData
from bayes_grpo.laws.shapes import Operand, Scalar, Values

#: The fixed point is sought up to this many logits above the reference, at so many points, then by so many halvings.
_REACH, _POINTS, _HALVINGS = 12.0, 97, 25
#: Right answers earn at least this much more than wrong ones (reward).
_LEAST_SPAN = 1e-3
#: Least variance of a reward between 0 and 1 that the drive is divided by.
_LEAST_VARIANCE = 1e-6

_LOGIT, _FINITE = LogitCoordinate(), FiniteGroups()
_COSTS = {
    "kl_weight": "the weight of the KL term, and so the plateau, is inferred from the approach; state --kl-weight",
    "reference_reward": "the reference is taken to lie near the bottom of the reward's range; state --reference-reward",
    "wrong_reward": "what a wrong answer earns is taken to be near the lower bound; state --wrong-reward",
    "right_reward": "what a right answer earns is taken to be near the upper bound; state --right-reward",
    "clip_ratio": "clipping is taken to remove no drive",
}


@dataclass(frozen=True)
class Balance(Relaxation):
    """``z' = k(t) [D phi_G(x) / sqrt(x (1 - x)) (1 - clipped) - b (z - z_ref)] + sqrt(q(t)) w(t)``.

    Here z is the logit of the success probability p, and z_ref that of the reference. The reward is ``x = wrong + D
    p`` with ``D = right - wrong``, and b is the weight of the KL term. Rewards are 0 or 1, or at the bounds of their
    range. Without finite groups phi_G = 1; the fixed point is then that of Mroueh (arXiv 2503.06639). The plateau is
    no parameter: it follows from b, G, the reference, and what right and wrong answers earn.
    """

    coordinate: Coordinate = _LOGIT
    groups: Groups = _FINITE

    keys: ClassVar[tuple[str, ...]] = ("schedule", "group_noise", "finite_groups")
    positive: ClassVar[tuple[str, ...]] = ("kl_weight",)

    @property
    def linear(self) -> bool:
        """Never: the drive is curved even where groups are infinite."""
        return False

    def motion_parameters(self) -> tuple[str, ...]:
        """Start, rate, KL weight, and the rewards of the reference, of wrong and of right answers."""
        return ("initial_reward", "stiffness", "kl_weight", "reference_reward", "wrong_reward", "right_reward")

    def needs(self) -> Mapping[str, str]:
        """Quantities of a run that the law needs, and what it costs not to know them."""
        return {**super().needs(), **_COSTS}

    def faults(self) -> list[str]:
        """None: all corrections that the keys allow go together."""
        return []

    def origin(self, parameters: Parameters, run: RunData) -> Scalar:
        """Zero, as the state is the logit itself."""
        return jnp.zeros(())

    def place(self, parameters: Parameters, reward: Operand) -> Values:
        """Success probability at an expected reward."""
        wrong = parameters["wrong_reward"]
        span = jnp.maximum(parameters["right_reward"] - wrong, _LEAST_SPAN)
        return jnp.clip((jnp.asarray(reward) - wrong) / span, 1e-4, 1 - 1e-4)

    def to_reward(self, parameters: Parameters, run: RunData, state: Values) -> Values:
        """Expected reward at a logit of the success probability."""
        wrong = parameters["wrong_reward"]
        return wrong + (parameters["right_reward"] - wrong) * jax.nn.sigmoid(state)

    def line(
        self, parameters: Parameters, run: RunData, state: Scalar, variance: Scalar
    ) -> tuple[Scalar, Scalar, Scalar]:
        """Straight line in the state that stands for the reward: slope, intercept, and variance about the line."""
        share = jax.nn.sigmoid(state + jnp.sqrt(variance) * NODES)
        mean, slope = WEIGHTS @ share, WEIGHTS @ (share * (1 - share))
        excess = jnp.maximum(WEIGHTS @ (share - mean) ** 2 - slope**2 * variance, 0.0)
        span = parameters["right_reward"] - parameters["wrong_reward"]
        return span * slope, parameters["wrong_reward"] + span * (mean - slope * state), span**2 * excess

    def initial_state(self, parameters: Parameters, run: RunData) -> tuple[Scalar, Scalar]:
        """The start, at rest."""
        return logit_of(self.place(parameters, parameters["initial_reward"])), jnp.zeros(())

    def pull(self, parameters: Parameters, run: RunData, state: Values) -> Values:
        """Force on the logit per unit of rate: the drive less the pull of the reference, of the state's shape."""
        reward = (self.to_reward(parameters, run, state) - run.reward_lower) / run.reward_range
        spread = jnp.sqrt(jnp.maximum(reward * (1 - reward), _LEAST_VARIANCE))
        span = (parameters["right_reward"] - parameters["wrong_reward"]) / run.reward_range
        factor = self.groups.factor(run, logit_of(reward))
        reference = logit_of(self.place(parameters, parameters["reference_reward"]))
        return span * factor / spread * (1 - run.clipped) - parameters["kl_weight"] * (state - reference)

    def absolute(self, parameters: Parameters, run: RunData) -> Parameters:
        """The parameters and the plateau: the reward at the first fixed point above the reference."""
        reference = logit_of(self.place(parameters, parameters["reference_reward"]))
        rises = jnp.linspace(0.0, _REACH, _POINTS)
        below = self.pull(parameters, run, reference + rises) <= 0
        place = jnp.where(jnp.any(below), jnp.argmax(below), _POINTS - 1)
        low, high = rises[jnp.maximum(place - 1, 0)], rises[place]
        for _ in range(_HALVINGS):
            middle = (low + high) / 2
            above = self.pull(parameters, run, reference + middle) > 0
            low, high = jnp.where(above, middle, low), jnp.where(above, high, middle)
        rest = jax.lax.stop_gradient(reference + high)
        return {**parameters, "plateau": self.to_reward(parameters, run, rest)}

    def plateau_stiffness(self, parameters: Parameters, run: RunData) -> Scalar:
        """Slope of the force towards the plateau (1/step)."""
        state = logit_of(self.place(parameters, parameters["plateau"]))
        slope: Scalar = jax.grad(lambda z: self.pull(parameters, run, z))(state)
        return -parameters["stiffness"] * slope

    def diffusion(self, parameters: Parameters, run: RunData, rate: Values) -> Values:
        """Intensity of the logit's white noise, ``8 k (2 fluctuation rate / range)^2``.

        ``fluctuation`` is that of a reward in the middle of its range.
        """
        if not self.process_noise:
            return jnp.zeros_like(rate)
        q = 2 * parameters["stiffness"] * (4 * parameters["fluctuation"] / run.reward_range * rate) ** 2
        return q * self.group_noise.scale(parameters, run, "temperature")


@dataclass(frozen=True)
class FirstOrderBalance(Balance, FirstOrder, name="balance_first_order"):
    """The balance law without inertia; `Balance` has its equation."""


@dataclass(frozen=True)
class SecondOrderBalance(Balance, SecondOrder, name="balance_second_order"):
    """The balance law with inertia: ``m z'' + c z'`` in the place of ``z'``."""

    keys: ClassVar[tuple[str, ...]] = (*Balance.keys, "mass", "damping")

    def motion_parameters(self) -> tuple[str, ...]:
        """Those of the balance law, with damping, initial velocity and, where it is inferred, the mass."""
        return (*super().motion_parameters(), *self.damping.parameters, "initial_velocity", *self.mass.parameters)

    def initial_state(self, parameters: Parameters, run: RunData) -> tuple[Scalar, Scalar]:
        """The start, moving at ``nu`` times the velocity that the law without mass would have."""
        position, _ = super().initial_state(parameters, run)
        _, start_rate = self.clock.rates(run)
        velocity = parameters["initial_velocity"] * parameters["stiffness"] * start_rate
        return position, velocity * self.pull(parameters, run, position)
