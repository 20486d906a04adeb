"""What is known of a run that trains: the rows so far, and the last forecast of them."""

from dataclasses import dataclass, replace

import numpy as np
import xarray as xr

from bayes_grpo.analysis.alarms import Alarm
from bayes_grpo.analysis.forecast.live import LiveSummary, Refitter
from bayes_grpo.analysis.forecast.watching import Update
from bayes_grpo.runs.dataset import one_run


@dataclass(frozen=True)
class LiveState:
    """The state of a run that trains.

    Parameters
    ----------
    run : xarray.Dataset or None
        Rows so far of one label, dim (step); None until the log could be read.
    message : str
        What the last look at the log has brought, for a person.
    summary : dict or None
        The last forecast; None until there is one.
    alarms : tuple of Alarm
        Falls of the reward so far.
    """

    run: xr.Dataset | None = None
    message: str = "reading ..."
    summary: LiveSummary | None = None
    alarms: tuple[Alarm, ...] = ()

    def after(self, update: Update, refit: Refitter) -> "LiveState":
        """The state after a look.

        A log that cannot be read at the moment leaves the last good state, with a word of what is wrong; one that was
        started anew has no forecast yet.

        Parameters
        ----------
        update : Update
            From `bayes_grpo.analysis.forecast.watching.Watcher.look`.
        refit : Refitter
            What fits, for its rate of false alarms.
        """
        if update.run is None:
            return replace(self, message=update.message)
        run = one_run(update.run, str(update.run["run"].values[0]))
        known = None if update.anew else self.summary
        alarms = tuple(refit.alarms(run)) if np.isfinite(run["reward"].values).any() else ()
        return LiveState(run, update.message, update.summary or known, alarms)
