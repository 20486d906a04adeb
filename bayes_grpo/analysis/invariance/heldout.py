"""Runs that were held out against their prediction."""

import numpy as np
import xarray as xr

from bayes_grpo.analysis.intervals import interval
from bayes_grpo.analysis.invariance import statistics
from bayes_grpo.analysis.invariance.fits import Predicted, rows_of
from bayes_grpo.inference.layout import Prepared


def stretch_edges(prepared: Prepared) -> np.ndarray:
    """Optimizer steps between which mean rewards are taken, the same for all runs; shape (bins + 1,)."""
    steps = np.concatenate([step for _, step in rows_of(prepared)])
    return np.linspace(steps.min(), steps.max(), statistics.BINS + 1)


def check_prediction(predicted: Predicted, prepared: Prepared, held_out: np.ndarray, edges: np.ndarray) -> xr.Dataset:
    """Statistics of the runs held out against those of simulated ones.

    Parameters
    ----------
    predicted : Predicted
        The runs held out, simulated and logged.
    prepared : Prepared
        All runs.
    held_out : numpy.ndarray of int
        Places of the runs held out among them.
    edges : numpy.ndarray
        From `stretch_edges`.
    """
    rows = rows_of(prepared)
    places = [rows[i] for i in held_out]
    logged = [predicted.logged[j, position] for j, (position, _) in enumerate(places)]
    simulated = [predicted.simulated[:, j, position] for j, (position, _) in enumerate(places)]
    steps = [step for _, step in places]
    observed, drawn = (statistics.mean_trajectory(rewards, steps, edges) for rewards in (logged, simulated))
    none = statistics.Check(np.nan, np.nan)
    checks = [statistics.check_trajectory(observed, drawn), none, none]
    scatter, scatter_drawn = statistics.settled_scatter(logged), statistics.settled_scatter(simulated)
    if scatter is not None and scatter_drawn is not None:
        checks[1:] = [statistics.check_scalar(float(scatter[i]), scatter_drawn[i]) for i in (0, 1)]
    lower, median, upper = interval(drawn)
    return xr.Dataset(
        {
            "p_value": ("statistic", [check.p_value for check in checks]),
            "discrepancy": ("statistic", [check.discrepancy for check in checks]),
            "observed": ("bin", observed, {"units": "reward"}),
            "predicted": ("bin", median, {"units": "reward"}),
            "predicted_lower": ("bin", lower, {"units": "reward"}),
            "predicted_upper": ("bin", upper, {"units": "reward"}),
            "elpd": ("run", predicted.elpd, {"units": "nat"}),
            "elpd_error": ("run", predicted.monte_carlo_error, {"units": "nat"}),
        },
        coords={
            "statistic": list(statistics.STATISTICS),
            "optimizer_step": ("bin", (edges[1:] + edges[:-1]) / 2),
            "run": [str(prepared.runs[i]["run"].values) for i in held_out],
        },
    )
