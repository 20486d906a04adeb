"""Second-order relaxation: the driven damped oscillator."""

from dataclasses import dataclass
from typing import ClassVar

import jax.numpy as jnp

from bayes_grpo.laws.correction import Correction
from bayes_grpo.laws.corrections import ClosedFormMass, Damping, FreeDamping, LagDamping, Mass
from bayes_grpo.laws.oscillator import Transition, damping_ratio, second_order
from bayes_grpo.laws.relaxation import Relaxation
from bayes_grpo.laws.run_data import Parameters, RunData
from bayes_grpo.laws.shapes import Operand, Scalar, Values

#: A stiffness nearer to zero than this (1/step) is replaced by this, where the motion is stated about the point at
#: which it rests.
_LEAST_STIFFNESS = 1e-6


@dataclass(frozen=True)
class SecondOrder(Relaxation, name="second_order"):
    """``m x'' + c x' + k(t) (x - x*) = sqrt(q(t)) w(t)`` (Predictable GRPO, arXiv 2606.30789).

    Momentum gives the mass m, off-policy lag erodes the damping c, and the stiffness k is learning rate times
    curvature. The initial velocity is ``nu k (x* - x(0))``, with nu = 1 for Adam and ``(1 - beta1) / 2`` for a heavy
    ball from rest.

    Parameters
    ----------
    mass, damping
        Corrections: whether the mass follows from the momentum or is inferred, and whether the damping follows from
        the lag or is inferred.
    """

    mass: Mass = ClosedFormMass()
    damping: Damping = FreeDamping()

    keys: ClassVar[tuple[str, ...]] = (*Relaxation.keys, "mass", "damping")

    def motion_parameters(self) -> tuple[str, ...]:
        """Those of every relaxation, with damping, initial velocity and, where it is inferred, the mass."""
        return (*super().motion_parameters(), *self.damping.parameters, "initial_velocity", *self.mass.parameters)

    def corrections(self) -> tuple[Correction, ...]:
        """All corrections that the law is composed with."""
        return (*super().corrections(), self.mass, self.damping)

    def initial_state(self, parameters: Parameters, run: RunData) -> tuple[Scalar, Scalar]:
        """The start, moving at ``nu`` times the velocity that the law without mass would have."""
        position, _ = super().initial_state(parameters, run)
        _, start_rate = self.clock.rates(run)
        velocity = parameters["initial_velocity"] * parameters["stiffness"] * start_rate
        return position, velocity * self.pull(parameters, run, position)

    def motion(
        self, parameters: Parameters, run: RunData, gap: Operand, stiffness: Operand, noise: Operand
    ) -> Transition:
        """Exact motion over a gap (step) under a linear pull with this stiffness (1/step) and this noise intensity."""
        damping = self.damping.value(parameters, run, stiffness)
        return second_order(gap, self.mass.value(parameters, run), damping, stiffness, noise)

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
        """The linear motion about the point at which the straight line that stands for the drift is zero."""
        stiffness = jnp.where(jnp.abs(stiffness) < _LEAST_STIFFNESS, _LEAST_STIFFNESS, stiffness)
        linear = self.motion(parameters, run, gap, stiffness, noise)
        rest = state + force / stiffness
        return linear._replace(b1=(1 - linear.f11) * rest, b2=-linear.f21 * rest)

    def derived(self, parameters: Parameters, run: RunData) -> dict[str, Values]:
        """Those of every relaxation, the damping ratio and, where lag gives it, the damping at the plateau."""
        of_relaxation = super().derived(parameters, run)
        stiffness = self.plateau_stiffness(parameters, run)
        damping = self.damping.value(parameters, run, stiffness)
        out = {"timescale": of_relaxation.pop("timescale")}
        if isinstance(self.damping, LagDamping):
            out["damping"] = damping
        out["damping_ratio"] = damping_ratio(self.mass.value(parameters, run), damping, stiffness)
        return out | of_relaxation

    def fixed(self, closed_form_mass: float) -> dict[str, float]:
        """The mass, where it follows from the momentum."""
        mass = {"mass": closed_form_mass} if isinstance(self.mass, ClosedFormMass) else {}
        return {**mass, **super().fixed(closed_form_mass)}
