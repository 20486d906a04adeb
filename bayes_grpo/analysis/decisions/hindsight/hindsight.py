"""A forecast next to what came."""

from typing import TypedDict

import numpy as np
import xarray as xr

from bayes_grpo.analysis.collapses import recent
from bayes_grpo.analysis.decisions.hindsight.peers import scalerl_ahead
from bayes_grpo.analysis.decisions.words import rounded, with_interval
from bayes_grpo.analysis.intervals import INTERVAL_PROB, IntervalRow, interval, interval_row
from bayes_grpo.errors import InputError

#: Parts of equal length that the rest of the run is looked at in.
PARTS = 4


class PeriodRow(IntervalRow):
    """Mean reward of a period: what was forecast, what came, and whether that lies inside the interval."""

    first_step: float
    last_step: float
    came: float
    inside: bool


class Hindsight(TypedDict):
    """What `hindsight` says; see there."""

    run: str
    last_step: float
    until: float
    whole: PeriodRow
    parts: list[PeriodRow]
    rewards: int
    rewards_inside: int
    peers: dict[str, float]
    statement: str


def hindsight(ahead: xr.Dataset, run: xr.Dataset) -> Hindsight:
    """Compare a forecast with the run as it went on.

    Parameters
    ----------
    ahead : xarray.Dataset
        From `bayes_grpo.forecast`, of the run's beginning.
    run : xarray.Dataset
        The same run, dims (step), to at least a few steps after the forecast began.

    Returns
    -------
    dict
        - ``run``, ``last_step``, ``until``: the run, the last step that the forecast knew, and the last one compared.
        - ``whole``: mean reward of all steps to come: median and interval of the forecast, ``came``, ``inside``;
          ``parts``: the same of each quarter of them.
        - ``rewards``, ``rewards_inside``: logged rewards to come, and how many lie in the interval for their step.
        - ``peers``: mean reward to come by least squares with ScaleRL's sigmoid (``scalerl_sigmoid``), and by the mean
          of the last tenth of the log (``last_mean``).
        - ``statement``: all that as sentences.

    Raises
    ------
    InputError
        If fewer than `PARTS` rewards came at steps of the forecast.

    Examples
    --------
    >>> import bayes_grpo
    >>> from bayes_grpo.analysis.decisions.hindsight.hindsight import hindsight
    >>> run = bayes_grpo.example_run()
    >>> ahead = bayes_grpo.forecast(run.isel(step=slice(0, 228)), until=380)
    >>> hindsight(ahead, run.isel(run=0))["rewards"]
    152
    """
    steps, rewards, paths = _common(ahead, run)
    limits = interval(paths)
    whole = _period(steps, rewards, paths)
    answer = Hindsight(
        run=str(ahead.attrs["run"]),
        last_step=float(ahead.attrs["last_step"]),
        until=float(steps[-1]),
        whole=whole,
        parts=[_period(*part) for part in _parts(steps, rewards, paths)],
        rewards=rewards.size,
        rewards_inside=int(((rewards >= limits.lower) & (rewards <= limits.upper)).sum()),
        peers=_peers(ahead, run, steps),
        statement="",
    )
    return answer | {"statement": _statement(answer)}


def _common(ahead: xr.Dataset, run: xr.Dataset) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Steps that both have, with the rewards that came and the forecast's paths of logged rewards."""
    seen = np.isfinite(run["reward"].values)
    steps, here, there = np.intersect1d(
        run["optimizer_step"].values[seen], ahead["optimizer_step"].values, return_indices=True
    )
    if steps.size < PARTS:
        fault = f"expected at least {PARTS} rewards at steps of the forecast, found {steps.size}"
        raise InputError(str(ahead.attrs["run"]), fault)
    return steps, run["reward"].values[seen][here], ahead["reward"].values[:, there]


def _parts(
    steps: np.ndarray, rewards: np.ndarray, paths: np.ndarray
) -> list[tuple[np.ndarray, np.ndarray, np.ndarray]]:
    places = np.array_split(np.arange(steps.size), PARTS)
    return [(steps[place], rewards[place], paths[:, place]) for place in places]


def _period(steps: np.ndarray, rewards: np.ndarray, paths: np.ndarray) -> PeriodRow:
    row, came = interval_row(paths.mean(1)), float(rewards.mean())
    inside = row["lower"] is not None and row["upper"] is not None and row["lower"] <= came <= row["upper"]
    return PeriodRow(**row, first_step=float(steps[0]), last_step=float(steps[-1]), came=came, inside=inside)


def _peers(ahead: xr.Dataset, run: xr.Dataset, steps: np.ndarray) -> dict[str, float]:
    """What simpler forecasts say; a curve that cannot be fitted is left out."""
    peers = {"last_mean": float(recent(ahead["logged_reward"].values).mean)}
    try:
        return {"scalerl_sigmoid": float(scalerl_ahead(ahead, run, steps).mean())} | peers
    except InputError:
        return peers


def _statement(answer: Hindsight) -> str:
    whole, share = answer["whole"], answer["rewards_inside"] / answer["rewards"]
    text = (
        f"The mean reward of steps {whole['first_step']:g} to {whole['last_step']:g} came to {rounded(whole['came'])}, "
        f"{'inside' if whole['inside'] else 'OUTSIDE'} what was forecast: {with_interval(whole)}. Of "
        f"{answer['rewards']} rewards {answer['rewards_inside']} ({share:.0%}) lie in the {INTERVAL_PROB:.0%} interval "
        "for their step."
    )
    peers = answer["peers"]
    if "scalerl_sigmoid" in peers:
        text += (
            f" ScaleRL's sigmoid, fitted by least squares to the same steps, says {rounded(peers['scalerl_sigmoid'])}, "
            f"without an interval; the mean of the last tenth of these steps is {rounded(peers['last_mean'])}."
        )
    return text
