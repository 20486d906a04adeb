"""First-order relaxation: the oscillator's limit of vanishing mass."""

from dataclasses import dataclass

import jax.numpy as jnp

from bayes_grpo.laws.oscillator import Transition, first_order, mean_exp
from bayes_grpo.laws.relaxation import Relaxation
from bayes_grpo.laws.run_data import Parameters, RunData
from bayes_grpo.laws.shapes import Operand, Scalar


@dataclass(frozen=True)
class FirstOrder(Relaxation, name="first_order"):
    """``x' = k(t) (x* - x) + sqrt(q(t)) w(t)``: an Ornstein-Uhlenbeck process (Uhlenbeck and Ornstein 1930).

    It is the limit m -> 0 at c = 1 of the oscillator (Predictable GRPO, arXiv 2606.30789). Without noise it is the
    single exponential of "Predictive scaling laws for GRPO" (arXiv 2507.18014).
    """

    def motion(
        self, parameters: Parameters, run: RunData, gap: Operand, stiffness: Operand, noise: Operand
    ) -> Transition:
        """Exact motion over a gap (step) under a linear pull with this stiffness (1/step) and this noise intensity."""
        return first_order(gap, stiffness, noise)

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
        """Over a gap D the state moves to ``s + force D (exp(-k D) - 1) / (-k D)``; k may be negative or zero."""
        linear = first_order(gap, stiffness, noise)
        shift = gap * mean_exp(-stiffness * gap)
        return linear._replace(b1=(1 - linear.f11) * state + force * shift, b2=jnp.zeros_like(state))

    def fixed(self, closed_form_mass: float) -> dict[str, float]:
        """Unit damping and no mass, so the damping ratio is infinite."""
        return {"damping": 1.0, "mass": 0.0, "damping_ratio": float("inf"), **super().fixed(closed_form_mass)}
