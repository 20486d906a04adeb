"""Long runs, sampled by way of a shorter log: blocks of neighbouring rows."""

from dataclasses import replace
from functools import partial

import numpy as np
from jax import Array

from bayes_grpo.inference.importance.density import RunDensity
from bayes_grpo.inference.importance.quality import trusted_weights
from bayes_grpo.inference.importance.resampling import log_mean_weight, resample
from bayes_grpo.inference.importance.sampler import Settings, Weighted, sample_weighted
from bayes_grpo.inference.importance.target import Evaluated
from bayes_grpo.inference.layout import ModelData
from bayes_grpo.inference.timeline import merged_grid

#: Blocks at most, and effective draws that are enough at the end: the tails are narrow where there are fewer.
_BLOCKS, _ENOUGH = 128, 2000.0


def sample_by_blocks(density: RunDensity, start: np.ndarray, rng: np.random.Generator, settings: Settings) -> Weighted:
    """Sample first with the rows merged into blocks, then from there with all rows.

    The posterior given the blocks takes the place of the prior, and what the rows say beyond the blocks that of the
    likelihood. So the result is that of all rows, whatever the blocks are; bad ones cost time and no more.

    Parameters
    ----------
    density : RunDensity
        The model with all rows.
    start : numpy.ndarray
        Prior draws, shape (repetition, point, dimension).
    rng : numpy.random.Generator
        Of all else that is drawn.
    settings : Settings
        How much is drawn.
    """
    # A narrow posterior far from the prior takes many generations, each of which loses a little of the tails.
    of_blocks = replace(settings, components=6, goal=0.2, most=120)
    of_rows = replace(settings, components=6, history=3, polish=1, most=20)
    blocks = RunDensity(density.target, [_merged(entry) for entry in density.data], settings, density.counted)
    rough = sample_weighted(blocks, start, rng, of_blocks, trusted_weights)
    evidence = log_mean_weight(rough.log_weight[0])
    chosen = resample(rough.log_weight_alone[0], settings.repetitions, settings.points, rng)
    points = rough.points[0].reshape(-1, start.shape[-1])[chosen]
    density.generations, blocks.counted = blocks.generations, lambda _: None

    def beyond(points: Array | np.ndarray) -> Evaluated:
        given, evaluated = blocks(points).log_likelihood - evidence, density(points)
        return Evaluated(evaluated.log_prior + given, evaluated.log_likelihood - given, evaluated.values)

    return sample_weighted(beyond, points, rng, of_rows, partial(trusted_weights, min_ess=_ENOUGH))


def _merged(data: ModelData) -> ModelData:
    return data._replace(run=data.run._replace(grid=merged_grid(data.run.grid, _BLOCKS)))
