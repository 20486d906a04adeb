"""Figures of the three predictions: invariance, refresh threshold, ringing. Importing this module imports matplotlib."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import xarray as xr
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from bayes_grpo.summary import INTERVAL_PROB

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_DATA, _FIRST, _SECOND = "0.25", "#1f5fa8", "#c2571a"
_LAWS = {"leading": (_FIRST, "leading order"), "finite_groups": (_SECOND, "with finite-group factor")}
_MOST_ROWS, _MOST_GROUPS = 6, 6

#: What is drawn of a posterior on the group size: label, and the value under invariance.
_DEPENDENCE = {
    "temperature_exponent": ("noise of the update\nfalls as $G^{-a}$", 1.0),
    "observation_exponent": ("noise of logged means\nfalls as $G^{-b}$", 1.0),
    "observation_share": ("share of sampling noise\nbetween prompts", None),
    "plateau_change": ("plateau per doubling of G\n(reward)", 0.0),
    "stiffness_exponent": ("stiffness\nrises as $G^{b}$", 0.0),
}

Found = xr.Dataset | Mapping[str, xr.Dataset]


def plot_invariance(found: xr.Dataset) -> Figure:
    """Each group size against its prediction from the others, above how noise, plateau and stiffness depend on the group size.

    Bands are predictive intervals of the mean over the group's runs, of probability `bayes_grpo.summary.INTERVAL_PROB`.

    Parameters
    ----------
    found : xarray.Dataset
        From `bayes_grpo.invariance`.
    """
    groups = found["group"].values[:_MOST_GROUPS]
    figure = _figure(10.5, 5.6)
    above, below = _halves(figure, (1.3, 1))
    panels = above.subplots(1, len(groups), squeeze=False, sharey=True)[0]
    for axes, group in zip(panels, groups, strict=True):
        own = found.sel(group=group)
        step = own["optimizer_step"].values
        for law, (color, label) in _LAWS.items():
            of_law = own.sel(law=law)
            lower, upper = of_law["predicted_lower"].values, of_law["predicted_upper"].values
            axes.fill_between(step, lower, upper, color=color, alpha=0.22, lw=0)
            axes.plot(step, of_law["predicted"].values, color=color, lw=1.3, label=f"predicted, {label}")
        axes.plot(step, own["observed"].values, "o", color=_DATA, ms=4, label="mean of the runs")
        p_values = [float(own["p_value"].sel(law=law, statistic="trajectory")) for law in _LAWS]
        axes.set_title(f"G = {group:g}\np = {p_values[0]:.3f}, with factor {p_values[1]:.3f}", fontsize=9)
        axes.set_xlabel("optimizer step")
    panels[0].set_ylabel("reward")
    handles, labels = panels[0].get_legend_handles_labels()
    above.legend(handles, labels, fontsize=8, frameon=False, loc="outside upper center", ncols=3)
    for axes, (name, (label, invariant)) in zip(below.subplots(1, len(_DEPENDENCE)), _DEPENDENCE.items(), strict=True):
        _histogram(axes, found[name].values, label, invariant)
    return figure


def plot_threshold(found: Found) -> Figure:
    """Probability that a refresh interval or a delay is unstable, and the factor by which the learning rate may rise.

    Parameters
    ----------
    found : xarray.Dataset or mapping of str to them
        From `bayes_grpo.threshold`; the first six are drawn, a row each.
    """
    many = _rows(found)
    figure = _figure(9.5, 3.1 * len(many))
    panels = figure.subplots(len(many), 2, squeeze=False, width_ratios=(2, 1))
    kinds = {
        "leading": ("refresh, leading order", _FIRST, ":"),
        "exact": ("refresh, exact", _FIRST, "-"),
        "frozen": ("refresh, all lag counts", "0.35", "-"),
        "delay": ("constant delay", _SECOND, "-"),
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
            axes.axvline(interval, color=_DATA, ls="--", lw=1, label=f"K = {interval:g}")
        axes.set(xscale="log", ylim=(-0.02, 1.02), xlabel="refresh interval or delay (step)", ylabel="P(unstable)")
        axes.set_title(label, fontsize=10, parse_math=False)
        axes.legend(fontsize=7, loc="upper left", framealpha=1, edgecolor="none")
        if "learning_rate_margin" in own:
            values = own["learning_rate_margin"].values
            _histogram(
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
    figure = _figure(10.5, 2.7 * len(many))
    panels = figure.subplots(len(many), 4, squeeze=False)
    for row, (label, own) in zip(panels, many.items(), strict=True):
        ratio = own["damping_ratio"].values
        rings = float(((ratio > 0) & (ratio < 1)).mean())
        _histogram(row[0], ratio[np.isfinite(ratio)], "damping ratio", 1.0)
        _histogram(row[1], own["period"].values, "period where it rings (step)", None)
        _histogram(row[2], own["overshoot"].values, "overshoot where it rings", None)
        factor = own["learning_rate_factor"].values
        usable = factor[np.isfinite(factor) & (factor > 0)]
        _histogram(row[3], np.log10(usable), "log10 of the learning rate\nat the onset over today's", 0.0)
        row[0].set_title(f"{label}\nP(rings) = {rings:.2f}".strip(), fontsize=9, loc="left", parse_math=False)
    return figure


def _figure(width: float, height: float) -> Figure:
    figure = Figure(figsize=(width, height), layout="constrained")
    FigureCanvasAgg(figure)
    return figure


def _halves(figure: Figure, ratios: tuple[float, float]) -> tuple[Any, Any]:
    parts: Any = figure.subfigures(2, 1, height_ratios=ratios)
    return parts[0], parts[1]


def _rows(found: Found) -> dict[str, xr.Dataset]:
    many = {"": found} if isinstance(found, xr.Dataset) else dict(found)
    return dict(list(many.items())[:_MOST_ROWS])


def _histogram(axes: "Axes", values: np.ndarray, label: str, marked: float | None) -> None:
    """Draws with their equal-tailed interval shaded, and a marked value; nothing where there are no draws."""
    values = values[np.isfinite(values)]
    axes.set_xlabel(label, fontsize=8)
    axes.tick_params(labelsize=7)
    axes.set_yticks([])
    if not values.size:
        axes.text(0.5, 0.5, "none", transform=axes.transAxes, ha="center", color="0.4")
        axes.set_xticks([])
        return
    tail = (1 - INTERVAL_PROB) / 2
    low, high = np.quantile(values, [0.005, 0.995])
    axes.hist(values, bins=np.linspace(low, high + 1e-12, 40).tolist(), density=True, color=_FIRST, alpha=0.7)
    axes.axvspan(*np.quantile(values, [tail, 1 - tail]), color=_FIRST, alpha=0.12, lw=0)
    if marked is not None:
        axes.axvline(marked, color=_SECOND, ls="--", lw=1.2)
