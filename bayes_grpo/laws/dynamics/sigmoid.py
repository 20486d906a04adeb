"""The sigmoid of ScaleRL: the curve that most people fit."""

from dataclasses import dataclass

import jax
import jax.numpy as jnp

from bayes_grpo.laws.law import Law
from bayes_grpo.laws.oscillator import Transition
from bayes_grpo.laws.run_data import Parameters, RunData
from bayes_grpo.laws.shapes import Rows, Scalar


@dataclass(frozen=True)
class Sigmoid(Law, name="sigmoid"):
    """``x = x0 + (x* - x0) / (1 + (C_mid / C)^B)``, with the compute C counted in steps (ScaleRL, arXiv 2510.13786)."""

    def faults(self) -> list[str]:
        """A curve has no process noise."""
        return ["process_noise: expected false, the sigmoid is a curve"] if self.process_noise else []

    def motion_parameters(self) -> tuple[str, ...]:
        """Plateau, start, midpoint and steepness."""
        return ("plateau", "initial_reward", "midpoint", "steepness")

    def initial_state(self, parameters: Parameters, run: RunData) -> tuple[Scalar, Scalar]:
        """The start, at rest."""
        return parameters["initial_reward"] - self.origin(parameters, run), jnp.zeros(())

    def curve(self, parameters: Parameters, compute: Rows) -> Rows:
        """Expected reward at each compute."""
        begun = compute > 0
        log_ratio = jnp.log(jnp.where(begun, compute, 1.0)) - jnp.log(parameters["midpoint"])
        share = jnp.where(begun, jax.nn.sigmoid(parameters["steepness"] * log_ratio), 0.0)
        return parameters["initial_reward"] + (parameters["plateau"] - parameters["initial_reward"]) * share

    def transition(self, parameters: Parameters, run: RunData) -> Transition:
        """Motion to the curve's next value, wherever the state was before; entries of shape (n,)."""
        rate, _ = self.clock.rates(run)
        curve = self.curve(parameters, jnp.cumsum((run.grid.gap * rate)[run.grid.kind]))
        zero = jnp.zeros_like(curve)
        return Transition(zero, zero, zero, zero, zero, zero, zero, curve, zero)
