"""Posterior draws of one run by importance sampling."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import NamedTuple

import numpy as np

from bayes_grpo.inference.importance.blocks import sample_by_blocks
from bayes_grpo.inference.importance.density import RunDensity, is_long
from bayes_grpo.inference.importance.modes import count_modes
from bayes_grpo.inference.importance.pareto import smooth_weights
from bayes_grpo.inference.importance.quality import Quality, disagreement_of, effective_draws, trusted_weights
from bayes_grpo.inference.importance.resampling import log_mean_weight, resample
from bayes_grpo.inference.importance.sampler import Settings, Weighted, sample_weighted
from bayes_grpo.inference.importance.target import Target, target_of
from bayes_grpo.inference.layout import ModelData
from bayes_grpo.inference.progress import Progress
from bayes_grpo.inference.sampler_settings import Sampler
from bayes_grpo.models.spec import ModelSpec

#: How much is drawn for a fit of the usual number of draws.
SETTINGS = Settings()
#: Generations that a fit is expected to take, for progress, and that of a long run.
_EXPECTED, _EXPECTED_LONG = 15, 45


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
    expected, each = _EXPECTED_LONG if is_long(data) else _EXPECTED, settings.repetitions * settings.points

    def counted(generations: int) -> None:
        if progress is not None:
            progress(generations * each, max(expected, generations) * each)

    density = RunDensity(target, data, settings, counted)
    if is_long(data):
        weighted = sample_by_blocks(density, start, rng, settings)
    else:
        weighted = sample_weighted(density, start, rng, settings, trusted_weights)
    return drawn_from(weighted, 0, sampler, density.posterior, rng)


def settings_for(sampler: Sampler) -> Settings:
    """Points enough that few draws are the same."""
    rounds = -(-sampler.chains * sampler.draws // (SETTINGS.repetitions * SETTINGS.points))
    return replace(SETTINGS, rounds=max(SETTINGS.rounds, rounds))


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
        # By coordinates: a parameter with a Student t on its logarithm has no mean.
        disagreement=disagreement_of({"coordinates": points}, weighted.log_weight_alone[run]),
        power=float(weighted.power[run]),
        generations=weighted.generations,
        evaluations=weighted.evaluations,
    )
    chosen = resample(log_weight.reshape(1, -1), sampler.chains, sampler.draws, rng)
    drawn = {name: value.ravel()[chosen] for name, value in values.items()}
    evidence = log_mean_weight(weighted.log_weight[run])
    return ImportanceDraws(drawn, log_posterior.ravel()[chosen], values, log_weight, quality, evidence)
