"""The ScaleRL sigmoid: a curve that most people fit."""

from dataclasses import dataclass

import jax
import jax.numpy as jnp
from jax import Array

from bayes_grpo.laws.law import Law
from bayes_grpo.laws.motion import Motion
from bayes_grpo.laws.oscillator import Transition, Window
from bayes_grpo.laws.run_data import Parameters, RunData

#: Places in a window at which the curve is averaged.
_PLACES = 10


@dataclass(frozen=True)
class Sigmoid(Law, name="sigmoid"):
    """``x = x0 + (x* - x0) / (1 + (C_mid / C)^B)`` with compute C counted in steps (ScaleRL, arXiv 2510.13786)."""

    def faults(self) -> list[str]:
        """A curve has no process noise."""
        return ["process_noise: expected false, the sigmoid is a curve"] if self.process_noise else []

    def motion_parameters(self) -> tuple[str, ...]:
        """Plateau, start, midpoint and steepness."""
        return ("plateau", "initial_reward", "midpoint", "steepness")

    def initial_state(self, parameters: Parameters, run: RunData) -> tuple[Array, Array]:
        """The start, at rest."""
        return parameters["initial_reward"] - self.origin(parameters, run), jnp.zeros(())

    def curve(self, parameters: Parameters, compute: Array) -> Array:
        """Expected reward at a compute, of its shape."""
        begun = compute > 0
        log_ratio = jnp.log(jnp.where(begun, compute, 1.0)) - jnp.log(parameters["midpoint"])
        share = jnp.where(begun, jax.nn.sigmoid(parameters["steepness"] * log_ratio), 0.0)
        return parameters["initial_reward"] + (parameters["plateau"] - parameters["initial_reward"]) * share

    def transitions(self, parameters: Parameters, run: RunData) -> Motion:
        """Motion that forgets where it was: the curve as a state space."""
        rate, _ = self.clock.rates(run)
        grid = run.grid
        between, inside = grid.per_row(grid.gap * rate, (grid.points - 1) * grid.spacing * rate)
        compute = jnp.cumsum(between + inside)
        curve = self.curve(parameters, compute)
        zero = jnp.zeros_like(curve)
        window = None
        if grid.averages:
            places = (jnp.arange(_PLACES) + 0.5) / _PLACES
            mean = self.curve(parameters, compute - inside * places[:, None]).mean(0)
            window = Window(zero, zero, mean, zero, zero, zero)
        return Motion(Transition(zero, zero, zero, zero, zero, zero, zero, curve, zero, window))
