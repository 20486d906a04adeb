"""A random walk: the null model against which every other law is judged."""

from dataclasses import dataclass
from typing import ClassVar

import jax.numpy as jnp

from bayes_grpo.laws.law import Law, row_motion
from bayes_grpo.laws.motion import Motion
from bayes_grpo.laws.oscillator import first_order
from bayes_grpo.laws.run_data import Parameters, RunData
from bayes_grpo.laws.shapes import Scalar


@dataclass(frozen=True)
class RandomWalk(Law, name="random_walk"):
    """``x' = s eta(t) / eta0 w(t)``: the expected reward wanders without aim (the local level model; Harvey 1989)."""

    noise_parameter: ClassVar[str] = "step_sd"

    def faults(self) -> list[str]:
        """A walk without noise does not move."""
        return [] if self.process_noise else ["process_noise: expected true, a random walk is nothing but noise"]

    def motion_parameters(self) -> tuple[str, ...]:
        """The start."""
        return ("initial_reward",)

    def initial_state(self, parameters: Parameters, run: RunData) -> tuple[Scalar, Scalar]:
        """The start, at rest."""
        return parameters["initial_reward"] - self.origin(parameters, run), jnp.zeros(())

    def transitions(self, parameters: Parameters, run: RunData) -> Motion:
        """No motion but noise."""
        rate, _ = self.clock.rates(run)
        noise = (parameters["step_sd"] * rate) ** 2 * self.group_noise.scale(parameters, run, "temperature")
        return row_motion(run, lambda gap: first_order(gap, jnp.zeros_like(rate), noise))
