"""Figure of the check of group-size invariance. Importing this module imports matplotlib."""

from typing import TYPE_CHECKING

import xarray as xr
from matplotlib.figure import Figure

from bayes_grpo.analysis.figures import CURVE, LEVEL, draw_histogram, halves, new_figure

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_OBSERVED, _BALANCE = "0.25", "#2e7d32"
_LAWS = {
    "leading": (CURVE, "leading order"),
    "finite_groups": (LEVEL, "with finite-group factor"),
    "balance": (_BALANCE, "balance law"),
}
_MOST_GROUPS = 6

#: What is drawn of a posterior on the group size: label, and the value under invariance.
_DEPENDENCE = {
    "temperature_exponent": ("noise of the update\nfalls as $G^{-a}$", 1.0),
    "observation_exponent": ("noise of logged means\nfalls as $G^{-b}$", 1.0),
    "observation_share": ("share of sampling noise\nbetween prompts", None),
    "plateau_change": ("plateau per doubling of G\n(reward)", 0.0),
    "stiffness_exponent": ("stiffness\nrises as $G^{b}$", 0.0),
}


def plot_invariance(result: xr.Dataset) -> Figure:
    """Draw each group size against its prediction, above how noise, plateau and stiffness depend on the group size.

    Parameters
    ----------
    result : xarray.Dataset
        From `bayes_grpo.invariance`.

    Returns
    -------
    matplotlib.figure.Figure
        Above, a panel for each of the first six group sizes: dots are the mean over its runs, lines and bands the
        medians and 90 % intervals of its prediction by each law, whose p-values stand above in the order of the legend.
        Below, posteriors; a dashed line marks the value under invariance.

    Examples
    --------
    >>> import bayes_grpo
    >>> from bayes_grpo.bandit import Bandit, simulate
    >>> runs = [simulate(Bandit(group_size=size, steps=40), [0]) for size in (4, 16)]
    >>> runs = bayes_grpo.combine([run.assign_coords(run=[f"G{run['group_size'].item():g}"]) for run in runs])
    >>> check = bayes_grpo.invariance(runs, hold_out=[4], method="nuts", draws=25, tune=50, keep="fits")
    >>> len(bayes_grpo.plot_invariance(check).axes)
    6
    """
    groups = result["group"].values[:_MOST_GROUPS]
    figure = new_figure(10.5, 5.6)
    above, below = halves(figure, (1.3, 1))
    panels = above.subplots(1, len(groups), squeeze=False, sharey=True)[0]
    for axes, group in zip(panels, groups, strict=True):
        _prediction(axes, result.sel(group=group))
    panels[0].set_ylabel("reward")
    handles, labels = panels[0].get_legend_handles_labels()
    above.legend(handles, labels, fontsize=8, frameon=False, loc="outside upper center", ncols=4)
    for axes, (name, (label, invariant)) in zip(below.subplots(1, len(_DEPENDENCE)), _DEPENDENCE.items(), strict=True):
        draw_histogram(axes, result[name].values, label, invariant)
    return figure


def _prediction(axes: "Axes", check: xr.Dataset) -> None:
    """One group size: its runs, and what each law predicts of them."""
    optimizer_step = check["optimizer_step"].values
    laws = {law: drawn for law, drawn in _LAWS.items() if law in check["law"]}
    for law, (color, label) in laws.items():
        of_law = check.sel(law=law)
        lower, upper = of_law["predicted_lower"].values, of_law["predicted_upper"].values
        axes.fill_between(optimizer_step, lower, upper, color=color, alpha=0.22, lw=0)
        axes.plot(optimizer_step, of_law["predicted"].values, color=color, lw=1.3, label=f"predicted, {label}")
    axes.plot(optimizer_step, check["observed"].values, "o", color=_OBSERVED, ms=4, label="mean of the runs")
    p_values = [float(check["p_value"].sel(law=law, statistic="trajectory")) for law in laws]
    listed = ", ".join(f"{p_value:.3f}" for p_value in p_values)
    axes.set_title(f"G = {float(check['group']):g}\np = {listed}", fontsize=9)
    axes.set_xlabel("optimizer step")
