"""Posterior draws of one run by importance sampling."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import NamedTuple

import numpy as np
from jax import Array

from bayes_grpo.inference.importance.modes import count_modes
from bayes_grpo.inference.importance.pareto import smooth_weights
from bayes_grpo.inference.importance.quality import Quality, disagreement_of, effective_draws, trusted_weights
from bayes_grpo.inference.importance.sampler import Settings, Weighted, sample_weighted
from bayes_grpo.inference.importance.target import Evaluated, Target, target_of
from bayes_grpo.inference.layout import ModelData
from bayes_grpo.inference.progress import Progress
from bayes_grpo.inference.sampler_settings import Sampler
from bayes_grpo.models.spec import ModelSpec

#: How much is drawn for a fit of the usual number of draws.
SETTINGS = Settings()
#: Generations that a fit is expected to take, for progress.
_EXPECTED = 15


class ImportanceDraws(NamedTuple):
    """Equal-weight draws, and the weighted points that they are from.

    ``values`` have shape (chain, draw), ``points`` (repetition, point) with ``log_weight``, normalised over all of
    them; ``log_posterior`` of the draws has shape (chain, draw). ``log_evidence`` is the log marginal likelihood of the
    rewards.
    """

    values: dict[str, np.ndarray]
    log_posterior: np.ndarray
    points: dict[str, np.ndarray]
    log_weight: np.ndarray
    quality: Quality
    log_evidence: float


def draw_importance(
    spec: ModelSpec, data: ModelData, sampler: Sampler, progress: Progress | None = None
) -> ImportanceDraws:
    """Sample a model that does not pool.

    Parameters
    ----------
    spec : ModelSpec
        The model.
    data : ModelData
        The run laid out for it.
    sampler : Sampler
        Its seed, chains and draws.
    progress : callable, optional
        Called with (densities computed, densities expected).
    """
    return draw_together(target_of(spec), [data], sampler, np.random.default_rng(sampler.seed), progress)


def draw_together(
    target: Target,
    data: Sequence[ModelData],
    sampler: Sampler,
    rng: np.random.Generator,
    progress: Progress | None = None,
) -> ImportanceDraws:
    """Sample one set of parameters that explains the rewards of all runs.

    Parameters
    ----------
    target : Target
        The model.
    data : sequence of ModelData
        The runs laid out for it; the prior is that of the first.
    sampler : Sampler
        Its chains and draws.
    rng : numpy.random.Generator
        Of all that is drawn.
    progress : callable, optional
        Called with (densities computed, densities expected).
    """
    settings = settings_for(sampler)
    start, _ = target.draw_prior(rng, data[0], settings.repetitions, settings.points)
    density = _Counted(target, data, settings, progress)
    weighted = sample_weighted(density, start, rng, settings, trusted_weights)
    return drawn_from(weighted, 0, sampler, density.posterior, rng)


def settings_for(sampler: Sampler) -> Settings:
    """Points enough that few draws are the same."""
    rounds = -(-sampler.chains * sampler.draws // (SETTINGS.repetitions * SETTINGS.points))
    return replace(SETTINGS, rounds=max(SETTINGS.rounds, rounds))


class _Counted:
    """The model of runs with the same parameters at points, with progress."""

    def __init__(
        self, target: Target, data: Sequence[ModelData], settings: Settings, progress: Progress | None
    ) -> None:
        self.target, self.data, self.settings, self.progress = target, data, settings, progress
        self.generations = 0

    def __call__(self, points: Array | np.ndarray) -> Evaluated:
        evaluated = self._evaluated(points)
        self.generations += 1
        if self.progress is not None:
            expected = max(_EXPECTED, self.generations)
            each = self.settings.repetitions * self.settings.points
            self.progress(self.generations * each, expected * each)
        return evaluated

    def _evaluated(self, points: Array | np.ndarray) -> Evaluated:
        first, *others = (self.target.evaluate(points, data) for data in self.data)
        return first._replace(log_likelihood=sum((other.log_likelihood for other in others), first.log_likelihood))

    def posterior(self, points: np.ndarray) -> np.ndarray:
        """Log posterior density at points, shape (point, dimension)."""

        def of_generation(part: np.ndarray) -> np.ndarray:
            evaluated = self._evaluated(part)
            summed: np.ndarray = np.asarray(evaluated.log_prior) + np.asarray(evaluated.log_likelihood)
            return summed

        return by_generation(of_generation, points, self.settings)


def by_generation(density: Callable[[np.ndarray], np.ndarray], points: np.ndarray, settings: Settings) -> np.ndarray:
    """A density at any number of points, computed a generation at a time: no program is compiled anew.

    Parameters
    ----------
    density : callable
        Of points (repetition, point, dimension), as many as a generation has; it returns (repetition, point).
    points : numpy.ndarray
        Shape (point, dimension).
    settings : Settings
        Size of a generation.
    """
    rows, count = settings.repetitions, settings.points
    filled = np.pad(points, ((0, -len(points) % (rows * count)), (0, 0)), mode="edge")
    parts = [density(part) for part in filled.reshape(-1, rows, count, points.shape[1])]
    joined: np.ndarray = np.concatenate(parts).ravel()[: len(points)]
    return joined


def drawn_from(
    weighted: Weighted,
    run: int,
    sampler: Sampler,
    posterior: Callable[[np.ndarray], np.ndarray],
    rng: np.random.Generator,
) -> ImportanceDraws:
    """Equal-weight draws of one of the runs that were sampled.

    Parameters
    ----------
    weighted : Weighted
        All that was sampled.
    run : int
        Place of the run.
    sampler : Sampler
        Chains and draws.
    posterior : callable
        Log posterior density of the run at points, shape (point, dimension).
    rng : numpy.random.Generator
        Of the resampling.
    """
    points, log_posterior = weighted.points[run], weighted.log_posterior[run]
    smoothed, khat = smooth_weights(weighted.log_weight[run].ravel())
    log_weight = smoothed.reshape(log_posterior.shape)
    values = {name: value[run] for name, value in weighted.values.items()}
    quality = Quality(
        khat=khat,
        importance_ess=effective_draws(smoothed),
        modes=count_modes(posterior, points, log_posterior, log_weight),
        disagreement=disagreement_of(values, log_weight),
        power=float(weighted.power[run]),
        generations=weighted.generations,
        evaluations=weighted.evaluations,
    )
    chosen = resample(log_weight, sampler.chains, sampler.draws, rng)
    drawn = {name: value.ravel()[chosen] for name, value in values.items()}
    evidence = log_mean_weight(weighted.log_weight[run])
    return ImportanceDraws(drawn, log_posterior.ravel()[chosen], values, log_weight, quality, evidence)


def log_mean_weight(log_weight: np.ndarray) -> float:
    """Logarithm of the mean weight: that of posterior over proposal density estimates the marginal likelihood."""
    top = log_weight.max()
    return float(top + np.log(np.exp(log_weight - top).mean()))


def resample(log_weight: np.ndarray, chains: int, draws: int, rng: np.random.Generator) -> np.ndarray:
    """Indices into the points, shape (chain, draw), by systematic resampling; chains take the repetitions in turn.

    Parameters
    ----------
    log_weight : numpy.ndarray
        Shape (repetition, point).
    chains, draws : int
        How many are drawn; a single chain draws from all repetitions.
    rng : numpy.random.Generator
        Of the resampling.
    """
    repetitions, count = log_weight.shape
    if chains == 1:
        return _systematic(log_weight.ravel(), draws, rng)[None]
    chosen = np.zeros((chains, draws), int)
    for repetition in range(min(repetitions, chains)):
        own = np.arange(repetition, chains, repetitions)
        drawn = _systematic(log_weight[repetition], own.size * draws, rng)
        chosen[own] = repetition * count + drawn.reshape(own.size, draws)
    return chosen


def _systematic(log_weight: np.ndarray, count: int, rng: np.random.Generator) -> np.ndarray:
    """Indices drawn by weight with the least noise (systematic), in random order."""
    edges = np.cumsum(np.exp(log_weight - log_weight.max()))
    places = (np.arange(count) + rng.uniform()) / count * edges[-1]
    return rng.permutation(np.minimum(np.searchsorted(edges, places), edges.size - 1))
