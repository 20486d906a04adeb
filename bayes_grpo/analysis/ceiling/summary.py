"""The entropy ceiling in numbers and in words."""

from typing import Any, TypedDict

import xarray as xr

from bayes_grpo.analysis.intervals import INTERVAL, INTERVAL_PROB, IntervalRow, interval_row
from bayes_grpo.analysis.notes import Noted, fit_notes, noted, stored_notes
from bayes_grpo.analysis.tables import wrapped

#: Entropy buys reward if that is at least so probable; otherwise there is no ceiling to speak of.
PAYS = 0.95


class EntropyRow(TypedDict):
    """Entropy (nat per token) at the begin and at the end of the log."""

    first: float
    last: float


class CeilingSummary(Noted):
    """What `summarise_entropy_ceiling` says; see there."""

    run: str
    rows: int
    level: float
    entropy: EntropyRow
    probability_pays: float
    ceiling: IntervalRow | None
    left: IntervalRow | None
    statement: str
    interval: dict[str, Any]


def summarise_entropy_ceiling(result: xr.Dataset, fit: xr.DataTree | None = None) -> CeilingSummary:
    """Summary of an entropy ceiling, ready for JSON.

    Parameters
    ----------
    result : xarray.Dataset
        From `bayes_grpo.entropy_ceiling`.
    fit : xarray.DataTree, optional
        A fit whose notes join those of the result.

    Returns
    -------
    dict
        - ``run``, ``rows``: label, and rows with reward and entropy.
        - ``level``: mean reward of the last tenth of the rows; ``entropy``: its means over the first and the last
          tenth.
        - ``probability_pays``: that entropy has bought reward so far.
        - ``ceiling``, ``left``: median and interval of the ceiling, and of what it is above the level; None unless
          ``probability_pays`` is at least 0.95.
        - ``statement``: the answer in words.
        - ``interval``: probability and kind of the intervals.
        - ``warnings``, ``notes``: what a reader should know, as sentences and as data.

    Examples
    --------
    >>> import bayes_grpo
    >>> import numpy as np
    >>> steps, entropy = np.arange(40), np.linspace(0.9, 0.2, 40)
    >>> reward = 0.8 - 0.4 * (np.exp(entropy) - 1) + 0.01 * np.sin(7 * steps)
    >>> log = bayes_grpo.make_run("run", {"optimizer_step": steps, "reward": reward, "entropy": entropy})
    >>> bayes_grpo.summarise_entropy_ceiling(bayes_grpo.entropy_ceiling(log))["probability_pays"]
    1.0
    """
    pays = float((result["price"].values > 0).mean())
    attrs = result.attrs
    ceiling, left = (interval_row(result[name].values) if pays >= PAYS else None for name in ("ceiling", "left"))
    entropy: EntropyRow = {"first": attrs["first_entropy"], "last": attrs["last_entropy"]}
    return {
        "run": attrs["run"],
        "rows": int(attrs["rows"]),
        "level": attrs["level"],
        "entropy": entropy,
        "probability_pays": pays,
        "ceiling": ceiling,
        "left": left,
        "statement": _statement(pays, attrs["level"], entropy, ceiling, left),
        "interval": INTERVAL,
        **noted([*stored_notes(result), *fit_notes(fit)]),
    }


def ceiling_text(summary: CeilingSummary) -> str:
    """The answer, and what it rests on, as text for a terminal."""
    return "\n".join([summary["run"], wrapped(summary["statement"])])


def _statement(
    pays: float, level: float, entropy: EntropyRow, ceiling: IntervalRow | None, left: IntervalRow | None
) -> str:
    course = f"Entropy went from {entropy['first']:.3g} to {entropy['last']:.3g} nat per token"
    if ceiling is None or left is None:
        return (
            f"Cannot tell: entropy has not clearly bought reward so far (probability {pays:.2f}), so it sets no "
            f"ceiling. {course}, and the reward is {level:.3g} now."
        )
    if left["median"] is not None and left["median"] <= 0:
        return (
            f"The run is at its entropy ceiling: the trade so far ends at {_with_interval(ceiling)}, and the reward is "
            f"{level:.3g} now. What it still gains is not bought with entropy. {course}."
        )
    if entropy["last"] > entropy["first"]:
        course += ", and by this trade its rise has cost reward"
    return (
        f"If entropy goes on buying reward at the price so far, the reward ends at {_with_interval(ceiling)} when no "
        f"entropy is left. It is {level:.3g} now, so {_with_interval(left)} is left to be had. {course}."
    )


def _with_interval(row: IntervalRow) -> str:
    return f"{row['median']:.3g} ({INTERVAL_PROB:.0%} interval {row['lower']:.3g} to {row['upper']:.3g})"
