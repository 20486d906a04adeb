"""Figure of the choice of a checkpoint. Importing this module imports matplotlib."""

import numpy as np
import xarray as xr
from matplotlib.figure import Figure

from bayes_grpo.analysis.figures import CURVE, DATA, LEVEL, named, new_figure
from bayes_grpo.analysis.intervals import INTERVAL_PROB, interval


def plot_checkpoint(result: xr.Dataset) -> Figure:
    """Draw the curve at the checkpoints with its band, evaluations, and below them P(best).

    Parameters
    ----------
    result : xarray.Dataset
        From `bayes_grpo.checkpoint`.

    Returns
    -------
    matplotlib.figure.Figure
        Dotted lines mark the checkpoints to evaluate next.

    Examples
    --------
    >>> import bayes_grpo
    >>> figure = bayes_grpo.plot_checkpoint(bayes_grpo.checkpoint(bayes_grpo.example_run(), every=95))
    >>> figure.axes[1].get_ylabel()
    'P(best)'
    """
    steps, limits = result["checkpoint_step"].values, interval(result["value"].values)
    figure = new_figure(8, 4.6)
    above, below = figure.subplots(2, 1, sharex=True, height_ratios=(3, 1))
    above.fill_between(steps, limits.lower, limits.upper, color=CURVE, alpha=0.25, lw=0, label=f"{INTERVAL_PROB:.0%}")
    above.plot(steps, limits.median, color=CURVE, lw=1.6, label=f"{result.attrs['about']}, median")
    found = np.isfinite(result["evaluated"].values)
    if found.any():
        above.plot(steps[found], result["evaluated"].values[found], "o", color=DATA, ms=5, label="evaluated")
    for step in result["next_step"].values:
        above.axvline(step, color=LEVEL, lw=1, ls=":")
    gap = float(np.diff(steps).min())
    below.bar(steps, result["probability_best"].values, width=0.8 * gap, color=LEVEL)
    above.set(ylabel="reward")
    above.set_title(f"{named(result.attrs['run'])}: which checkpoint?", parse_math=False)
    below.set(xlabel="optimizer step", ylabel="P(best)")
    above.legend(fontsize=8, frameon=False)
    return figure
