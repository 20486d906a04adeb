"""Figure of a forecast. Importing this module imports matplotlib."""

import numpy as np
import xarray as xr
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from bayes_grpo.analysis.figures import CURVE, DATA, LEVEL
from bayes_grpo.analysis.intervals import INTERVAL_PROB, interval

_PATHS_SHOWN = 4


def plot_forecast(forecast: xr.Dataset) -> Figure:
    """The log, then bands of the expected and of the logged reward to ``until``, with a few sampled paths and the plateau."""
    figure = Figure(figsize=(9.5, 4.6), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots()
    attrs = forecast.attrs
    title = f"{attrs['run']}: forecast to step {attrs['until']:g} ({attrs['model']}, {attrs['schedule']} rate)"
    figure.suptitle(title, parse_math=False)
    inside = forecast["optimizer_step"].values <= attrs["until"]
    steps = forecast["optimizer_step"].values[inside]
    axes.plot(
        forecast["logged_step"], forecast["logged_reward"], ".", color=DATA, ms=3, alpha=0.7, label="logged reward"
    )
    logged = interval(forecast["reward"].values[:, inside])
    axes.fill_between(
        steps,
        logged.lower,
        logged.upper,
        color=DATA,
        alpha=0.2,
        lw=0,
        label=f"logged reward to come, {INTERVAL_PROB:.0%}",
    )
    paths = forecast["expected_reward"].values[:, inside]
    low, middle, high = interval(paths)
    axes.fill_between(steps, low, high, color=CURVE, alpha=0.3, lw=0, label=f"expected reward, {INTERVAL_PROB:.0%}")
    axes.plot(steps, middle, color=CURVE, lw=1.6, label="expected reward, median")
    for path in paths[:: max(1, len(paths) // _PATHS_SHOWN)][:_PATHS_SHOWN]:
        axes.plot(steps, path, color=CURVE, lw=0.5, alpha=0.7)
    plateau = forecast["plateau"].values
    if not np.isnan(plateau).any():
        low, middle, high = interval(plateau)
        axes.errorbar(
            [steps[-1]],
            [middle],
            yerr=np.abs(np.array([low, high]) - middle)[:, None],
            fmt="s",
            ms=5,
            color=LEVEL,
            capsize=4,
            label=f"plateau, {INTERVAL_PROB:.0%}",
        )
    axes.axvline(attrs["last_step"], color="0.3", lw=0.8, ls=":")
    axes.set(xlabel="optimizer step", ylabel="reward")
    axes.legend(loc="best", fontsize=8, frameon=False, ncols=2)
    return figure
