"""Laws that are pulled to a plateau: what the first-order and the second-order law have in common."""

from abc import abstractmethod
from dataclasses import dataclass
from typing import ClassVar

import jax.numpy as jnp

from bayes_grpo.laws.law import Law, row_motion
from bayes_grpo.laws.motion import Motion
from bayes_grpo.laws.oscillator import Transition
from bayes_grpo.laws.run_data import Parameters, RunData
from bayes_grpo.laws.shapes import Operand, Scalar, Values


@dataclass(frozen=True)
class Relaxation(Law):
    """A state s that a plateau pulls with stiffness k: its drift is ``k (eta / eta0) phi(s) pull(s)``.

    The coordinate gives the pull, which in the reward is ``x* - x``. Finite groups give phi. The clock gives the
    learning rate eta over its peak eta0. A law with another drift overrides `pull` and, where it is not linear in the
    state, `linear`.
    """

    keys: ClassVar[tuple[str, ...]] = (*Law.keys, "coordinate", "finite_groups", "relative")
    relaxes: ClassVar[bool] = True

    @abstractmethod
    def motion(
        self, parameters: Parameters, run: RunData, gap: Operand, stiffness: Operand, noise: Operand
    ) -> Transition:
        """Exact motion over a gap (step) under a linear pull with this stiffness (1/step) and this noise intensity."""

    @abstractmethod
    def motion_about(
        self,
        parameters: Parameters,
        run: RunData,
        gap: Scalar,
        state: Scalar,
        force: Scalar,
        stiffness: Scalar,
        noise: Scalar,
    ) -> Transition:
        """Exact motion over a gap where the drift is ``force`` at the state and its slope ``-stiffness``; scalars."""

    def motion_parameters(self) -> tuple[str, ...]:
        """Plateau, start and stiffness."""
        return ("plateau", "initial_reward", "stiffness")

    def faults(self) -> list[str]:
        """A relative statement needs a law that is linear in the reward."""
        if self.statement.names and not self.linear:
            return ["relative: only laws that are linear in the reward can be stated so; remove the key"]
        return []

    def origin(self, parameters: Parameters, run: RunData) -> Scalar:
        """The plateau."""
        return parameters["plateau"]

    def initial_state(self, parameters: Parameters, run: RunData) -> tuple[Scalar, Scalar]:
        """The start, at rest."""
        position = self.coordinate.to_state(run, parameters["initial_reward"], self.origin(parameters, run))
        return position, jnp.zeros(())

    def line(
        self, parameters: Parameters, run: RunData, state: Scalar, variance: Scalar
    ) -> tuple[Scalar, Scalar, Scalar]:
        """Straight line in the state that stands for the reward: slope, intercept, and variance about the line."""
        return self.coordinate.line(run, state, variance)

    def pull(self, parameters: Parameters, run: RunData, state: Values) -> Values:
        """Drift per unit of stiffness, of the state's shape."""
        origin = self.origin(parameters, run)
        pull = self.coordinate.pull(run, state, origin)
        if self.groups.finite:
            pull = pull * self.groups.factor(run, self.coordinate.logit(run, state, origin))
        return pull

    def drift(self, parameters: Parameters, run: RunData, rate: Operand, state: Values) -> Values:
        """Velocity that the state would have without mass and at unit damping, of the state's shape."""
        return parameters["stiffness"] * rate * self.pull(parameters, run, state)

    def diffusion(self, parameters: Parameters, run: RunData, rate: Values) -> Values:
        """Intensity q of the white noise in the law's coordinate, of the rate's shape.

        At unit damping the stationary variance is ``q / 2k``, so ``q = 2 k fluctuation^2``.
        """
        if not self.process_noise:
            return jnp.zeros_like(rate)
        unit = self.coordinate.noise_unit(run)
        q = 2 * parameters["stiffness"] * (parameters["fluctuation"] * unit * rate) ** 2
        return q * self.group_noise.scale(parameters, run, "temperature")

    def transitions(self, parameters: Parameters, run: RunData) -> Motion:
        """Exact motion over the gap before each row."""
        rate, _ = self.clock.rates(run)
        stiffness, noise = parameters["stiffness"] * rate, self.diffusion(parameters, run, rate)
        return row_motion(run, lambda gap: self.motion(parameters, run, gap, stiffness, noise))

    def plateau_stiffness(self, parameters: Parameters, run: RunData) -> Scalar:
        """Slope of the pull at the plateau (1/step); in laws that are linear in the reward it is the stiffness."""
        plateau = parameters["plateau"]
        stiffness = parameters["stiffness"] * self.coordinate.stiffening(run, plateau)
        if self.groups.finite:
            state = self.coordinate.to_state(run, plateau, plateau)
            stiffness = stiffness * self.groups.factor(run, self.coordinate.logit(run, state, plateau))
        return jnp.asarray(stiffness)

    def derived(self, parameters: Parameters, run: RunData) -> dict[str, Values]:
        """Timescale and, with noise, temperature; of a law that is not linear, as linearised about its plateau."""
        out = {"timescale": 1 / self.plateau_stiffness(parameters, run)}
        if self.process_noise:
            slope = self.coordinate.slope(run, parameters["plateau"]) * self.coordinate.noise_unit(run)
            noise = 2 * parameters["stiffness"] * (parameters["fluctuation"] * slope) ** 2
            scale = self.group_noise.scale(parameters, run, "temperature")
            out["temperature"] = noise * scale * run.group_size
        return out

    def fixed(self, closed_form_mass: float) -> dict[str, float]:
        """No temperature where there is no noise."""
        return {} if self.process_noise else {"temperature": 0.0}
