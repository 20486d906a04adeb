"""Laws that are pulled to a plateau: what first-order and second-order relaxation have in common."""

from abc import abstractmethod
from dataclasses import dataclass
from typing import ClassVar

import jax.numpy as jnp
from jax import Array
from jax.typing import ArrayLike

from bayes_grpo.laws.law import Law, row_motion
from bayes_grpo.laws.motion import Motion
from bayes_grpo.laws.oscillator import Transition
from bayes_grpo.laws.run_data import Parameters, RunData


@dataclass(frozen=True)
class Relaxation(Law):
    """A state s that a plateau pulls with stiffness k: drift ``k (eta / eta0) phi(s) pull(s)``.

    The coordinate gives the pull, in the reward ``x* - x``; finite groups give phi; the clock gives the learning rate eta over its peak. A law
    with another drift overrides `drift` and, where it is not linear in the state, `linear`.
    """

    keys: ClassVar[tuple[str, ...]] = (*Law.keys, "coordinate", "finite_groups", "relative")
    relaxes: ClassVar[bool] = True

    @abstractmethod
    def motion(
        self, parameters: Parameters, run: RunData, gap: ArrayLike, stiffness: ArrayLike, noise: ArrayLike
    ) -> Transition:
        """Exact motion over a gap (step) under a linear pull of this stiffness (1/step) and this noise intensity."""

    @abstractmethod
    def motion_about(
        self,
        parameters: Parameters,
        run: RunData,
        gap: Array,
        state: Array,
        force: Array,
        stiffness: Array,
        noise: Array,
    ) -> Transition:
        """Exact motion over a gap where the drift is ``force`` at a state and falls with this stiffness about it; scalars."""

    def motion_parameters(self) -> tuple[str, ...]:
        """Plateau, start and stiffness."""
        return ("plateau", "initial_reward", "stiffness")

    def faults(self) -> list[str]:
        """A relative statement needs a law that is linear in the reward."""
        if self.statement.names and not self.linear:
            return ["relative: only laws that are linear in the reward can be stated so; remove the key"]
        return []

    def origin(self, parameters: Parameters, run: RunData) -> Array:
        """The plateau."""
        return parameters["plateau"]

    def initial_state(self, parameters: Parameters, run: RunData) -> tuple[Array, Array]:
        """The start, at rest."""
        position = self.coordinate.to_state(run, parameters["initial_reward"], self.origin(parameters, run))
        return position, jnp.zeros(())

    def line(self, parameters: Parameters, run: RunData, state: Array, variance: Array) -> tuple[Array, Array, Array]:
        """Reward as a straight line in the state under its uncertainty: slope, intercept, and variance about the line."""
        return self.coordinate.line(run, state, variance)

    def pull(self, parameters: Parameters, run: RunData, state: Array) -> Array:
        """Drift per unit of stiffness, of the state's shape."""
        origin = self.origin(parameters, run)
        pull = self.coordinate.pull(run, state, origin)
        if self.groups.finite:
            pull = pull * self.groups.factor(run, self.coordinate.logit(run, state, origin))
        return pull

    def drift(self, parameters: Parameters, run: RunData, rate: ArrayLike, state: Array) -> Array:
        """Velocity of the state at unit damping and without mass, of the state's shape."""
        return parameters["stiffness"] * rate * self.pull(parameters, run, state)

    def diffusion(self, parameters: Parameters, run: RunData, rate: Array) -> Array:
        """White-noise intensity q in the law's coordinate, of the rate's shape.

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

    def plateau_stiffness(self, parameters: Parameters, run: RunData) -> Array:
        """Pull at the plateau (1/step): what the laws that are linear in the reward call stiffness."""
        plateau = parameters["plateau"]
        stiffness = parameters["stiffness"] * self.coordinate.stiffening(run, plateau)
        if self.groups.finite:
            state = self.coordinate.to_state(run, plateau, plateau)
            stiffness = stiffness * self.groups.factor(run, self.coordinate.logit(run, state, plateau))
        return jnp.asarray(stiffness)

    def derived(self, parameters: Parameters, run: RunData) -> dict[str, Array]:
        """Quantities that follow from the parameters; of laws that are not linear, those of the law linearised about its plateau."""
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
