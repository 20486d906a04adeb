"""Figures of the refresh threshold and of ringing. Importing this module imports matplotlib."""

from collections.abc import Mapping

import numpy as np
import xarray as xr
from matplotlib.figure import Figure

from bayes_grpo.analysis.figures import CURVE, LEVEL, draw_histogram, new_figure

_ASKED = "0.25"
_MOST_ROWS = 6

Found = xr.Dataset | Mapping[str, xr.Dataset]


def plot_threshold(found: Found) -> Figure:
    """Probability that a refresh interval or a delay is unstable, and the factor by which the learning rate may rise.

    Parameters
    ----------
    found : xarray.Dataset or mapping of str to them
        From `bayes_grpo.threshold`; the first six are drawn, a row each.
    """
    many = _rows(found)
    figure = new_figure(9.5, 3.1 * len(many))
    panels = figure.subplots(len(many), 2, squeeze=False, width_ratios=(2, 1))
    kinds = {
        "leading": ("refresh, leading order", CURVE, ":"),
        "exact": ("refresh, exact", CURVE, "-"),
        "frozen": ("refresh, all lag counts", "0.35", "-"),
        "delay": ("constant delay", LEVEL, "-"),
    }
    for (axes, margin), (label, own) in zip(panels, many.items(), strict=True):
        finite = np.concatenate([own[name].values[np.isfinite(own[name].values)] for name in kinds])
        interval = float(own.attrs["refresh_interval"])
        highest = max(float(np.quantile(finite, 0.9)), 2 * np.nan_to_num(interval), 10.0) if finite.size else 10.0
        lowest = max(1.0, min(float(finite.min()) if finite.size else 1.0, np.nan_to_num(interval, nan=np.inf)) / 2)
        steps = np.geomspace(lowest, highest, 300)
        for name, (words, color, style) in kinds.items():
            chance = (own[name].values[:, None] <= steps).mean(0)
            axes.plot(steps, chance, style, color=color, label=words, lw=1.4)
        if np.isfinite(interval):
            axes.axvline(interval, color=_ASKED, ls="--", lw=1, label=f"K = {interval:g}")
        axes.set(xscale="log", ylim=(-0.02, 1.02), xlabel="refresh interval or delay (step)", ylabel="P(unstable)")
        axes.set_title(label, fontsize=10, parse_math=False)
        axes.legend(fontsize=7, loc="upper left", framealpha=1, edgecolor="none")
        if "learning_rate_margin" in own:
            values = own["learning_rate_margin"].values
            draw_histogram(
                margin, np.log10(values[np.isfinite(values) & (values > 0)]), "log10 of the learning rate's margin", 0
            )
        else:
            margin.axis("off")
    return figure


def plot_oscillation(found: Found) -> Figure:
    """Posterior of the damping ratio, of period and overshoot where it rings, and of the learning rate at which ringing sets in.

    Parameters
    ----------
    found : xarray.Dataset or mapping of str to them
        From `bayes_grpo.oscillation`; the first six are drawn, a row each.
    """
    many = _rows(found)
    figure = new_figure(10.5, 2.7 * len(many))
    panels = figure.subplots(len(many), 4, squeeze=False)
    for row, (label, own) in zip(panels, many.items(), strict=True):
        ratio = own["damping_ratio"].values
        rings = float(((ratio > 0) & (ratio < 1)).mean())
        draw_histogram(row[0], ratio[np.isfinite(ratio)], "damping ratio", 1.0)
        draw_histogram(row[1], own["period"].values, "period where it rings (step)", None)
        draw_histogram(row[2], own["overshoot"].values, "overshoot where it rings", None)
        factor = own["learning_rate_factor"].values
        usable = factor[np.isfinite(factor) & (factor > 0)]
        draw_histogram(row[3], np.log10(usable), "log10 of the learning rate\nat the onset over today's", 0.0)
        row[0].set_title(f"{label}\nP(rings) = {rings:.2f}".strip(), fontsize=9, loc="left", parse_math=False)
    return figure


def _rows(found: Found) -> dict[str, xr.Dataset]:
    many = {"": found} if isinstance(found, xr.Dataset) else dict(found)
    return dict(list(many.items())[:_MOST_ROWS])
