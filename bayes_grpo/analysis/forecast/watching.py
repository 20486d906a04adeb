"""Following a log file that a trainer is still writing."""

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np
import xarray as xr

from bayes_grpo.analysis.forecast.live import LiveSummary, Refitter
from bayes_grpo.errors import InputError
from bayes_grpo.runs.files import stamp_of

#: New rewards, as a share of those fitted, that make a refit worth while.
GROWTH = 0.05


class Update(NamedTuple):
    """What a look at the log has brought.

    The run as read, a message for a person, after a refit its summary, and whether the log was started anew.
    """

    run: xr.Dataset | None
    message: str
    summary: LiveSummary | None
    anew: bool = False


class Watcher:
    """Reads a log again whenever it has changed and refits where enough is new.

    A log that is cut off, replaced, away for a moment or ends in half a line is read again at the next look: until then
    the last good state stands, with a word of what is wrong. One that was started anew begins a new series.

    Parameters
    ----------
    path : Path
        A log or folder that `bayes_grpo.read_runs` reads.
    read : callable
        Gives the runs of the path, each a Dataset with dims (run, step) of one label.
    refit : Refitter
        What fits and forecasts.
    label : str, optional
        Which run, where there are several; by default the last.
    """

    def __init__(
        self, path: Path, read: Callable[[Path], list[xr.Dataset]], refit: Refitter, label: str | None = None
    ) -> None:
        self.path, self.read, self.refit, self.label = path, read, refit, label
        self._stamp: object = None
        self._fitted = 0
        self._last_step = -np.inf

    def look(self) -> Update | None:
        """Read the log if it has changed since the last look; None if it has not.

        What cannot be read, fitted or forecast yet is reported in the update, not raised.
        """
        stamp = stamp_of(self.path)
        if stamp == self._stamp:
            return None
        try:
            run = self._choose(self.read(self.path))
        except InputError as error:
            self._stamp = stamp
            return Update(None, f"cannot be read yet: {error.faults[0]}", None)
        self._stamp = stamp
        seen = np.isfinite(run["reward"].values[0])
        count, last = int(seen.sum()), float(run["optimizer_step"].values[0][seen][-1]) if seen.any() else -np.inf
        restarted = count < self._fitted or last < self._last_step
        if restarted:
            self._fitted = 0
        anew = "the log was started anew; " if restarted and self._last_step > -np.inf else ""
        self._last_step = last
        if count - self._fitted < max(1, GROWTH * self._fitted):
            return Update(run, f"{anew}{count} rewards, step {last:g}", None, restarted)
        try:
            summary = self.refit(run)
        except InputError as error:
            return Update(run, f"{anew}{error.faults[0]}", None, restarted)
        self._fitted = count
        return Update(run, f"{anew}{count} rewards, step {last:g}", summary, restarted)

    def _choose(self, runs: list[xr.Dataset]) -> xr.Dataset:
        singles = [dataset.sel(run=[label]) for dataset in runs for label in dataset["run"].values]
        labels = [str(single["run"].values[0]) for single in singles]
        if self.label is None:
            return singles[-1]
        if self.label not in labels:
            raise InputError(str(self.path), f"no run {self.label!r}; found {', '.join(labels)}")
        return singles[labels.index(self.label)]
