"""The balance law: the rewards' drive against the pull of the reference, in the logit of the success probability."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import jax
import jax.numpy as jnp
from jax import Array
from jax.typing import ArrayLike

from bayes_grpo.laws.coordinates import NODES, WEIGHTS, Coordinate, LogitCoordinate, logit_of
from bayes_grpo.laws.dynamics.first_order import FirstOrder
from bayes_grpo.laws.dynamics.second_order import SecondOrder
from bayes_grpo.laws.finite_groups import FiniteGroups, Groups
from bayes_grpo.laws.relaxation import Relaxation
from bayes_grpo.laws.run_data import Parameters, RunData

#: Logits about the reference in which the fixed point is sought, and at how many points.
_REACH, _POINTS, _HALVINGS = 12.0, 97, 25
_LEAST_SPAN = 1e-3
_LEAST_VARIANCE = 1e-6

_LOGIT, _FINITE = LogitCoordinate(), FiniteGroups()
_COSTS = {
    "kl_weight": "the weight of the KL term is inferred from the approach alone, and the plateau with it; state --kl-weight",
    "reference_reward": "the reference is taken to lie near the bottom of the reward's range; state reference_reward",
    "wrong_reward": "what a wrong answer earns is taken to be near the lower bound; state wrong_reward",
    "right_reward": "what a right answer earns is taken to be near the upper bound; state right_reward",
    "clip_ratio": "clipping is taken to remove no drive",
}


@dataclass(frozen=True)
class Balance(Relaxation):
    """``z' = k(t) [D phi_G(x) / sqrt(x (1 - x)) (1 - clipped) - b (z - z_ref)] + sqrt(q(t)) w(t)``, with z the logit of p.

    The reward is ``x = wrong + D p``, ``D = right - wrong``; p the success probability, z_ref the reference's logit, b the weight of the KL
    term. Rewards are 0 or 1 (or at the bounds of their range). Without finite groups phi_G = 1; the fixed point is then that of
    Mroueh (arXiv 2503.06639). The plateau is no parameter: it follows from b, G, the reference and what answers earn.
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
        """None that the keys allow."""
        return []

    def origin(self, parameters: Parameters, run: RunData) -> Array:
        """None: the state is the logit itself."""
        return jnp.zeros(())

    def place(self, parameters: Parameters, reward: ArrayLike) -> Array:
        """Success probability at an expected reward."""
        wrong = parameters["wrong_reward"]
        span = jnp.maximum(parameters["right_reward"] - wrong, _LEAST_SPAN)
        return jnp.clip((jnp.asarray(reward) - wrong) / span, 1e-4, 1 - 1e-4)

    def to_reward(self, parameters: Parameters, run: RunData, state: Array) -> Array:
        """Expected reward at a logit of the success probability."""
        wrong = parameters["wrong_reward"]
        return wrong + (parameters["right_reward"] - wrong) * jax.nn.sigmoid(state)

    def line(self, parameters: Parameters, run: RunData, state: Array, variance: Array) -> tuple[Array, Array, Array]:
        """Reward as the straight line in the state that fits best under its uncertainty."""
        share = jax.nn.sigmoid(state + jnp.sqrt(variance) * NODES)
        mean, slope = WEIGHTS @ share, WEIGHTS @ (share * (1 - share))
        excess = jnp.maximum(WEIGHTS @ (share - mean) ** 2 - slope**2 * variance, 0.0)
        span = parameters["right_reward"] - parameters["wrong_reward"]
        return span * slope, parameters["wrong_reward"] + span * (mean - slope * state), span**2 * excess

    def initial_state(self, parameters: Parameters, run: RunData) -> tuple[Array, Array]:
        """The start, at rest."""
        return logit_of(self.place(parameters, parameters["initial_reward"])), jnp.zeros(())

    def pull(self, parameters: Parameters, run: RunData, state: Array) -> Array:
        """Force on the logit per unit of rate: the drive less the pull of the reference, of the state's shape."""
        reward = (self.to_reward(parameters, run, state) - run.reward_lower) / run.reward_range
        spread = jnp.sqrt(jnp.maximum(reward * (1 - reward), _LEAST_VARIANCE))
        span = (parameters["right_reward"] - parameters["wrong_reward"]) / run.reward_range
        factor = self.groups.factor(run, logit_of(reward))
        reference = logit_of(self.place(parameters, parameters["reference_reward"]))
        return span * factor / spread * (1 - run.clipped) - parameters["kl_weight"] * (state - reference)

    def absolute(self, parameters: Parameters, run: RunData) -> Parameters:
        """Parameters with the plateau: the reward at the first fixed point above the reference, or at the end of the search."""
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

    def plateau_stiffness(self, parameters: Parameters, run: RunData) -> Array:
        """Restoring rate at the plateau (1/step)."""
        state = logit_of(self.place(parameters, parameters["plateau"]))
        slope: Array = jax.grad(lambda z: self.pull(parameters, run, z))(state)
        return -parameters["stiffness"] * slope

    def diffusion(self, parameters: Parameters, run: RunData, rate: Array) -> Array:
        """White-noise intensity of the logit, ``8 k (2 fluctuation rate / range)^2``: fluctuation is that at the middle of the range."""
        if not self.process_noise:
            return jnp.zeros_like(rate)
        q = 2 * parameters["stiffness"] * (4 * parameters["fluctuation"] / run.reward_range * rate) ** 2
        return q * self.group_noise.scale(parameters, run, "temperature")


@dataclass(frozen=True)
class FirstOrderBalance(Balance, FirstOrder, name="balance_first_order"):
    """The balance law without inertia; its equation stands in `Balance`."""


@dataclass(frozen=True)
class SecondOrderBalance(Balance, SecondOrder, name="balance_second_order"):
    """The balance law with inertia: ``m z'' + c z'`` in the place of ``z'``."""

    keys: ClassVar[tuple[str, ...]] = (*Balance.keys, "mass", "damping")

    def motion_parameters(self) -> tuple[str, ...]:
        """Those of the balance law, with damping, initial velocity and, where it is inferred, the mass."""
        return (*super().motion_parameters(), *self.damping.parameters, "initial_velocity", *self.mass.parameters)

    def initial_state(self, parameters: Parameters, run: RunData) -> tuple[Array, Array]:
        """The start, moving with ``nu`` times the velocity that the law without mass would have."""
        position, _ = super().initial_state(parameters, run)
        _, start_rate = self.clock.rates(run)
        velocity = parameters["initial_velocity"] * parameters["stiffness"] * start_rate
        return position, velocity * self.pull(parameters, run, position)
