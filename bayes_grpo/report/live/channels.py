"""The logged channels of a run as small charts."""

from typing import NamedTuple

import numpy as np
import xarray as xr

from bayes_grpo.inference.draws import evenly
from bayes_grpo.report.words import number, plain
from bayes_grpo.runs.fields import STEP_FIELDS

#: Rows of a channel that are drawn, evenly.
_MOST_ROWS = 300
_WIDTH, _HEIGHT, _MARGIN = 320.0, 90.0, 6.0


class Channel(NamedTuple):
    """A small chart: name, unit, its path, and the least, largest and last value in words."""

    name: str
    unit: str
    path: str
    least: str
    most: str
    last: str
    alt: str


def live_channels(run: xr.Dataset) -> list[Channel]:
    """Charts of all channels but the reward that have at least two values.

    Parameters
    ----------
    run : xarray.Dataset
        Of one label, dim (step).
    """
    steps = run["optimizer_step"].values
    charts = []
    for name, field in STEP_FIELDS.items():
        if name in ("optimizer_step", "reward") or name not in run or run[name].dims != ("step",):
            continue
        values = run[name].values
        seen = np.flatnonzero(np.isfinite(values))
        if seen.size >= 2:
            rows = seen[evenly(seen.size, _MOST_ROWS)]
            charts.append(_channel(plain(name), field.unit, steps[rows], values[rows]))
    return charts


def _channel(name: str, unit: str, steps: np.ndarray, values: np.ndarray) -> Channel:
    least, most, last = float(values.min()), float(values.max()), float(values[-1])
    x = _MARGIN + (steps - steps[0]) / (steps[-1] - steps[0] or 1.0) * (_WIDTH - 2 * _MARGIN)
    share = (values - least) / (most - least) if most > least else np.full(values.size, 0.5)
    y = _HEIGHT - _MARGIN - share * (_HEIGHT - 2 * _MARGIN)
    path = "M" + "L".join(f"{a:.1f} {b:.1f}" for a, b in zip(x, y, strict=True))
    alt = (
        f"{name} from step {steps[0]:g} to {steps[-1]:g}: between {number(least)} and {number(most)} {unit}, "
        f"last {number(last)}"
    )
    return Channel(name, "" if unit == "1" else unit, path, number(least), number(most), number(last), alt)
