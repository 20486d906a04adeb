"""Figures of a fit. Importing this module imports matplotlib."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import xarray as xr
from matplotlib.figure import Figure

from bayes_grpo.analysis.figures import CURVE, DATA, LEVEL, halves, named, new_figure, save_figure
from bayes_grpo.analysis.intervals import INTERVAL_PROB, interval
from bayes_grpo.inference.convergence import diagnose_sampling

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_PANELS = ("plateau", "timescale", "midpoint", "damping", "damping_ratio", "temperature", "step_sd", "observation_sd")
_MOST_RUNS, _MOST_PANELS, _COLUMNS = 12, 8, 4


def plot_fit(fit: xr.DataTree) -> Figure:
    """Draw the reward curve with the inferred expected reward and plateau, above the posteriors with their priors.

    Of runs fitted together each of the first 12 has a curve, and the posteriors are those of the population.

    Parameters
    ----------
    fit : xarray.DataTree
        From `bayes_grpo.fit`, also after `bayes_grpo.load_fit`.

    Returns
    -------
    matplotlib.figure.Figure
        Lines are medians, bands equal-tailed intervals of probability `bayes_grpo.analysis.intervals.INTERVAL_PROB`. A
        fit that did not converge says so across the figure.

    Examples
    --------
    >>> import bayes_grpo
    >>> fit = bayes_grpo.fit(bayes_grpo.example_run(), "overdamped", draws=50, tune=100, chains=2)
    >>> bayes_grpo.plot_fit(fit).axes[0].get_ylabel()
    'reward'
    """
    posterior = fit["posterior"].to_dataset()
    runs = [str(label) for label in posterior["run"].values] if "run" in posterior.dims else []
    scalars = [str(name) for name, value in posterior.data_vars.items() if value.ndim == 2 and np.ptp(value.values) > 0]
    names = scalars[:_MOST_PANELS] if runs else [name for name in _PANELS if name in scalars]
    rows = max(1, -(-len(runs[:_MOST_RUNS]) // _COLUMNS))
    figure = new_figure(9.5, 2.2 * (rows + 1) if runs else 6.2)
    more = f", first {_MOST_RUNS} shown" if runs[_MOST_RUNS:] else ""
    figure.suptitle(f"{named(fit.attrs['run'])}: {fit.attrs['model']}{more}", fontsize=12, parse_math=False)
    above, below = halves(figure, (rows, 1) if runs else (2.1, 1))
    if runs:
        _curves(above, fit, runs[:_MOST_RUNS], rows)
    else:
        _curve(above.subplots(), fit)
    for axes, name in zip(below.subplots(1, len(names), squeeze=False)[0], names, strict=True):
        _marginal(axes, fit, name, first=name == names[0])
    if diagnose_sampling(fit).failures():
        place: dict[str, Any] = {"ha": "center", "va": "center", "rotation": 20}
        figure.text(0.5, 0.5, "NOT CONVERGED", color="red", alpha=0.35, fontsize=48, **place)
    return figure


def plot_marginals(fit: xr.DataTree) -> Figure:
    """Draw the posteriors of a run's parameters with their priors: the lower half of `plot_fit`, with more room.

    Parameters
    ----------
    fit : xarray.DataTree
        From `bayes_grpo.fit`, of one run.

    Returns
    -------
    matplotlib.figure.Figure
        A panel a parameter: histogram of the posterior, its 90 % interval shaded, the prior dotted.

    Examples
    --------
    >>> import bayes_grpo
    >>> fit = bayes_grpo.fit(bayes_grpo.example_run(), "overdamped", draws=50, tune=100, chains=2)
    >>> bayes_grpo.plot_marginals(fit).axes[0].get_xlabel().split()
    ['plateau', '(reward)']
    """
    posterior = fit["posterior"].to_dataset()
    names = [name for name in _PANELS if name in posterior and np.ptp(posterior[name].values) > 0]
    rows = max(1, -(-len(names) // _COLUMNS))
    figure = new_figure(8.5, 2.0 * rows)
    figure.suptitle(f"{named(fit.attrs['run'])}: {fit.attrs['model']}", fontsize=12, parse_math=False)
    panels = figure.subplots(rows, _COLUMNS, squeeze=False).ravel()
    for axes, name in zip(panels, names, strict=False):
        _marginal(axes, fit, name, first=name == names[0])
    for axes in panels[len(names) :]:
        axes.axis("off")
    return figure


def save_plot(fit: xr.DataTree, path: str | Path, kind: str = "curve") -> Path:
    """Draw a fit into a file, whole or not at all.

    Parameters
    ----------
    fit : xarray.DataTree
        From `bayes_grpo.fit`, also after `bayes_grpo.load_fit`.
    path : str or Path
        The suffix names the format: png, svg or pdf.
    kind : {"curve", "predictive", "left-out"}
        `plot_fit`; or, from `bayes_grpo.analysis.posterior.figure_checks`, the rewards against simulated runs, or where
        each reward lies in its leave-one-out prediction.

    Returns
    -------
    pathlib.Path
        The file.

    Raises
    ------
    OSError
        If it cannot be written; an older file at the path is left as it was.

    Examples
    --------
    >>> import bayes_grpo, pathlib, tempfile
    >>> fit = bayes_grpo.fit(bayes_grpo.example_run(), "overdamped", draws=50, tune=100, chains=2)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     bayes_grpo.save_plot(fit, pathlib.Path(folder) / "fit.svg").stat().st_size > 10_000
    True
    """
    return save_figure(_draw(fit, kind), path)


def _draw(fit: xr.DataTree, kind: str) -> Figure:
    if kind == "curve":
        return plot_fit(fit)
    from bayes_grpo.analysis.posterior.figure_checks import plot_leave_one_out, plot_predictive

    return plot_predictive(fit) if kind == "predictive" else plot_leave_one_out(fit)


def _curves(figure: Any, fit: xr.DataTree, runs: Sequence[str], rows: int) -> None:
    """A small curve for each of several runs."""
    panels = figure.subplots(rows, _COLUMNS, squeeze=False).ravel()
    for axes, run in zip(panels, runs, strict=False):
        _curve(axes, fit, run)
    for axes in panels[len(runs) :]:
        axes.axis("off")


def _curve(axes: "Axes", fit: xr.DataTree, run: str | None = None) -> None:
    observed = fit["observed_data"].to_dataset()["reward"]
    expected = fit["latent"].to_dataset()["expected_reward"]
    posterior = fit["posterior"].to_dataset()
    if run is not None:
        of_run = observed["observed_run"].values == run
        observed, expected, posterior = observed[of_run], expected[:, of_run], posterior.sel(run=run)
        axes.set_title(named(run if len(run) <= 28 else f"...{run[-25:]}"), fontsize=8, parse_math=False)
        axes.tick_params(labelsize=7)
    optimizer_step = observed["optimizer_step"].values
    axes.plot(optimizer_step, observed.values, ".", color=DATA, ms=3, alpha=0.7, label="logged reward")
    low, median, high = interval(expected.values)
    axes.fill_between(optimizer_step, low, high, color=CURVE, alpha=0.3, lw=0)
    axes.plot(optimizer_step, median, color=CURVE, lw=1.5, label=f"expected reward, {INTERVAL_PROB:.0%} interval")
    least, most = observed.values.min(), observed.values.max()
    bottom, top = least, most
    if "plateau" in posterior:
        low, median, high = interval(posterior["plateau"].values, axis=None)
        axes.axhspan(low, high, color=LEVEL, alpha=0.18, lw=0)
        axes.axhline(median, color=LEVEL, lw=1.2, ls="--", label=f"plateau, {INTERVAL_PROB:.0%} interval")
        # The plateau is shown, but one that is hardly known must not squeeze the data into a line.
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
    axes.axvline(limits.median, color=CURVE, lw=1)
    unit = fit["posterior"][name].attrs["units"]
    words = name.replace("_", " ")
    for part in (" by ", " location", " spread"):
        words = words.replace(part, f"\n{part.lstrip()}")
    axes.set_xlabel(words + ("" if unit == "1" else f"\n({unit})"), fontsize=9)
    axes.tick_params(labelsize=8)
    axes.set_yticks([])
    if first:
        axes.set_title("line: median, dotted: prior", fontsize=8, loc="left", color="0.3")
