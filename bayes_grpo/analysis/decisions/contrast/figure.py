"""Figure of a comparison. Importing this module imports matplotlib."""

import numpy as np
import xarray as xr
from matplotlib.figure import Figure

from bayes_grpo.analysis.decisions.contrast.measures import MEASURES
from bayes_grpo.analysis.figures import CURVE, LEVEL, named, new_figure
from bayes_grpo.analysis.intervals import interval


def plot_contrast(result: xr.Dataset) -> Figure:
    """Draw median and 90 % interval of every configuration, a panel a measure.

    Parameters
    ----------
    result : xarray.Dataset
        From `bayes_grpo.contrast`.

    Returns
    -------
    matplotlib.figure.Figure
        The configuration that is most probably the best is drawn in orange.

    Examples
    --------
    >>> import bayes_grpo
    >>> fits = [bayes_grpo.fit(bayes_grpo.example_run(), "population", draws=50, chains=2, seed=s) for s in (0, 1)]
    >>> figure = bayes_grpo.plot_contrast(bayes_grpo.contrast({"A": fits[:1], "B": fits[1:]}))
    >>> figure.axes[0].get_title()
    'plateau'
    """
    names = [str(name) for name in result["configuration"].values]
    measures = [str(name) for name in result["measure"].values]
    columns = min(3, len(measures))
    rows = -(-len(measures) // columns)
    figure = new_figure(3.6 * columns, 0.9 * rows + 0.45 * rows * len(names))
    grid = np.ravel(figure.subplots(rows, columns, squeeze=False))
    for axes in grid[len(measures) :]:
        axes.axis("off")
    for axes, measure in zip(grid, measures, strict=False):
        about = MEASURES[measure]
        values = result["value"].sel(measure=measure).values
        best = int(np.bincount((about.sign * values).argmax(0), minlength=len(names)).argmax())
        for i, _ in enumerate(names):
            limits = interval(np.exp(values[i]) if about.ratio else values[i])
            colour = LEVEL if i == best else CURVE
            axes.plot([limits.lower, limits.upper], [i, i], color=colour, lw=2)
            axes.plot([limits.median], [i], "o", color=colour, ms=5)
        axes.set_title(about.title, fontsize=9)
        axes.set_yticks(range(len(names)), [named(name) for name in names], fontsize=8, parse_math=False)
        axes.set_ylim(len(names) - 0.5, -0.5)
        axes.tick_params(axis="x", labelsize=8)
        if about.ratio:
            axes.set_xscale("log")
    return figure
