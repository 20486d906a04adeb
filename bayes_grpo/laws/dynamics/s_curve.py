"""An S-curve with a creep: a start that success is rare at, a rise, and prompts that differ in difficulty."""

from dataclasses import dataclass
from typing import ClassVar

import jax.numpy as jnp
from jax import Array

from bayes_grpo.laws.curve import Curve
from bayes_grpo.laws.dynamics.power_law import share_left
from bayes_grpo.laws.run_data import Parameters, RunData


@dataclass(frozen=True)
class SCurve(Curve, name="s_curve"):
    """``x = x* - (x* - x0) (1 + g y)^(-1/g)`` with ``y(t) = log(1 + s0 (exp(k t) - 1))``.

    Where success is rare, few groups carry a signal, and learning is slow until there are more of them. So a common
    drive s multiplies the rate of every prompt. It grows as success does in a softmax policy, ``s' = k s (1 - s)`` from
    s0, and the dose ``y' = k s`` is what the prompts have had of it. The share that is left then follows the power law
    of prompts whose rates are gamma distributed, with squared coefficient of variation g, in the dose. At s0 = 1 the
    law is the power law in time; at g = 0 it is the logistic curve; at both it is the exponential.
    """

    positive: ClassVar[tuple[str, ...]] = (*Curve.positive, "difficulty_spread", "initial_drive")

    def curve_parameters(self) -> tuple[str, ...]:
        """Plateau, start, full mean rate, spread of rates, and the drive at the start."""
        return ("plateau", "initial_reward", "stiffness", "difficulty_spread", "initial_drive")

    def curve(self, parameters: Parameters, run: RunData, time: Array) -> Array:
        """Expected reward without fluctuation at a time of the clock (step), of its shape."""
        drive = parameters["initial_drive"]
        dose = jnp.logaddexp(jnp.log1p(-drive), jnp.log(drive) + parameters["stiffness"] * time)
        left = share_left(jnp.maximum(dose, 0.0), parameters["difficulty_spread"])
        return parameters["plateau"] - (parameters["plateau"] - parameters["initial_reward"]) * left

    def derived(self, parameters: Parameters, run: RunData) -> dict[str, Array]:
        """Timescale of the full mean rate, and the time until half of the drive is there (0 if it is at the start)."""
        rate, drive = parameters["stiffness"], parameters["initial_drive"]
        return {"timescale": 1 / rate, "delay": jnp.maximum(jnp.log1p(-drive) - jnp.log(drive), 0.0) / rate}
