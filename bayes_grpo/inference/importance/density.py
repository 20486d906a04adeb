"""A model's density at the points that importance sampling draws, a generation at a time."""

from collections.abc import Callable, Sequence
from functools import partial

import jax
import numpy as np
from jax import Array

from bayes_grpo.inference.importance.sampler import Settings
from bayes_grpo.inference.importance.target import Evaluated, Target
from bayes_grpo.inference.layout import ModelData
from bayes_grpo.inference.threads import on_all_cores, useful_threads

#: Rows beyond which a run is long: it is sampled by way of blocks of its rows.
LONG = 2048


def is_long(data: Sequence[ModelData]) -> bool:
    """Whether one of the runs is long."""
    return max(entry.run.grid.value.size for entry in data) > LONG


class RunDensity:
    """The model of runs with the same parameters at points.

    Parameters
    ----------
    target : Target
        The model.
    data : sequence of ModelData
        The runs laid out for it; the prior is that of the first.
    settings : Settings
        Size of a generation.
    counted : callable
        Called after each generation with the number of those so far.
    """

    def __init__(
        self,
        target: Target,
        data: Sequence[ModelData],
        settings: Settings,
        counted: Callable[[int], None],
    ) -> None:
        self.target, self.data, self.settings, self.counted = target, data, settings, counted
        self.generations = 0

    def __call__(self, points: Array | np.ndarray) -> Evaluated:
        """The model at points, shape (row, point, dimension)."""
        evaluated = self._evaluated(points)
        self.generations += 1
        self.counted(self.generations)
        return evaluated

    def posterior(self, points: np.ndarray) -> np.ndarray:
        """Log posterior density at points, shape (point, dimension)."""

        def of_generation(part: np.ndarray) -> np.ndarray:
            evaluated = self._evaluated(part)
            summed: np.ndarray = np.asarray(evaluated.log_prior) + np.asarray(evaluated.log_likelihood)
            return summed

        return by_generation(of_generation, points, self.settings)

    def _evaluated(self, points: Array | np.ndarray) -> Evaluated:
        first, *others = (self._of_run(points, data) for data in self.data)
        return first._replace(log_likelihood=sum((other.log_likelihood for other in others), first.log_likelihood))

    def _of_run(self, points: Array | np.ndarray, data: ModelData) -> Evaluated:
        """The model of one run at points, the repetitions at the same time where there is more than one core."""
        if useful_threads() == 1:
            return self.target.evaluate(points, data)
        repetitions = np.split(np.asarray(points), len(points))
        parts = on_all_cores(partial(self._finished, data=data), repetitions)
        joined: Evaluated = jax.tree.map(lambda *leaves: np.concatenate(leaves), *parts)
        return joined

    def _finished(self, points: np.ndarray, data: ModelData) -> Evaluated:
        finished: Evaluated = jax.tree.map(np.asarray, self.target.evaluate(points, data))
        return finished


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
