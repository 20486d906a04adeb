"""Thresholds in numbers: medians, intervals, and whether the refresh interval is beyond them."""

from typing import Any

import numpy as np
import xarray as xr

from bayes_grpo.analysis.intervals import INTERVAL, IntervalRow, interval_row
from bayes_grpo.analysis.notes import Noted, fit_notes, noted, stored_notes
from bayes_grpo.analysis.stability.breakdown import BrokeDown, breakdown_note, broke_down
from bayes_grpo.errors import Note

#: The thresholds that are told, by their variable, and what tables and figures call them.
THRESHOLDS = {
    "leading": "refresh, leading order",
    "exact": "refresh, exact",
    "frozen": "refresh, all lag counts",
    "delay": "constant delay, exact",
}


class ThresholdRow(IntervalRow):
    """Median and interval of a threshold, and the share of draws that have none."""

    probability_none: float


class LagShareRow(IntervalRow):
    """Median and interval of the share of the lag that counts, and where they are from."""

    source: str


class ThresholdSummary(Noted):
    """What `summarise_threshold` says; see there."""

    run: str
    threshold: dict[str, ThresholdRow]
    refresh_interval: float | None
    probability_beyond_threshold: float | None
    probability_unstable: float | None
    refresh_interval_margin: ThresholdRow | None
    learning_rate_margin: ThresholdRow | None
    lag_share: LagShareRow
    broke_down: BrokeDown | None
    interval: dict[str, Any]


def summarise_threshold(result: xr.Dataset, fit: xr.DataTree | None = None) -> ThresholdSummary:
    """Summary of a threshold's posterior, ready for JSON.

    Parameters
    ----------
    result : xarray.Dataset
        From `bayes_grpo.threshold`.
    fit : xarray.DataTree, optional
        The fit that was asked; its assumptions, and why it cannot be believed if it did not converge, join the notes.

    Returns
    -------
    dict
        None stands for infinite: no threshold, or none within `bayes_grpo.analysis.stability.threshold.LONGEST`.

        - ``run``: label of the run.
        - ``threshold``: for each of `THRESHOLDS`, ``median``, ``lower``, ``upper`` (step) and ``probability_none``.
        - ``refresh_interval``: the one asked about, None if unknown; then the next four are None too.
        - ``probability_beyond_threshold``: that this interval is at or beyond the exact threshold, and so unstable near
          the plateau; ``probability_unstable`` is the same under its name of version 0.1.0.
        - ``refresh_interval_margin``, ``learning_rate_margin``: factors by which either can be raised; None for a run
          that broke down.
        - ``lag_share``: ``median``, ``lower``, ``upper`` of the share of the lag that counts, and its ``source``:
          ``stated``, ``posterior``, ``prior`` (the runs fitted together say nothing of it) or ``uniform`` (unknown).
        - ``broke_down``: where the fit is given and the reward of its run ends in a collapse, the run's own
          ``refresh_interval`` (None if unknown), the ``best`` mean and the last, ``level``, over so many ``rows``: this
          contradicts the thresholds. Else None.
        - ``interval``: probability and kind of the intervals.
        - ``warnings``, ``notes``: what a reader should know, as sentences and as data.

    Examples
    --------
    >>> import bayes_grpo
    >>> fit = bayes_grpo.fit(bayes_grpo.example_run(), "overdamped", draws=50, tune=100, chains=2)
    >>> summary = bayes_grpo.summarise_threshold(bayes_grpo.threshold(fit, refresh_interval=8, lag_share=1.0), fit)
    >>> summary["probability_beyond_threshold"]
    0.0
    """
    asked = float(result.attrs["refresh_interval"])
    known = bool(np.isfinite(asked))
    broken = None if fit is None else broke_down(fit, result.attrs["run"])
    margins = known and broken is None
    beyond = float((result["exact"].values <= asked).mean()) if known else None
    return {
        "run": result.attrs["run"],
        "threshold": {name: _row(result[name].values) for name in THRESHOLDS},
        "refresh_interval": asked if known else None,
        "probability_beyond_threshold": beyond,
        "probability_unstable": beyond,
        "refresh_interval_margin": _row(result["exact"].values / asked) if margins else None,
        "learning_rate_margin": _row(result["learning_rate_margin"].values) if margins else None,
        "lag_share": {**interval_row(result["lag_share"].values), "source": result.attrs["lag_share_source"]},
        "broke_down": broken,
        "interval": INTERVAL,
        **noted([*_notes(broken), *fit_notes(fit, ("momentum", "refresh_interval")), *stored_notes(result)]),
    }


def _row(values: np.ndarray) -> ThresholdRow:
    return {**interval_row(values), "probability_none": float(np.isinf(values).mean())}


def _notes(broken: BrokeDown | None) -> list[Note]:
    return [] if broken is None else [breakdown_note(broken["refresh_interval"])]
