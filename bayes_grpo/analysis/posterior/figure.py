"""Figures of a fit. Importing this module imports matplotlib."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import xarray as xr
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from bayes_grpo.analysis.figures import CURVE, DATA, LEVEL, save_figure
from bayes_grpo.analysis.intervals import INTERVAL_PROB, interval
from bayes_grpo.analysis.posterior.summary import summarise

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_PANELS = ("plateau", "timescale", "midpoint", "damping", "damping_ratio", "temperature", "step_sd", "observation_sd")
_MOST_RUNS, _COLUMNS = 12, 4


def plot_fit(fit: xr.DataTree) -> Figure:
    """Reward curve with the inferred expected reward and plateau, above the marginal posteriors with their priors.

    Of runs fitted together each of the first 12 has a curve, and the marginals are those of the population. Bands are
    equal-tailed intervals of probability `bayes_grpo.analysis.intervals.INTERVAL_PROB`.
    """
    posterior = fit["posterior"].to_dataset()
    runs = [str(label) for label in posterior["run"].values] if "run" in posterior.dims else []
    scalars = [str(name) for name, value in posterior.data_vars.items() if value.ndim == 2 and np.ptp(value.values) > 0]
    names = [name for name in _PANELS if name in scalars] if not runs else scalars[:8]
    shown = runs[:_MOST_RUNS]
    rows = max(1, -(-len(shown) // _COLUMNS))
    figure = Figure(figsize=(9.5, 6.2 if not runs else 2.2 * (rows + 1)), layout="constrained")
    FigureCanvasAgg(figure)
    more = f", first {_MOST_RUNS} shown" if runs[_MOST_RUNS:] else ""
    figure.suptitle(f"{fit.attrs['run']}: {fit.attrs['model']}{more}", fontsize=12, parse_math=False)
    parts: Any = figure.subfigures(2, 1, height_ratios=(2.1, 1) if not runs else (rows, 1))
    above, below = parts
    if runs:
        panels = above.subplots(rows, _COLUMNS, squeeze=False).ravel()
        for axes, run in zip(panels, shown, strict=False):
            _curve(axes, fit, run)
        for axes in panels[len(shown) :]:
            axes.axis("off")
    else:
        _curve(above.subplots(), fit)
    for axes, name in zip(below.subplots(1, len(names), squeeze=False)[0], names, strict=True):
        _marginal(axes, fit, name, first=name == names[0])
    if not summarise(fit)["converged"]:
        figure.text(
            0.5, 0.5, "NOT CONVERGED", color="red", alpha=0.35, fontsize=48, ha="center", va="center", rotation=20
        )
    return figure


def plot_marginals(fit: xr.DataTree) -> Figure:
    """Posteriors of a run's parameters with their priors; the lower half of `plot_fit` with more room."""
    posterior = fit["posterior"].to_dataset()
    names = [name for name in _PANELS if name in posterior and np.ptp(posterior[name].values) > 0]
    rows = max(1, -(-len(names) // _COLUMNS))
    figure = Figure(figsize=(8.5, 2.0 * rows), layout="constrained")
    FigureCanvasAgg(figure)
    figure.suptitle(f"{fit.attrs['run']}: {fit.attrs['model']}", fontsize=12, parse_math=False)
    panels = figure.subplots(rows, _COLUMNS, squeeze=False).ravel()
    for axes, name in zip(panels, names, strict=False):
        _marginal(axes, fit, name, first=name == names[0])
    for axes in panels[len(names) :]:
        axes.axis("off")
    return figure


def save_plot(fit: xr.DataTree, path: str | Path, kind: str = "curve") -> Path:
    """Draw a fit into a file, whole or not at all; the suffix names the format (png, svg, pdf).

    ``kind`` is ``curve`` (`plot_fit`), ``predictive`` or ``left-out`` (`bayes_grpo.analysis.posterior.figure_checks`).
    """
    return save_figure(_draw(fit, kind), path)


def _draw(fit: xr.DataTree, kind: str) -> Figure:
    if kind == "curve":
        return plot_fit(fit)
    from bayes_grpo.analysis.posterior import figure_checks as plots_checks

    return plots_checks.plot_predictive(fit) if kind == "predictive" else plots_checks.plot_left_out(fit)


def _curve(axes: "Axes", fit: xr.DataTree, run: str | None = None) -> None:
    observed = fit["observed_data"].to_dataset()["reward"]
    expected = fit["latent"].to_dataset()["expected_reward"]
    posterior = fit["posterior"].to_dataset()
    if run is not None:
        mine = observed["observed_run"].values == run
        observed, expected, posterior = observed[mine], expected[:, mine], posterior.sel(run=run)
        axes.set_title(run if len(run) <= 28 else f"...{run[-25:]}", fontsize=8, parse_math=False)
        axes.tick_params(labelsize=7)
    step = observed["optimizer_step"].values
    axes.plot(step, observed.values, ".", color=DATA, ms=3, alpha=0.7, label="logged reward")
    low, mid, high = interval(expected.values)
    axes.fill_between(step, low, high, color=CURVE, alpha=0.3, lw=0)
    axes.plot(step, mid, color=CURVE, lw=1.5, label=f"expected reward, {INTERVAL_PROB:.0%} interval")
    least, most = observed.values.min(), observed.values.max()
    bottom, top = least, most
    if "plateau" in posterior:
        low, mid, high = interval(posterior["plateau"].values, axis=None)
        axes.axhspan(low, high, color=LEVEL, alpha=0.18, lw=0)
        axes.axhline(mid, color=LEVEL, lw=1.2, ls="--", label=f"plateau, {INTERVAL_PROB:.0%} interval")
        # Show the plateau, but a hardly known one must not squeeze the data into a line.
        room = 0.6 * (most - least)
        bottom, top = min(least, max(low, least - room)), max(most, min(high, most + room))
    margin = 0.06 * (top - bottom)
    axes.set_ylim(bottom - margin, top + margin)
    if run is None:
        axes.set(xlabel="optimizer step", ylabel="reward")
        axes.legend(loc="best", fontsize=9, frameon=False)


def _marginal(axes: "Axes", fit: xr.DataTree, name: str, *, first: bool) -> None:
    draws, prior = (fit[group].to_dataset()[name].values.ravel() for group in ("posterior", "prior"))
    low, high = np.quantile(draws, [0.002, 0.998])
    margin = 0.15 * (high - low)
    edges = np.linspace(low - margin, high + margin, 45).tolist()
    axes.hist(draws, bins=edges, density=True, color=CURVE, alpha=0.7)
    inside = prior[(prior >= edges[0]) & (prior <= edges[-1])]
    weights = np.full(inside.size, 1 / (prior.size * (edges[4] - edges[0])))
    axes.hist(inside, bins=edges[::4], weights=weights, histtype="step", color="0.3", ls=":")
    limits = interval(draws)
    axes.axvspan(limits.lower, limits.upper, color=CURVE, alpha=0.12, lw=0)
    unit = fit["posterior"][name].attrs["units"]
    words = (
        name.replace("_", " ")
        .replace(" by ", "\nby ")
        .replace(" location", "\nlocation")
        .replace(" spread", "\nspread")
    )
    axes.set_xlabel(words + ("" if unit == "1" else f"\n({unit})"), fontsize=9)
    axes.tick_params(labelsize=8)
    axes.set_yticks([])
    if first:
        axes.set_title("dotted: prior", fontsize=8, loc="left", color="0.3")
