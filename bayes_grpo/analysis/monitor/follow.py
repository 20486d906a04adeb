"""Following a log and testing its rewards as they come."""

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np
import xarray as xr

from bayes_grpo.analysis.alarms import Alarm, Detector, boundary_for, spacing_of
from bayes_grpo.errors import InputError
from bayes_grpo.runs.files import stamp_of


class Look(NamedTuple):
    """What a look at the log has brought.

    ``new`` are the alarms raised since the look before, ``raised`` all of them; ``message`` is '' unless the log cannot
    be tested; ``rows`` is how many rewards were tested.
    """

    run: str
    step: float
    statistic: float
    boundary: float
    new: list[Alarm]
    raised: list[Alarm]
    message: str = ""
    rows: int = 0


class Monitor:
    """Reads a log again whenever it has changed, and tests it from its first row.

    Parameters
    ----------
    path : Path
        A log or folder that `bayes_grpo.read_runs` reads.
    read : callable
        Gives the runs of the path, each a Dataset with dims (run, step).
    false_alarms : float
        Per 1,000 steps of a healthy run.
    label : str, optional
        Which run, where there are several; by default the last.
    """

    def __init__(
        self, path: Path, read: Callable[[Path], list[xr.Dataset]], false_alarms: float, label: str | None = None
    ) -> None:
        self.path, self.read, self.false_alarms, self.label = path, read, false_alarms, label
        self._stamp: object = None
        self._told = -np.inf

    def look(self) -> Look | None:
        """Test the log if it has changed since the last look; None if it has not."""
        stamp = stamp_of(self.path)
        if stamp == self._stamp:
            return None
        self._stamp = stamp
        try:
            runs = [dataset.sel(run=label) for dataset in self.read(self.path) for label in dataset["run"].values]
        except InputError as error:
            return Look("", np.nan, 0.0, np.nan, [], [], f"cannot be read yet: {error.faults[0]}")
        chosen = [run for run in runs if self.label is None or str(run["run"].values) == self.label]
        if not chosen:
            raise InputError(
                str(self.path), f"no run {self.label!r}; found {', '.join(str(run['run'].values) for run in runs)}"
            )
        return self.test(chosen[-1])

    def test(self, run: xr.Dataset) -> Look:
        """Test a single run, dims (step), from its first row; each alarm is new once.

        Parameters
        ----------
        run : xarray.Dataset
            The rows so far.

        Raises
        ------
        InputError
            If the rate of false alarms is outside what healthy runs can tell at this spacing of rows.
        """
        seen = np.isfinite(run["reward"].values) & np.isfinite(run["optimizer_step"].values)
        steps, rewards = run["optimizer_step"].values[seen], run["reward"].values[seen]
        detector = Detector(boundary_for(self.false_alarms, spacing_of(steps)))
        raised = [alarm for pair in zip(steps, rewards, strict=True) if (alarm := detector.add(*pair)) is not None]
        if steps.size and steps[-1] < self._told:  # the log was started anew
            self._told = -np.inf
        new = [alarm for alarm in raised if alarm.step > self._told]
        if new:
            self._told = new[-1].step
        last = float(steps[-1]) if steps.size else np.nan
        return Look(
            str(run["run"].values), last, detector.statistic, detector.boundary, new, raised, rows=int(steps.size)
        )
