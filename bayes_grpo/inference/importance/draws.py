"""Posterior draws of one run by importance sampling."""

from collections.abc import Callable
from dataclasses import replace
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array, random

from bayes_grpo.inference.importance.modes import count_modes
from bayes_grpo.inference.importance.pareto import smooth_weights
from bayes_grpo.inference.importance.quality import Quality, disagreement_of, effective_draws, trusted_weights
from bayes_grpo.inference.importance.sampler import Settings, Weighted, sample_weighted
from bayes_grpo.inference.importance.target import Densities, Target, target_of
from bayes_grpo.inference.layout import ModelData
from bayes_grpo.inference.progress import Progress
from bayes_grpo.inference.sampler import Sampler
from bayes_grpo.models.spec import ModelSpec

#: Points whose density is computed in one call: one shape for all, so that one program serves.
BATCH = 512
#: Generations that a fit is expected to take, for progress.
_EXPECTED = 14


class ImportanceDraws(NamedTuple):
    """Equal-weight draws, and the weighted points that they are from.

    ``values`` have shape (chain, draw), ``points`` (repetition, point) with ``log_weight``, normalised over all of them; ``log_posterior`` of the
    draws has shape (chain, draw).
    """

    values: dict[str, np.ndarray]
    log_posterior: np.ndarray
    points: dict[str, np.ndarray]
    log_weight: np.ndarray
    quality: Quality


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
    target, settings = target_of(spec), settings_for(sampler)
    key_start, key_sample, key_draws = random.split(random.key(sampler.seed), 3)
    count = settings.repetitions * settings.points
    start = target.draw_prior(key_start, data, count)
    density = _Counted(target, data, settings, progress)
    shape = (1, settings.repetitions, settings.points, target.dimension)
    weighted = sample_weighted(density, start.reshape(shape), key_sample, settings, trusted_weights)
    return _drawn(target, data, weighted, sampler, key_draws)


def settings_for(sampler: Sampler) -> Settings:
    """Final points enough that few draws are the same."""
    settings = Settings()
    each = -(-sampler.chains * sampler.draws // (settings.repetitions * settings.final_rounds))
    final = max(settings.final_points, -(-each // BATCH) * BATCH)
    return replace(settings, final_points=final)


class _Counted:
    """The density of one run at points of shape (1, point, dimension), in batches, with progress."""

    def __init__(self, target: Target, data: ModelData, settings: Settings, progress: Progress | None) -> None:
        self.target, self.data, self.progress = target, data, progress
        self.done = 0
        generation, final = settings.points, settings.final_rounds * settings.final_points
        self.expected = settings.repetitions * (_EXPECTED * generation + final)

    def __call__(self, points: Array) -> Densities:
        parts = []
        for first in range(0, points.shape[1], BATCH):
            batch = points[0, first : first + BATCH]
            filled = jnp.pad(batch, ((0, BATCH - batch.shape[0]), (0, 0)), mode="edge")
            part = self.target.densities(filled, self.data)
            parts.append(jax.tree.map(lambda leaf, size=batch.shape[0]: leaf[:size], part))
            self._report(batch.shape[0])
        return Densities(*(jnp.concatenate(leaves)[None] for leaves in zip(*parts, strict=True)))

    def _report(self, count: int) -> None:
        self.done += count
        if self.progress is not None:
            self.progress(min(self.done, self.expected), self.expected)


def _drawn(target: Target, data: ModelData, weighted: Weighted, sampler: Sampler, key: Array) -> ImportanceDraws:
    points, log_posterior = weighted.points[0], weighted.log_posterior[0]
    repetitions, count, dimension = points.shape
    smoothed, khat = smooth_weights(weighted.log_weight[0].ravel())
    log_weight = smoothed.reshape(repetitions, count)
    flat = jnp.asarray(points.reshape(-1, dimension))
    values = {name: np.asarray(v).reshape(repetitions, count) for name, v in target.values(flat, data).items()}
    quality = Quality(
        khat=khat,
        importance_ess=effective_draws(smoothed),
        modes=count_modes(_posterior(target, data), points, log_posterior, log_weight),
        disagreement=disagreement_of(values, log_weight),
        power=float(weighted.power[0]),
        generations=weighted.generations,
        evaluations=weighted.evaluations,
    )
    chosen = resample(
        log_weight, sampler.chains, sampler.draws, np.random.default_rng(np.asarray(random.key_data(key)))
    )
    drawn = {name: value.ravel()[chosen] for name, value in values.items()}
    return ImportanceDraws(drawn, log_posterior.ravel()[chosen], values, log_weight, quality)


def _posterior(target: Target, data: ModelData) -> Callable[[np.ndarray], np.ndarray]:
    """Log posterior density at points, shape (point, dimension)."""

    def density(points: np.ndarray) -> np.ndarray:
        filled = np.pad(points, ((0, -len(points) % BATCH), (0, 0)), mode="edge")
        parts = [sum(target.densities(jnp.asarray(part), data)) for part in filled.reshape(-1, BATCH, points.shape[1])]
        return np.concatenate([np.asarray(part) for part in parts])[: len(points)]

    return density


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
