"""Figure of a forecast. Importing this module imports matplotlib."""

from typing import TYPE_CHECKING, Any

import numpy as np
import xarray as xr
from matplotlib.figure import Figure

from bayes_grpo.analysis.figures import CURVE, DATA, LEVEL, named, new_figure
from bayes_grpo.analysis.intervals import INTERVAL_PROB, interval

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_PATHS_SHOWN = 4


def plot_forecast(result: xr.Dataset) -> Figure:
    """Draw the log, bands of the expected and of the logged reward to come, a few sampled paths, and the plateau.

    Parameters
    ----------
    result : xarray.Dataset
        From `bayes_grpo.forecast`.

    Returns
    -------
    matplotlib.figure.Figure
        Lines are medians, bands equal-tailed 90 % intervals; the dotted line marks the last logged step.

    Examples
    --------
    >>> import bayes_grpo
    >>> fit = bayes_grpo.fit(bayes_grpo.example_run(), "overdamped", draws=50, tune=100, chains=2)
    >>> bayes_grpo.plot_forecast(bayes_grpo.forecast(fit, until=800)).axes[0].get_xlabel()
    'optimizer step'
    """
    attrs = result.attrs
    figure = new_figure(9.5, 4.6)
    axes = figure.subplots()
    title = f"{named(attrs['run'])}: forecast to step {attrs['until']:g} ({attrs['model']}, {attrs['schedule']} rate)"
    figure.suptitle(title, parse_math=False)
    axes.plot(result["logged_step"], result["logged_reward"], ".", color=DATA, ms=3, alpha=0.7, label="logged reward")
    inside = result.isel(step=result["optimizer_step"].values <= attrs["until"])
    _draw_paths(axes, inside)
    plateau = result["plateau"].values
    plateau = plateau[~np.isnan(plateau)]
    if plateau.size:
        limits = interval(plateau)
        reach = np.abs(np.array([limits.lower, limits.upper]) - limits.median)[:, None]
        style: dict[str, Any] = {
            "fmt": "s",
            "ms": 5,
            "color": LEVEL,
            "capsize": 4,
            "label": f"plateau, {INTERVAL_PROB:.0%}",
        }
        axes.errorbar([inside["optimizer_step"].values[-1]], [limits.median], yerr=reach, **style)
    axes.axvline(attrs["last_step"], color="0.3", lw=0.8, ls=":")
    axes.set(xlabel="optimizer step", ylabel="reward")
    axes.legend(loc="best", fontsize=8, frameon=False, ncols=2)
    return figure


def _draw_paths(axes: "Axes", result: xr.Dataset) -> None:
    """Bands over the steps to come, and a few sampled paths."""
    steps = result["optimizer_step"].values
    for name, words, color, alpha in (
        ("reward", "logged reward to come", DATA, 0.2),
        ("expected_reward", "expected reward", CURVE, 0.3),
    ):
        limits, label = interval(result[name].values), f"{words}, {INTERVAL_PROB:.0%}"
        axes.fill_between(steps, limits.lower, limits.upper, color=color, alpha=alpha, lw=0, label=label)
    axes.plot(steps, limits.median, color=CURVE, lw=1.6, label="expected reward, median")
    paths = result["expected_reward"].values
    for path in paths[:: max(1, len(paths) // _PATHS_SHOWN)][:_PATHS_SHOWN]:
        axes.plot(steps, path, color=CURVE, lw=0.5, alpha=0.7)
