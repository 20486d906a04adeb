"""Figures of the refresh threshold and of ringing. Importing this module imports matplotlib."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
import xarray as xr
from matplotlib.figure import Figure

from bayes_grpo.analysis.figures import CURVE, LEVEL, draw_histogram, named, new_figure
from bayes_grpo.analysis.stability.threshold_summary import THRESHOLDS

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_ASKED = "0.25"
_MOST_ROWS = 6
#: Colour and line of each threshold.
_STYLES = {"leading": (CURVE, ":"), "exact": (CURVE, "-"), "frozen": ("0.35", "-"), "delay": (LEVEL, "-")}

Results = xr.Dataset | Mapping[str, xr.Dataset]


def plot_threshold(results: Results) -> Figure:
    """Draw how probable it is that a refresh interval or a delay is unstable, and how far the learning rate may rise.

    Parameters
    ----------
    results : xarray.Dataset or mapping of str to them
        From `bayes_grpo.threshold`, by label where there are several; the first six are drawn, a row each.

    Returns
    -------
    matplotlib.figure.Figure
        On the left a curve for each threshold, against steps; on the right the posterior of the learning rate's margin,
        where the refresh interval is known.

    Examples
    --------
    >>> import bayes_grpo
    >>> fit = bayes_grpo.fit(bayes_grpo.example_run(), "overdamped", draws=50, tune=100, chains=2)
    >>> bayes_grpo.plot_threshold(bayes_grpo.threshold(fit, refresh_interval=8)).axes[0].get_ylabel()
    'P(unstable)'
    """
    rows = _rows(results)
    figure = new_figure(9.5, 3.1 * len(rows))
    panels = figure.subplots(len(rows), 2, squeeze=False, width_ratios=(2, 1))
    for (axes, margin), (label, result) in zip(panels, rows.items(), strict=True):
        _draw_thresholds(axes, result)
        axes.set_title(named(label), fontsize=10, parse_math=False)
        if "learning_rate_margin" in result:
            values = result["learning_rate_margin"].values
            usable = values[np.isfinite(values) & (values > 0)]
            draw_histogram(margin, np.log10(usable), "log10 of the learning rate's margin", 0)
        else:
            margin.axis("off")
    return figure


def _draw_thresholds(axes: "Axes", result: xr.Dataset) -> None:
    """How many draws are unstable at each refresh interval or delay."""
    asked = float(result.attrs["refresh_interval"])
    finite = np.concatenate([result[name].values[np.isfinite(result[name].values)] for name in THRESHOLDS])
    highest = max(float(np.quantile(finite, 0.9)), 2 * np.nan_to_num(asked), 10.0) if finite.size else 10.0
    lowest = max(1.0, min(float(finite.min()) if finite.size else 1.0, np.nan_to_num(asked, nan=np.inf)) / 2)
    steps = np.geomspace(lowest, highest, 300)
    for name, label in THRESHOLDS.items():
        color, line = _STYLES[name]
        unstable = (result[name].values[:, None] <= steps).mean(0)
        axes.plot(steps, unstable, line, color=color, label=label, lw=1.4)
    if np.isfinite(asked):
        axes.axvline(asked, color=_ASKED, ls="--", lw=1, label=f"K = {asked:g}")
    axes.set(xscale="log", ylim=(-0.02, 1.02), xlabel="refresh interval or delay (step)", ylabel="P(unstable)")
    axes.legend(fontsize=7, loc="upper left", framealpha=1, edgecolor="none")


def plot_oscillation(results: Results) -> Figure:
    """Draw the posteriors of damping ratio, period and overshoot, and of the learning rate at which ringing sets in.

    Parameters
    ----------
    results : xarray.Dataset or mapping of str to them
        From `bayes_grpo.oscillation`, by label where there are several; the first six are drawn, a row each.

    Returns
    -------
    matplotlib.figure.Figure
        Four histograms a row, with their medians and 90 % intervals; "none" stands where no draw has the quantity.

    Examples
    --------
    >>> import bayes_grpo
    >>> fit = bayes_grpo.fit(bayes_grpo.example_run(), "overdamped", draws=50, tune=100, chains=2)
    >>> bayes_grpo.plot_oscillation(bayes_grpo.oscillation(fit)).axes[1].get_xlabel()
    'period where it rings (step)'
    """
    rows = _rows(results)
    figure = new_figure(10.5, 2.7 * len(rows))
    panels = figure.subplots(len(rows), 4, squeeze=False)
    for row, (label, result) in zip(panels, rows.items(), strict=True):
        ratio = result["damping_ratio"].values
        oscillatory = float(((ratio > 0) & (ratio < 1)).mean())
        draw_histogram(row[0], ratio[np.isfinite(ratio)], "damping ratio", 1.0)
        draw_histogram(row[1], result["period"].values, "period where it rings (step)", None)
        draw_histogram(row[2], result["overshoot"].values, "overshoot where it rings", None)
        factor = result["learning_rate_factor"].values
        usable = factor[np.isfinite(factor) & (factor > 0)]
        draw_histogram(row[3], np.log10(usable), "log10 of the learning rate\nat the onset over today's", 0.0)
        row[0].set_title(
            f"{named(label)}\nP(rings) = {oscillatory:.2f}".strip(), fontsize=9, loc="left", parse_math=False
        )
    return figure


def _rows(results: Results) -> dict[str, xr.Dataset]:
    by_label = {"": results} if isinstance(results, xr.Dataset) else dict(results)
    return dict(list(by_label.items())[:_MOST_ROWS])
