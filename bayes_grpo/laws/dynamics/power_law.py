"""A power-law approach: relaxation of prompts that differ in difficulty, and so in rate."""

from dataclasses import dataclass
from typing import ClassVar

import jax.numpy as jnp
from jax import Array

from bayes_grpo.laws.curve import Curve
from bayes_grpo.laws.run_data import Parameters, RunData


@dataclass(frozen=True)
class PowerLaw(Curve, name="power_law"):
    """``x = x* - (x* - x0) (1 + g k t)^(-1/g)``: a steep rise that goes over into a creep.

    Each prompt relaxes exponentially, at a rate that depends on how far its success probability is from 0 and 1. If the
    rates are gamma distributed over the prompts, with mean k and squared coefficient of variation g, the mean over the
    prompts is this curve: the expectation of ``exp(-rate t)`` is the Laplace transform of the gamma distribution. It
    solves ``x' = k (x* - x) r^g`` with r the share of the way that is left, so the pull weakens as the quick prompts
    are done. At g = 0 it is the exponential; a large time is the tail ``t^(-1/g)`` of the ScaleRL sigmoid with exponent
    B = 1/g.
    """

    positive: ClassVar[tuple[str, ...]] = (*Curve.positive, "difficulty_spread")

    def curve_parameters(self) -> tuple[str, ...]:
        """Plateau, start, mean rate and the spread of rates."""
        return ("plateau", "initial_reward", "stiffness", "difficulty_spread")

    def curve(self, parameters: Parameters, run: RunData, time: Array) -> Array:
        """Expected reward without fluctuation at a time of the clock (step), of its shape."""
        left = share_left(parameters["stiffness"] * time, parameters["difficulty_spread"])
        return parameters["plateau"] - (parameters["plateau"] - parameters["initial_reward"]) * left

    def derived(self, parameters: Parameters, run: RunData) -> dict[str, Array]:
        """Timescale of the mean rate."""
        return {"timescale": 1 / parameters["stiffness"]}


def share_left(y: Array, spread: Array) -> Array:
    """``(1 + g y)^(-1/g)``, smooth through g = 0."""
    v = spread * y
    small = v < 1e-4
    safe = jnp.where(small, 1.0, v)
    return jnp.exp(-y * jnp.where(small, 1 - v / 2 + v * v / 3, jnp.log1p(safe) / safe))
