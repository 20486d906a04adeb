"""Figure of a diagnosis. Importing this module imports matplotlib."""

import textwrap

import numpy as np
import xarray as xr
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from bayes_grpo.analysis.diagnosis.diagnose import summarise_diagnosis
from bayes_grpo.analysis.diagnosis.effects import ANSWERS
from bayes_grpo.analysis.diagnosis.priors import CHANNELS

#: Colours that differ for colour-blind readers too (Okabe and Ito).
_COLOURS = dict(zip(ANSWERS, ("#56B4E9", "#D55E00", "#E69F00", "#CC79A7", "#111111", "#C8C8C8"), strict=True))


def plot_diagnosis(found: xr.Dataset) -> Figure:
    """Probabilities as they were seen at each step, above the channels, with the posterior of the onset.

    Parameters
    ----------
    found : xarray.Dataset
        From `bayes_grpo.diagnose`.

    Returns
    -------
    matplotlib.figure.Figure
        The onset's 90 % interval is shaded in every panel if a failure is more probable than not.
    """
    said = summarise_diagnosis(found)
    names = [str(name) for name in found["channel"].values]
    figure = Figure(figsize=(8.5, 3.2 + 1.15 * len(names)), layout="constrained")
    FigureCanvasAgg(figure)
    panels = figure.subplots(1 + len(names), 1, sharex=True, height_ratios=[2.2] + [1] * len(names), squeeze=False)[
        :, 0
    ]
    seen, chances = found["seen_step"].values, found["probability_at"].values
    top = panels[0]
    top.stackplot(
        seen, chances.T, labels=[name.replace("_", " ") for name in ANSWERS], colors=list(_COLOURS.values()), lw=0
    )
    top.set(ylim=(0, 1), ylabel="probability\nas seen at step", xlim=(found["row_step"].values[0], seen[-1]))
    top.legend(loc="upper center", bbox_to_anchor=(0.5, -0.04), ncols=3, fontsize=8, frameon=False)
    title = f"{said['run']}: {said['diagnosis'].replace('_', ' ')} ({said['probabilities'][said['diagnosis']]:.2f})"
    top.set_title("\n".join(textwrap.wrap(title, 90)), fontsize=11, parse_math=False)
    for axes, name in zip(panels[1:], names, strict=True):
        values = found["channel_value"].sel(channel=name).values
        seen_rows = np.isfinite(values)
        axes.plot(found["row_step"].values[seen_rows], values[seen_rows], ".-", color="0.35", ms=2.5, lw=0.7)
        axes.set_ylabel(f"{CHANNELS[name].title}\n({CHANNELS[name].unit})", fontsize=7)
        axes.tick_params(labelsize=7)
        if said["onset_step"] is not None:
            colour = _COLOURS[said["onset_step"]["failure"]]
            axes.axvspan(said["onset_step"]["lower"], said["onset_step"]["upper"], color=colour, alpha=0.2, lw=0)
            axes.axvline(said["onset_step"]["median"], color=colour, lw=1)
    if said["first_seen_step"] is not None:
        top.axvline(said["first_seen_step"], color="white", lw=1.2, ls="--")
        top.annotate(
            "seen", (said["first_seen_step"], 0.97), xytext=(3, 0), textcoords="offset points", color="white", va="top",
            fontsize=8,
        )  # fmt: skip
    panels[-1].set_xlabel("optimizer step")
    figure.align_ylabels(list(panels))
    return figure
