"""Figure of the entropy ceiling. Importing this module imports matplotlib."""

import numpy as np
import xarray as xr
from matplotlib.figure import Figure

from bayes_grpo.analysis.ceiling.summary import PAYS
from bayes_grpo.analysis.ceiling.trade import left
from bayes_grpo.analysis.figures import CURVE, DATA, LEVEL, named, new_figure
from bayes_grpo.analysis.intervals import INTERVAL_PROB, interval

#: Points of the curve.
_POINTS = 60


def plot_entropy_ceiling(result: xr.Dataset) -> Figure:
    """Draw rewards against entropy, the trade that was learned from them, and the ceiling at no entropy.

    Parameters
    ----------
    result : xarray.Dataset
        From `bayes_grpo.entropy_ceiling`.

    Returns
    -------
    matplotlib.figure.Figure
        Time runs to the left where entropy is given up. Where entropy has not clearly bought reward there is no ceiling
        to be drawn, and the figure has the rows alone.

    Examples
    --------
    >>> import bayes_grpo
    >>> import numpy as np
    >>> steps, entropy = np.arange(40), np.linspace(0.9, 0.2, 40)
    >>> reward = 0.8 - 0.4 * (np.exp(entropy) - 1) + 0.01 * np.sin(7 * steps)
    >>> log = bayes_grpo.make_run("run", {"optimizer_step": steps, "reward": reward, "entropy": entropy})
    >>> bayes_grpo.plot_entropy_ceiling(bayes_grpo.entropy_ceiling(log)).axes[0].get_xlabel()
    'entropy (nat per token)'
    """
    figure = new_figure(7.0, 3.6)
    axes = figure.subplots()
    entropy, reward = result["logged_entropy"].values, result["logged_reward"].values
    axes.plot(entropy, reward, ".", color=DATA, markersize=3, label="logged")
    if (result["price"].values > 0).mean() >= PAYS:
        places = np.linspace(0, entropy.max(), _POINTS)
        ceiling, price, exponent = (result[name].values[:, None] for name in ("ceiling", "price", "exponent"))
        lower, median, upper = interval(ceiling - price * left(places[None, :], exponent))
        axes.fill_between(
            places, lower, upper, color=CURVE, alpha=0.3, linewidth=0, label=f"trade, {INTERVAL_PROB:.0%}"
        )
        axes.plot(places, median, color=CURVE, label="trade, median")
        low, middle, high = interval(result["ceiling"].values)
        axes.errorbar(
            [0.0], [middle], [[middle - low], [high - middle]], fmt="s", color=LEVEL, capsize=4, label="ceiling"
        )
    axes.set_xlim(left=-0.03 * entropy.max())
    axes.set_xlabel("entropy (nat per token)")
    axes.set_ylabel("reward")
    axes.set_title(named(result.attrs["run"]), fontsize=10, parse_math=False)
    axes.legend(fontsize=8, frameon=False)
    return figure
