"""The sigmoid of ScaleRL: the curve that most people fit."""

from dataclasses import dataclass
from typing import ClassVar

import jax
import jax.numpy as jnp

from bayes_grpo.laws.curve import Curve
from bayes_grpo.laws.run_data import Parameters, RunData
from bayes_grpo.laws.shapes import Values


@dataclass(frozen=True)
class Sigmoid(Curve, name="sigmoid"):
    """``x = x0 + (x* - x0) / (1 + (C_mid / C)^B)`` with compute C counted in steps (ScaleRL, arXiv 2510.13786)."""

    positive: ClassVar[tuple[str, ...]] = (*Curve.positive, "midpoint", "steepness")

    def curve_parameters(self) -> tuple[str, ...]:
        """Plateau, start, midpoint and steepness."""
        return ("plateau", "initial_reward", "midpoint", "steepness")

    def curve(self, parameters: Parameters, run: RunData, time: Values) -> Values:
        """Expected reward without fluctuation at a time of the clock (step), of its shape."""
        begun = time > 0
        log_ratio = jnp.log(jnp.where(begun, time, 1.0)) - jnp.log(parameters["midpoint"])
        share = jnp.where(begun, jax.nn.sigmoid(parameters["steepness"] * log_ratio), 0.0)
        return parameters["initial_reward"] + (parameters["plateau"] - parameters["initial_reward"]) * share
