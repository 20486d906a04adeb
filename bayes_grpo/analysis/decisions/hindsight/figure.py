"""Figure of a forecast with what came. Importing this module imports matplotlib."""

from contextlib import suppress

import xarray as xr
from matplotlib.figure import Figure

from bayes_grpo.analysis.decisions.hindsight.peers import scalerl_ahead
from bayes_grpo.analysis.forecast.figure import plot_forecast
from bayes_grpo.errors import InputError


def plot_hindsight(ahead: xr.Dataset, run: xr.Dataset) -> Figure:
    """Draw a forecast, and over it the rewards that came.

    Parameters
    ----------
    ahead : xarray.Dataset
        From `bayes_grpo.forecast`, of the run's beginning.
    run : xarray.Dataset
        The same run, dims (step), as it went on.

    Returns
    -------
    matplotlib.figure.Figure
        As of `bayes_grpo.plot_forecast`, with open circles for what was not known then, and the curve of ScaleRL's
        sigmoid where it could be fitted.
    """
    figure = plot_forecast(ahead)
    axes = figure.axes[0]
    later = run.isel(step=run["optimizer_step"].values > ahead.attrs["last_step"])
    axes.plot(later["optimizer_step"], later["reward"], "o", color="0.1", mfc="none", ms=3, label="reward that came")
    with suppress(InputError):
        steps = ahead["optimizer_step"].values[ahead["optimizer_step"].values <= ahead.attrs["until"]]
        curve = scalerl_ahead(ahead, run, steps)
        axes.plot(steps, curve, "--", color="0.1", lw=1.2, label="ScaleRL's sigmoid, least squares")
    axes.legend(loc="best", fontsize=8, frameon=False, ncols=2)
    return figure
