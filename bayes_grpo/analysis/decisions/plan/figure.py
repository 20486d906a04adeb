"""Figure of a plan. Importing this module imports matplotlib."""

import numpy as np
import xarray as xr
from matplotlib import colormaps
from matplotlib.figure import Figure

from bayes_grpo.analysis.figures import new_figure
from bayes_grpo.analysis.intervals import INTERVAL_PROB, interval


def plot_plan(result: xr.Dataset) -> Figure:
    """Draw the expected reward against hours, or against steps where it is not known how long they take.

    Parameters
    ----------
    result : xarray.Dataset
        From `bayes_grpo.plan`.

    Returns
    -------
    matplotlib.figure.Figure
        A line for each setting's median, with a band for the 90 % interval of the first and the last.

    Examples
    --------
    >>> import bayes_grpo
    >>> bayes_grpo.plot_plan(bayes_grpo.plan(0.3)).axes[0].get_xlabel()
    'optimizer step'
    """
    axis, label = ("hours", "hours") if "hours" in result else ("steps", "optimizer step")
    figure = new_figure(7.5, 4.2)
    axes = figure.subplots()
    names = [str(name) for name in result["option"].values]
    colours = colormaps["viridis"](np.linspace(0.1, 0.85, len(names)))
    for i, name in enumerate(names):
        option = result.isel(option=i)
        places, limits = option[axis].values, interval(option["expected_reward"].values)
        axes.plot(places, limits.median, color=colours[i], lw=1.8, label=name)
        if i in (0, len(names) - 1):
            axes.fill_between(places, limits.lower, limits.upper, color=colours[i], alpha=0.15, lw=0)
    axes.set(xlabel=label, ylabel="expected reward", title=f"before the run: medians, bands {INTERVAL_PROB:.0%}")
    axes.legend(fontsize=8, frameon=False)
    return figure
