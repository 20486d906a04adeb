"""The steps to come: which they are, with which learning rate, and whether the question about them can be answered."""

from pathlib import Path
from typing import NamedTuple

import numpy as np
import xarray as xr

from bayes_grpo.errors import InputError
from bayes_grpo.runs.dataset import hyperparameters_of
from bayes_grpo.runs.schedules import Schedule, schedule_ahead

#: Rewards without which nothing is forecast.
LEAST_REWARDS = 10
#: Rows to come at most; over longer horizons they lie further apart than the log's.
MOST_ROWS = 600
#: Steps over which gains are stated; paths always reach so far.
GAIN_STEPS = 100
#: A horizon further away than so many times the last logged step is a slip of the pen.
FURTHEST = 1e4


class StepsAhead(NamedTuple):
    """The log so far, and the steps to come with their learning rate."""

    logged: np.ndarray
    rewards: np.ndarray
    steps: np.ndarray
    planned: Schedule

    @classmethod
    def of(cls, run: xr.Dataset, until: float, schedule: str | Path, persistence: float | None) -> "StepsAhead":
        """The steps after a single run's last one; nothing needs to be fitted to find out that there are none.

        Parameters
        ----------
        run : xarray.Dataset
            A single run, dims (step).
        until, schedule, persistence
            As of `bayes_grpo.forecast`.

        Raises
        ------
        InputError
            If the horizon is in the past or out of reach, the log has too few rewards, or the schedule cannot be used.
        """
        seen = np.isfinite(run["reward"].values)
        steps, rewards = run["optimizer_step"].values[seen], run["reward"].values[seen]
        _check(str(run["run"].values), steps, until, persistence)
        ahead = _steps_ahead(steps, until)
        known = hyperparameters_of(run).get("planned_steps")
        planned = None if known is None else max(known, float(np.ptp(run["optimizer_step"].values)), 1.0)
        return cls(steps, rewards, ahead, schedule_ahead(run, ahead, schedule, planned))


def check_until(run: xr.Dataset, until: float) -> None:
    """Refuse a step to forecast to that a single run has passed, or that is out of reach.

    Raises
    ------
    InputError
        If it is so.
    """
    faults = _until_faults(run["optimizer_step"].values[np.isfinite(run["reward"].values)], until)
    if faults:
        raise InputError(str(run["run"].values), faults)


def _until_faults(steps: np.ndarray, until: float) -> list[str]:
    last = float(steps[-1]) if steps.size else 0.0
    if not np.isfinite(until) or until <= last:
        return [f"until: expected a step after the last logged one, {last:g}, found {until:g}"]
    if until > FURTHEST * max(last, 1.0):
        return [f"until: expected at most {FURTHEST:g} times the last logged step, {last:g}, found {until:g}"]
    return []


def _check(name: str, steps: np.ndarray, until: float, persistence: float | None) -> None:
    faults = []
    if steps.size < LEAST_REWARDS:
        faults.append(f"expected at least {LEAST_REWARDS} rewards, found {steps.size}: too few to forecast from; wait")
    faults += _until_faults(steps, until)
    if persistence is not None and not 0 <= persistence <= 1:
        faults.append(f"persistence: expected a weight from 0 to 1, found {persistence:g}")
    if faults:
        raise InputError(name, faults)


def _steps_ahead(steps: np.ndarray, until: float) -> np.ndarray:
    """Steps to come, as far apart as the last logged ones, with ``until`` among them."""
    gaps = np.diff(steps[-50:])
    gap = float(np.median(gaps[gaps > 0])) if (gaps > 0).any() else 1.0
    far = max(until, steps[-1] + GAIN_STEPS)
    gap = max(gap, (far - steps[-1]) / MOST_ROWS)
    ahead = np.arange(steps[-1] + gap, far + gap, gap)
    marks = [until, steps[-1] + GAIN_STEPS]
    return np.unique(np.concatenate([ahead[ahead < far], marks]))
