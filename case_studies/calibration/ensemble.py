"""Posterior draws by an ensemble of walkers, with which importance sampling is compared: emcee's, without gradients.

A thousand walkers move by differential evolution (ter Braak and Vrugt 2008) in the coordinates of importance sampling.
They begin at prior draws; the power of the likelihood is raised as far as half of them keep weight, they are drawn
again by weight and move, until the power is one. Nothing of importance sampling enters: no mixture, and none of its
points. Hundreds of densities are computed in one call, so that the tails are known from many times as many effective
draws as NUTS makes in the same time.
"""

from dataclasses import dataclass

import emcee
import numpy as np

from bayes_grpo.inference.importance.target import target_of
from bayes_grpo.inference.layout import ModelData
from bayes_grpo.models.spec import ModelSpec

WALKERS, WARM_UP, KEPT, THIN = 1024, 100, 400, 10
#: Iterations at each power of the likelihood, share of the walkers that keep weight when it is raised, and groups of
#: walkers from which errors are told.
ON_THE_WAY, GOAL, GROUPS = 10, 0.5, 16
#: emcee's snooker move is left out: with version 3.1.6 a normal density in six dimensions gets a standard deviation of
#: 0.81 by it, as if half of the power of its Jacobian had been forgotten.
MOVES = [(emcee.moves.DEMove(), 0.8), (emcee.moves.StretchMove(), 0.2)]


@dataclass(frozen=True)
class Ensemble:
    """Draws of each parameter, shape (iteration, walker), and the share of proposals that were accepted."""

    values: dict[str, np.ndarray]
    accepted: float

    def share_below(self, name: str, limit: float) -> tuple[float, float]:
        """Share of draws below a limit, and its standard error from groups of walkers."""
        below = (self.values[name] <= limit).mean(axis=0)
        groups = below.reshape(GROUPS, -1).mean(axis=1)
        return float(groups.mean()), float(groups.std(ddof=1) / np.sqrt(GROUPS))

    def drift(self, name: str, limit: float) -> float:
        """Difference of that share between the halves of the walk, in its standard errors; large where it goes on."""
        halves = np.split(self.values[name] <= limit, 2)
        first, second = (half.mean(axis=0).reshape(GROUPS, -1).mean(axis=1) for half in halves)
        difference = second - first
        error = difference.std(ddof=1) / np.sqrt(GROUPS)
        return float(difference.mean() / max(error, 1e-300)) if difference.any() else 0.0


def draw_ensemble(spec: ModelSpec, data: ModelData, seed: int) -> Ensemble:
    """Walk from prior draws to the posterior of one run, and then on."""
    rng, target = np.random.default_rng(seed), target_of(spec)
    places, _ = target.draw_prior(rng, data, WALKERS)
    moves = np.random.RandomState(seed)
    power = 0.0

    def parts(places: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        # Batches of one size, the last filled up with copies: one program.
        found = []
        for first in range(0, len(places), WALKERS // 2):
            filled = np.resize(places[first : first + WALKERS // 2], (WALKERS // 2, places.shape[1]))
            evaluated = target.evaluate(filled[None], data)
            found.append([np.asarray(evaluated.log_prior)[0], np.asarray(evaluated.log_likelihood)[0]])
        log_prior, log_likelihood = np.concatenate(found, axis=1)[:, : len(places)]
        finite = np.isfinite(log_prior + log_likelihood)
        return np.where(finite, log_prior, -np.inf), np.where(finite, log_likelihood, -np.inf)

    def log_density(places: np.ndarray) -> np.ndarray:
        log_prior, log_likelihood = parts(places)
        return np.where(np.isfinite(log_prior), log_prior + power * np.maximum(log_likelihood, -1e300), -np.inf)

    walk = emcee.EnsembleSampler(WALKERS, places.shape[1], log_density, moves=MOVES, vectorize=True)
    while power < 1:
        _, log_likelihood = parts(places)
        power, weights = _raised(power, log_likelihood)
        chosen = (rng.random() + np.arange(WALKERS)) / WALKERS  # systematic resampling
        places = rng.permutation(places[np.searchsorted(np.cumsum(weights), chosen).clip(max=WALKERS - 1)])
        places = places + 1e-6 * places.std(axis=0) * rng.standard_normal(places.shape)
        walk.random_state = moves.get_state()
        places = walk.run_mcmc(places, ON_THE_WAY if power < 1 else WARM_UP, store=False).coords
        moves.set_state(walk.random_state)
    walk.run_mcmc(places, KEPT // THIN, thin_by=THIN)
    values: dict[str, list[np.ndarray]] = {name: [] for name in spec.parameters}
    for half in walk.get_chain().reshape(-1, 1, WALKERS // 2, places.shape[1]):
        for name, value in target.evaluate(half, data).values.items():
            values[name].append(np.asarray(value)[0])
    by_iteration = {name: np.array(found).reshape(-1, WALKERS) for name, found in values.items()}
    return Ensemble(by_iteration, float(walk.acceptance_fraction.mean()))


def _raised(power: float, log_likelihood: np.ndarray) -> tuple[float, np.ndarray]:
    """The next power of the likelihood, at most one, and the weights that it gives the walkers."""

    def weights(next_power: float) -> np.ndarray:
        log_weight = (next_power - power) * log_likelihood
        weight = np.exp(log_weight - log_weight.max())
        normal: np.ndarray = weight / weight.sum()
        return normal

    low, high = power, 1.0
    if 1 / (weights(1.0) ** 2).sum() >= GOAL * WALKERS:
        return 1.0, weights(1.0)
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (middle, high) if 1 / (weights(middle) ** 2).sum() >= GOAL * WALKERS else (low, middle)
    return high, weights(high)
