"""Whether importance sampling may be believed.

K-hat, effective draws, modes, and agreement of independent repetitions.
"""

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from bayes_grpo.errors import Note
from bayes_grpo.inference.importance.pareto import smooth_weights

#: Above this Pareto k estimates from weighted draws are not to be trusted (Vehtari et al. 2024).
MAX_KHAT = 0.7
#: Effective number of draws that a fit must have.
MIN_ESS = 400.0
#: Standard deviations that the means of two repetitions may differ by, at most; they differ by 0.1 or less where 1,000
#: draws are effective.
MAX_DISAGREEMENT = 0.3


@dataclass(frozen=True)
class Quality:
    """Diagnostics of importance sampling.

    Parameters
    ----------
    khat : float
        Shape of the tail of the weights (Pareto k).
    importance_ess : float
        Effective number of draws.
    modes : int
        Maxima of the posterior density that were found, with at least one in a hundred of its mass.
    disagreement : float
        Largest difference of a parameter's mean between independent repetitions, in posterior standard deviations.
    power : float
        Power of the likelihood that was reached; one if the whole likelihood was.
    generations, evaluations : int
        Generations of points, and densities that were computed.
    """

    khat: float
    importance_ess: float
    modes: int
    disagreement: float
    power: float
    generations: int
    evaluations: int

    def failures(self, min_ess: float = MIN_ESS) -> list[Note]:
        """What is wrong with the draws, a note a fault; empty if they may be believed."""
        faults = {}
        if not self.power >= 1:
            faults["power"] = (
                f"importance sampling stopped at power {self.power:.2g} of the likelihood; use the method nuts"
            )
        if not self.khat <= MAX_KHAT:
            faults["khat"] = f"Pareto k {self.khat:.2f}, expected at most {MAX_KHAT}: too few draws carry the weight"
        if not self.importance_ess >= min_ess:
            faults["importance_ess"] = (
                f"importance ESS {self.importance_ess:.0f}, expected at least {min_ess:.0f}: too few effective draws"
            )
        if not self.disagreement <= MAX_DISAGREEMENT:
            faults["disagreement"] = (
                f"independent repetitions differ by {self.disagreement:.2f} standard deviations, expected at most "
                f"{MAX_DISAGREEMENT}: a part of the posterior was missed"
            )
        return [Note("not_converged", subject, text) for subject, text in faults.items()]

    def as_dict(self) -> dict[str, Any]:
        """The values, ready for JSON."""
        return {
            key: None if isinstance(value, float) and not np.isfinite(value) else value
            for key, value in asdict(self).items()
        }


def effective_draws(log_weights: np.ndarray) -> float:
    """Effective number of draws with these log weights."""
    weights = np.exp(log_weights - log_weights.max())
    return float(weights.sum() ** 2 / (weights * weights).sum())


def trusted_weights(log_weights: np.ndarray, min_ess: float = MIN_ESS) -> bool:
    """Whether the weights of every run, shape (run, ...), are good enough."""
    for of_run in log_weights:
        smoothed, khat = smooth_weights(of_run.ravel())
        if khat > MAX_KHAT or effective_draws(smoothed) < min_ess:
            return False
    return True


def disagreement_of(values: dict[str, np.ndarray], log_weights: np.ndarray) -> float:
    """Largest difference of means between repetitions, in standard deviations.

    Weights are (repetition, point) and make each repetition an estimate of its own; values have the same shape, or a
    last dimension for runs or coordinates.
    """
    smoothed = np.stack([smooth_weights(of_repetition)[0] for of_repetition in log_weights])
    weights = np.exp(smoothed - smoothed.max(1, keepdims=True))
    weights /= weights.sum(1, keepdims=True)
    largest = 0.0
    for value in values.values():
        means = np.einsum("rp,rp...->r...", weights, value)
        mean = means.mean(0)
        sd = np.sqrt(np.einsum("rp,rp...->...", weights, (value - mean) ** 2) / len(weights))
        largest = max(largest, float((np.ptp(means, axis=0) / np.maximum(sd, 1e-300)).max()))
    return largest
