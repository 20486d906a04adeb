"""The figures of a run for a page, from the plot functions, each with its numbers in words."""

from typing import Any

import xarray as xr

from bayes_grpo.analysis.diagnosis.figure import plot_diagnosis
from bayes_grpo.analysis.intervals import INTERVAL_PROB
from bayes_grpo.analysis.posterior.figure import plot_marginals
from bayes_grpo.analysis.stability.figure import plot_oscillation, plot_threshold
from bayes_grpo.report.figures import Drawn, inline_svg
from bayes_grpo.report.words import chance, interval, number


def draw_figures(
    fit: xr.DataTree, summary: dict[str, Any], found: dict[str, xr.Dataset], parts: dict[str, dict[str, Any] | None]
) -> dict[str, Drawn]:
    """Figures under posterior, oscillation, threshold and diagnosis, as far as there is something to draw.

    Their ids start with ``@``, which the page replaces by what tells runs apart.
    """
    out = {}
    rows = summary["parameters"]
    learned = [name for name, row in rows.items() if not row.get("fixed")]
    figure = plot_marginals(fit)
    figure.suptitle("")
    numbers = "; ".join(f"{name.replace('_', ' ')} {interval(rows[name])}" for name in learned)
    alt = f"Posterior densities against priors. {INTERVAL_PROB:.0%} intervals: {numbers}."
    caption = f"Posterior (filled), its {INTERVAL_PROB:.0%} interval (shaded), and the prior (dotted)."
    out["posterior"] = Drawn(inline_svg(figure, "@posterior", alt), alt, caption)
    said = parts["oscillation"]
    if said is not None and said["damping_ratio"] is not None:
        figure = plot_oscillation(found["oscillation"])
        figure.set_size_inches(9.0, 2.5)
        alt = (
            f"Damping ratio {interval(said['damping_ratio'])}, P(rings) {chance(said['probability_underdamped'])}, "
            f"P(runs away) {chance(said['probability_unstable'])}; period where it rings {interval(said['period'])} steps, "
            f"overshoot {interval(said['overshoot'])}."
        )
        caption = (
            "Below a damping ratio of 1 (dashed) the mean rings; period and overshoot are those of the draws that ring."
        )
        out["oscillation"] = Drawn(inline_svg(figure, "@oscillation", alt), alt, caption)
    said = parts["threshold"]
    if said is not None:
        figure = plot_threshold(found["threshold"])
        figure.set_size_inches(8.5, 3.0)
        exact = said["threshold"]["exact"]
        alt = (
            f"Probability of instability against refresh interval or delay. Exact threshold: median {number(exact['median'])} updates, "
            f"{INTERVAL_PROB:.0%} interval {interval(exact, unknown='none')}, none with probability {chance(exact['probability_none'])}."
        )
        caption = "How likely the mean is unstable at each refresh interval or delay, and the learning rate's margin at this run's K."
        out["threshold"] = Drawn(inline_svg(figure, "@threshold", alt), alt, caption)
    said = parts["diagnosis"]
    if said is not None:
        figure = plot_diagnosis(found["diagnosis"])
        figure.axes[0].set_title("")
        numbers = ", ".join(f"{name.replace('_', ' ')} {p:.2f}" for name, p in said["probabilities"].items())
        alt = f"Probabilities as seen at each step, above the logged channels. At the end: {numbers}."
        caption = (
            "Above: probabilities from the rows up to each step alone. Below: the channels as the model sees them."
        )
        out["diagnosis"] = Drawn(inline_svg(figure, "@diagnosis", alt), alt, caption)
    return out
