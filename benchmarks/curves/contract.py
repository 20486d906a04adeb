"""What a forecaster is given and what it returns.

A forecaster is a function from a `Case`, a run up to its origin, to a `Forecast`, draws of the expected rewards that
follow. It never sees the rewards after the origin. Add one by naming it: ``--forecaster MODULE:FUNCTION``.
"""

from collections.abc import Callable
from importlib import import_module
from typing import NamedTuple

import numpy as np
import xarray as xr

from benchmarks.curves.series import Series

#: Shares of a run after which it is cut.
ORIGINS = (0.2, 0.3, 0.5, 0.7)
#: A forecast needs so many rewards.
LEAST_SEEN = 10


class Case(NamedTuple):
    """A run up to its origin, and the steps to come.

    ``past`` is the log so far (dims step), with all of its columns and hyperparameters, the planned length among them.
    ``ahead`` are the optimizer steps to forecast and ``rate`` the learning rate that they are to have (1 where none is
    logged). ``lower`` and ``upper`` are the reward's bounds: stated ones, or a guess from the rewards so far.
    """

    past: xr.Dataset
    ahead: np.ndarray
    rate: np.ndarray
    lower: float
    upper: float
    repository: str
    seed: int

    @property
    def steps(self) -> np.ndarray:
        """Optimizer steps so far."""
        steps: np.ndarray = self.past["optimizer_step"].values
        return steps

    @property
    def rewards(self) -> np.ndarray:
        """Rewards so far."""
        rewards: np.ndarray = self.past["reward"].values
        return rewards


class Forecast(NamedTuple):
    """Draws of the expected rewards to come, shape (draw, row), and the noise of a logged one about it.

    ``noise`` is a standard deviation that broadcasts to (draw, row), independent from row to row. ``log_evidence`` is
    the log marginal likelihood of the rewards so far, for forecasters that have one.
    """

    expected: np.ndarray
    noise: np.ndarray | float
    log_evidence: float = float("nan")


Forecaster = Callable[[Case], Forecast]


def cut(series: Series, origin: float, seed: int = 0) -> tuple[Case, np.ndarray]:
    """The case at an origin, and the rewards that follow."""
    from bayes_grpo.inference.quantities import settle
    from bayes_grpo.models.files import load_model

    run = series.run.isel(run=0)
    rewards, steps = run["reward"].values, run["optimizer_step"].values
    rows = max(round(origin * rewards.size), LEAST_SEEN)
    past = run.isel(step=slice(rows))
    if "planned_steps" not in past:
        past = past.assign(planned_steps=float(steps[-1]))
    known = settle(past, load_model("overdamped")).values
    rate = run["learning_rate"].values[rows:] if "learning_rate" in run else np.ones(rewards.size - rows)
    bounds = known["reward_lower"], known["reward_upper"]
    return Case(past, steps[rows:], rate, *bounds, series.repository, seed), rewards[rows:]


def named(name: str) -> tuple[str, Forecaster]:
    """A forecaster by ``MODULE:FUNCTION``."""
    module, _, function = name.partition(":")
    return function, getattr(import_module(module), function)
