"""A law of one's own: growth that is slow while the reward is small, and slow again near the plateau."""

from dataclasses import dataclass
from typing import ClassVar

import jax.numpy as jnp
from jax import Array

from bayes_grpo.laws.dynamics.first_order import FirstOrder
from bayes_grpo.laws.law import Law
from bayes_grpo.laws.run_data import Parameters, RunData

#: The drift is not evaluated nearer to the lower bound than this share of the reward range.
LEAST = 1e-4


@dataclass(frozen=True)
class Richards(FirstOrder, name="richards"):
    """``x' = k(t) / nu x (1 - (x / x*)^nu) + sqrt(q(t)) w(t)``, with x counted from the lower bound of the reward.

    Growth with a limit (Richards 1959, "A flexible growth function for empirical use"). The shape nu = 1 is the
    logistic curve, nu -> 0 Gompertz's. Near the plateau the drift is ``-k (x - x*)`` for every shape, so the stiffness
    k means what it means elsewhere.
    """

    keys: ClassVar[tuple[str, ...]] = Law.keys
    positive: ClassVar[tuple[str, ...]] = ("shape",)

    def motion_parameters(self) -> tuple[str, ...]:
        """Those of a relaxation, and the shape."""
        return (*super().motion_parameters(), "shape")

    @property
    def linear(self) -> bool:
        """The drift is no straight line, so the filter linearises it."""
        return False

    def pull(self, parameters: Parameters, run: RunData, state: Array) -> Array:
        """Drift per unit of stiffness, of the state's shape; the state is the reward less the plateau."""
        least = LEAST * run.reward_range
        plateau = jnp.maximum(parameters["plateau"] - run.reward_lower, least)
        x = jnp.maximum(state + plateau, least)
        return x / parameters["shape"] * (1 - (x / plateau) ** parameters["shape"])
