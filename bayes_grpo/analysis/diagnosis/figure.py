"""Figure of a diagnosis. Importing this module imports matplotlib."""

import textwrap
from typing import TYPE_CHECKING, Any

import numpy as np
import xarray as xr
from matplotlib.figure import Figure

from bayes_grpo.analysis.diagnosis.channel_priors import CHANNELS
from bayes_grpo.analysis.diagnosis.modes import answers
from bayes_grpo.analysis.diagnosis.summary import DiagnosisSummary, summarise_diagnosis
from bayes_grpo.analysis.diagnosis.table import label_of
from bayes_grpo.analysis.figures import named, new_figure

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def plot_diagnosis(result: xr.Dataset) -> Figure:
    """Draw the probabilities as they were seen at each step, above the channels, with the posterior of the onset.

    Parameters
    ----------
    result : xarray.Dataset
        From `bayes_grpo.diagnose`.

    Returns
    -------
    matplotlib.figure.Figure
        The onset's median and 90 % interval are marked in every channel if a failure is more probable than not.

    Examples
    --------
    >>> import bayes_grpo
    >>> figure = bayes_grpo.plot_diagnosis(bayes_grpo.diagnose(bayes_grpo.example_run()))
    >>> figure.axes[-1].get_xlabel()
    'optimizer step'
    """
    summary = summarise_diagnosis(result)
    names = [str(name) for name in result["channel"].values]
    figure = new_figure(8.5, 3.2 + 1.15 * len(names))
    heights = [2.2] + [1] * len(names)
    panels = figure.subplots(1 + len(names), 1, sharex=True, height_ratios=heights, squeeze=False)[:, 0]
    _probabilities(panels[0], result, summary)
    for axes, name in zip(panels[1:], names, strict=True):
        _channel(axes, result, name, summary)
    panels[-1].set_xlabel("optimizer step")
    figure.align_ylabels(list(panels))
    return figure


def _probabilities(axes: "Axes", result: xr.Dataset, summary: DiagnosisSummary) -> None:
    """Probability of each answer as seen at each step."""
    seen = result["seen_step"].values
    colours = [answers()[str(name)].colour for name in result["answer"].values]
    labels = [label_of(str(name)) for name in result["answer"].values]
    axes.stackplot(seen, result["probability_at"].values.T, labels=labels, colors=colours, lw=0)
    axes.set(ylim=(0, 1), ylabel="probability\nas seen at step", xlim=(result["row_step"].values[0], seen[-1]))
    axes.legend(loc="upper center", bbox_to_anchor=(0.5, -0.04), ncols=3, fontsize=8, frameon=False)
    name = summary["diagnosis"]
    title = f"{named(summary['run'])}: {label_of(name)} ({summary['probabilities'][name]:.2f})"
    axes.set_title("\n".join(textwrap.wrap(title, 90)), fontsize=11, parse_math=False)
    first = summary["first_seen_step"]
    if first is not None:
        axes.axvline(first, color="white", lw=1.2, ls="--")
        place: dict[str, Any] = {"xytext": (3, 0), "textcoords": "offset points", "va": "top"}
        axes.annotate("seen", (first, 0.97), color="white", fontsize=8, **place)


def _channel(axes: "Axes", result: xr.Dataset, name: str, summary: DiagnosisSummary) -> None:
    """A channel as the model sees it, with the onset."""
    values = result["channel_value"].sel(channel=name).values
    logged = np.isfinite(values)
    axes.plot(result["row_step"].values[logged], values[logged], ".-", color="0.35", ms=2.5, lw=0.7)
    axes.set_ylabel(f"{CHANNELS[name].title}\n({CHANNELS[name].unit})", fontsize=7)
    axes.tick_params(labelsize=7)
    onset = summary["onset_step"]
    if onset is not None:
        colour = answers()[onset["failure"]].colour
        axes.axvspan(onset["lower"], onset["upper"], color=colour, alpha=0.2, lw=0)
        axes.axvline(onset["median"], color=colour, lw=1)
