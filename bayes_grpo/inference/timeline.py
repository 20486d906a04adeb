"""A run laid out in time, as the laws take it."""

import numpy as np
import xarray as xr

from bayes_grpo.inference.quantities import Setting
from bayes_grpo.laws.grid import Grid, padded_length

#: A window mean is represented by at most this many points; exact up to this many steps a window.
MAX_POINTS = 10
#: Length of the table of gap kinds when that is enough; else the table has a kind for each row.
FEW_KINDS = 16


def build_grid(run: xr.Dataset, setting: Setting, size: int = 0, kinds: int = FEW_KINDS) -> tuple[Grid, np.ndarray]:
    """Lay a single run out in time.

    A row that logs the mean over a window of w optimizer steps becomes min(w, MAX_POINTS) points, the last of which
    is observed. Rows at the same step observe the same state: they become one point. Steps before an observation without
    a reward only move the clock.

    Parameters
    ----------
    run : xarray.Dataset
        A single run, dims (step).
    setting : Setting
        Its quantities, from `bayes_grpo.inference.quantities.settle`.
    size, kinds : int
        Least padded length and number of gap kinds, for runs that are stacked.

    Returns
    -------
    grid : Grid
    rows : numpy.ndarray
        Index in the grid of each row of the run, shape (step,).
    """
    steps, which = np.unique(run["optimizer_step"].values, return_inverse=True)
    reward = run["reward"].values
    window = setting.values["logging_window"]
    time: list[float] = []
    keep: list[float] = []
    weight: list[float] = []
    ends = np.zeros(len(steps), dtype=int)
    before = steps[0] - window
    for i, step in enumerate(steps):
        width = min(window, step - before)
        points = max(1, min(MAX_POINTS, round(width)))
        inside = step - width + (np.arange(points) + 0.5) * width / points + 0.5 if points > 1 else np.array([step])
        time += inside.tolist()
        keep += [0.0] + [1.0] * (points - 1)
        weight += [1.0 / points] * points
        ends[i] = len(time) - 1
        before = step
    rows = ends[which]
    n = len(time)
    size = max(size, padded_length(n))
    times = np.array(time)
    gap = np.diff(times, prepend=times[0])
    ratio = _learning_rate_ratio(run, times, setting.values.get("learning_rate"))
    rate = np.concatenate([ratio[:1], (ratio[1:] + ratio[:-1]) / 2])
    seen = np.isfinite(reward)
    count = np.bincount(rows[seen], minlength=n).astype(float)
    value = np.bincount(rows[seen], reward[seen], minlength=n) / np.maximum(count, 1)
    scatter = np.bincount(rows[seen], (reward[seen] - value[rows[seen]]) ** 2, minlength=n)

    def pad(array: np.ndarray, fill: float = 0.0) -> np.ndarray:
        return np.concatenate([array, np.full(size - n, fill)])

    table, kind = np.unique(np.stack([pad(gap), pad(rate, 1.0)]), axis=1, return_inverse=True)
    kinds = kinds if table.shape[1] <= kinds else size
    table = np.pad(table, ((0, 0), (0, kinds - table.shape[1])))
    grid = Grid(
        gap=table[0],
        rate=table[1],
        kind=kind.reshape(size),
        value=pad(value),
        noise=np.full(size, 1.0 / window),
        repeats=pad(np.maximum(count, 1), 1.0),
        scatter=pad(scatter),
        observed=pad(np.minimum(count, 1)),
        keep=pad(np.array(keep)),
        weight=pad(np.array(weight), 1.0),
        start_rate=np.asarray(rate[1] if n > 1 else rate[0]),
    )
    return grid, rows


def _learning_rate_ratio(run: xr.Dataset, times: np.ndarray, peak: float | None) -> np.ndarray:
    """Learning rate over its logged peak at the given times, linear between logged rows, constant beyond them."""
    if "learning_rate" not in run or peak is None:
        return np.ones_like(times)
    logged = run["learning_rate"].values
    known = np.isfinite(logged)
    interpolated: np.ndarray = np.interp(times, run["optimizer_step"].values[known], logged[known] / peak)
    return interpolated
