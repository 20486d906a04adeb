"""What is said of checkpoints, in numbers and in words."""

from typing import Any, TypedDict

import numpy as np
import xarray as xr

from bayes_grpo.analysis.decisions.words import chance, listed, rounded
from bayes_grpo.analysis.intervals import INTERVAL, IntervalRow, interval, interval_row
from bayes_grpo.analysis.notes import Noted, fit_notes, noted, stored_notes
from bayes_grpo.errors import InputError

#: Loss against the best that does not matter, as a share of the range, unless said otherwise.
MARGIN_SHARE = 0.01
#: The checkpoints worth keeping: the fewest of which one is the best with this probability.
KEEP_PROBABILITY = 0.9
_ABOUT = {
    "reward": "expected training reward",
    "evaluation curve": "logged evaluation curve",
    "evaluation": "evaluation",
}


class CheckpointRow(TypedDict):
    """A checkpoint: the curve there, the probabilities, what is lost by taking it, and its evaluation."""

    step: float
    value: IntervalRow
    probability_best: float
    probability_within: float
    expected_loss: float
    largest_loss: float
    evaluated: float | None


class CheckpointSummary(Noted):
    """What `summarise_checkpoint` says; see there."""

    run: str
    about: str
    best: float
    probability_best: float
    probability_within: float
    margin: float
    keep: list[float]
    probability_kept: float
    next_steps: list[float]
    checkpoints: list[CheckpointRow]
    peak_inside: float
    statement: str
    interval: dict[str, Any]


def summarise_checkpoint(
    result: xr.Dataset, fit: xr.DataTree | None = None, *, margin: float | None = None
) -> CheckpointSummary:
    """Summary of the choice of a checkpoint, ready for JSON.

    Parameters
    ----------
    result : xarray.Dataset
        From `bayes_grpo.checkpoint`.
    fit : xarray.DataTree, optional
        A fit whose notes join those of the result.
    margin : float, optional
        Loss against the best that does not matter; by default 1 % of the range.

    Returns
    -------
    dict
        - ``best``: the step with the highest expected value; ``probability_best`` and ``probability_within``, that it
          is the best of all, and within ``margin`` of it.
        - ``keep``: the fewest checkpoints of which one is the best with probability 0.9; ``probability_kept``.
        - ``next_steps``: which to evaluate, the most useful first.
        - ``checkpoints``: a row each: ``step``, ``value`` (median and interval), ``probability_best``,
          ``probability_within``, ``expected_loss`` against the best and ``largest_loss``, below which it is with
          probability 0.95, ``evaluated`` (None where it was not).
        - ``peak_inside``: probability that the best is not the last one, which speaks for a peak before the end.
        - ``about``: the curve in question; ``statement``: the answer in words.
        - ``interval``: probability and kind of the intervals.
        - ``warnings``, ``notes``: what a reader should know, as sentences and as data.

    Raises
    ------
    InputError
        If ``margin`` is not above 0.

    Examples
    --------
    >>> import bayes_grpo
    >>> summary = bayes_grpo.summarise_checkpoint(bayes_grpo.checkpoint(bayes_grpo.example_run(), every=95))
    >>> [row["step"] for row in summary["checkpoints"]]
    [95.0, 190.0, 285.0, 380.0]
    """
    if margin is not None and not margin > 0:
        raise InputError("checkpoint", f"margin: expected a number above 0, found {margin:g}")
    enough = MARGIN_SHARE * result.attrs["reward_range"] if margin is None else margin
    draws, steps = result["value"].values, result["checkpoint_step"].values
    loss = draws.max(1, keepdims=True) - draws
    chances, within = result["probability_best"].values, (loss < enough).mean(0)
    best = int(draws.mean(0).argmax())
    keep, kept = _to_keep(chances)
    rows: list[CheckpointRow] = [
        {
            "step": float(steps[i]),
            "value": interval_row(draws[:, i]),
            "probability_best": float(chances[i]),
            "probability_within": float(within[i]),
            "expected_loss": float(loss[:, i].mean()),
            "largest_loss": float(interval(loss[:, i]).upper),
            "evaluated": None if np.isnan(result["evaluated"][i]) else float(result["evaluated"][i]),
        }
        for i in range(steps.size)
    ]
    about: dict[str, Any] = {
        "run": result.attrs["run"],
        "about": _ABOUT[result.attrs["about"]],
        "best": float(steps[best]),
        "probability_best": float(chances[best]),
        "probability_within": float(within[best]),
        "margin": enough,
        "keep": steps[keep].tolist(),
        "probability_kept": kept,
        "next_steps": result["next_step"].values.tolist(),
        "checkpoints": rows,
        "peak_inside": float(1 - chances[-1]),
        "interval": INTERVAL,
        **noted([*stored_notes(result), *fit_notes(fit)]),
    }
    return {**about, "statement": _statement(about, float(loss[:, best].mean()))}  # type: ignore[typeddict-item]


def _to_keep(chances: np.ndarray) -> tuple[np.ndarray, float]:
    """The fewest checkpoints that hold the best with `KEEP_PROBABILITY`, in their order, and that probability."""
    order = np.argsort(-chances, kind="stable")
    count = int(np.searchsorted(np.cumsum(chances[order]), KEEP_PROBABILITY - 1e-12)) + 1
    keep = np.sort(order[:count])
    return keep, float(chances[keep].sum())


def _statement(summary: dict[str, Any], loss: float) -> str:
    best = f"step {summary['best']:g}"
    lines = [
        f"By the {summary['about']} {best} is the best choice: it is the peak with probability "
        f"{chance(summary['probability_best'])}, within {rounded(summary['margin'])} of it with probability "
        f"{chance(summary['probability_within'])}, and {rounded(loss)} below it in expectation."
    ]
    if len(summary["keep"]) <= 8:
        kept = listed([f"{step:g}" for step in summary["keep"]])
        plural = "step" if len(summary["keep"]) == 1 else "steps"
        lines.append(
            f"Keep {plural} {kept}: the best is among them with probability {chance(summary['probability_kept'])}."
        )
    else:
        lines.append(
            f"It takes {len(summary['keep'])} of {len(summary['checkpoints'])} checkpoints to hold the best with "
            f"probability {KEEP_PROBABILITY:g}."
        )
    if summary["next_steps"]:
        lines.append(f"Evaluate {listed([f'{step:g}' for step in summary['next_steps']])}, in this order.")
    return " ".join(lines)
