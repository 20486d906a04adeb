"""What a comparison says in numbers: who is better, by how much, and what would settle it."""

import json
from typing import Any, TypedDict

import numpy as np
import xarray as xr

from bayes_grpo.analysis.decisions.contrast.measures import MEASURES
from bayes_grpo.analysis.decisions.contrast.needed import LIKELY, SETTLED, Needed, by_length, by_seeds
from bayes_grpo.analysis.decisions.contrast.statement import statement
from bayes_grpo.analysis.intervals import INTERVAL, IntervalRow, interval_row
from bayes_grpo.analysis.notes import Noted, fit_notes, noted, stored_notes
from bayes_grpo.errors import InputError

#: Share of the reward's range, or of a quantity that is compared by its ratio, from which a difference matters.
WORTH_SHARE = 0.01


class DifferenceRow(IntervalRow):
    """A difference (of ratios: the ratio), and the probabilities that the first is better, and either by enough."""

    title: str
    unit: str
    ratio: bool
    first: IntervalRow
    second: IntervalRow
    probability_better: float
    worth: float
    probability_worth: float
    probability_rival_worth: float


class RankRow(TypedDict):
    """A configuration's place: ``probability_among_best`` by the number of the best."""

    configuration: str
    runs: list[str]
    value: IntervalRow
    probability_best: float
    probability_among_best: dict[str, float]


class ContrastSummary(Noted):
    """What `summarise_contrast` says; see there."""

    by: str
    first: str
    second: str
    probability_better: float
    differences: dict[str, DifferenceRow]
    against: dict[str, dict[str, DifferenceRow]]
    needed: Needed
    ranking: list[RankRow]
    statement: str
    worth_share: float | None
    range_assumed: bool
    points: dict[str, float]
    models: list[str]
    spread: IntervalRow
    spread_learned: bool
    interval: dict[str, Any]


def summarise_contrast(
    result: xr.Dataset,
    fit: xr.DataTree | None = None,
    *,
    by: str = "plateau",
    worth: float | None = None,
    seed: int = 0,
) -> ContrastSummary:
    """Summary of a comparison, ready for JSON.

    Parameters
    ----------
    result : xarray.Dataset
        From `bayes_grpo.contrast`.
    fit : xarray.DataTree, optional
        A further fit whose notes join those of the result.
    by : str
        The measure that decides, one of `bayes_grpo.analysis.decisions.contrast.measures.MEASURES`.
    worth : float, optional
        Difference in reward from which it matters; by default 1 % of the range. Quantities that are compared by their
        ratio matter from 1 % on.
    seed : int
        Of the simulation of further seeds.

    Returns
    -------
    dict
        - ``probability_better``: that the first configuration is better than the ``second``, its strongest rival, on
          the measure ``by``.
        - ``differences``: of these two, by measure: ``median``, ``lower`` and ``upper`` of first minus second (where
          ``ratio``, of first over second), ``probability_better``, ``probability_worth`` (better by more than
          ``worth``), ``probability_rival_worth`` (worse by more than that), and each side's own median and interval.
          ``against`` holds the same for every rival.
        - ``needed``: whether it is ``settled``; ``seeds``, further seeds a side that would settle it, and ``length``,
          how many times as long the runs would have to be (``steps``, up to which step), each with probability 0.8; the
          probabilities for all that was tried. None where nothing that was tried is enough.
        - ``ranking``: the best first, each with ``probability_best`` and ``probability_among_best``.
        - ``statement``: the answer in words. ``worth_share``: share of the reward's range that ``worth`` is by default;
          None where it was stated. ``range_assumed``: whether a log's reward bounds were not stated.
        - ``points``: the common step, completions, tokens and hours. ``models``: the laws fitted.
          ``spread``: standard deviation between seeds; ``spread_learned``, whether the runs say anything about it.
        - ``interval``: probability and kind of the intervals.
        - ``warnings``, ``notes``: what a reader should know, as sentences and as data.

    Raises
    ------
    InputError
        If ``by`` is no measure that the logs tell, or ``worth`` is not above 0.

    Examples
    --------
    >>> import bayes_grpo
    >>> fits = [bayes_grpo.fit(bayes_grpo.example_run(), "population", draws=50, chains=2, seed=s) for s in (0, 1)]
    >>> summary = bayes_grpo.summarise_contrast(bayes_grpo.contrast({"A": fits[:1], "B": fits[1:]}))
    >>> 0 < summary["probability_better"] < 1, sorted(summary["needed"])[:2]
    (True, ['length', 'probability_settled_by_endless_runs'])
    """
    measures = [str(name) for name in result["measure"].values]
    _check(by, worth, measures)
    enough = WORTH_SHARE * result.attrs["reward_range"] if worth is None else worth
    ranking = _ranking(result, by)
    names = [str(name) for name in result["configuration"].values]
    first = names[0]
    second = next(row["configuration"] for row in ranking if row["configuration"] != first)
    against = {
        rival: {measure: _difference(result, measure, first, rival, enough) for measure in measures}
        for rival in names[1:]
    }
    spread = result["spread"].sel(measure=by).values
    notes = [*stored_notes(result), *fit_notes(fit)]
    about: dict[str, Any] = {
        "by": by,
        "first": first,
        "second": second,
        "probability_better": against[second][by]["probability_better"],
        "differences": against[second],
        "against": against,
        "needed": _needed(result, by, first, second, enough, seed),
        "ranking": ranking,
        "worth_share": WORTH_SHARE if worth is None else None,
        "range_assumed": any(note.kind == "assumption" and note.concerns("reward_bounds") for note in notes),
        "points": json.loads(result.attrs["points"]),
        "models": json.loads(result.attrs["models"]),
        "spread": interval_row(spread),
        "spread_learned": by in json.loads(result.attrs["learned"]),
        "interval": INTERVAL,
        **noted(notes),
    }
    return {**about, "statement": statement(about)}  # type: ignore[typeddict-item]


def _check(by: str, worth: float | None, measures: list[str]) -> None:
    faults = []
    if by not in MEASURES:
        faults.append(f"by: expected one of {', '.join(MEASURES)}, found {by!r}")
    elif by not in measures:
        faults.append(f"by: not all logs tell {by}; they tell {', '.join(measures)}")
    if worth is not None and not worth > 0:
        faults.append(f"worth: expected a number above 0, found {worth:g}")
    if faults:
        raise InputError("contrast", faults)


def _draws(result: xr.Dataset, measure: str, name: str) -> np.ndarray:
    """Draws of a configuration's mean; of ratios their logarithm."""
    values: np.ndarray = result["value"].sel(measure=measure, configuration=name).values
    return values


def _difference(result: xr.Dataset, measure: str, first: str, second: str, worth: float) -> DifferenceRow:
    about = MEASURES[measure]
    sides = [_draws(result, measure, name) for name in (first, second)]
    gap = sides[0] - sides[1]
    enough = float(np.log1p(WORTH_SHARE)) if about.ratio else worth
    stated = (np.exp(gap), *(np.exp(side) for side in sides)) if about.ratio else (gap, *sides)
    return {
        **interval_row(stated[0]),
        "title": about.title,
        "unit": about.unit,
        "ratio": about.ratio,
        "first": interval_row(stated[1]),
        "second": interval_row(stated[2]),
        "probability_better": float((about.sign * gap > 0).mean()),
        "worth": WORTH_SHARE if about.ratio else worth,
        "probability_worth": float((about.sign * gap > enough).mean()),
        "probability_rival_worth": float((-about.sign * gap > enough).mean()),
    }


def _ranking(result: xr.Dataset, by: str) -> list[RankRow]:
    about, labels = MEASURES[by], json.loads(result.attrs["labels"])
    names = [str(name) for name in result["configuration"].values]
    values = np.stack([_draws(result, by, name) for name in names])
    place = np.argsort(np.argsort(-about.sign * values, axis=0), axis=0)
    stated = np.exp(values) if about.ratio else values
    rows: list[RankRow] = [
        {
            "configuration": name,
            "runs": labels[name],
            "value": interval_row(stated[i]),
            "probability_best": float((place[i] == 0).mean()),
            "probability_among_best": {str(k): float((place[i] < k).mean()) for k in range(1, len(names))},
        }
        for i, name in enumerate(names)
    ]
    return sorted(rows, key=lambda row: -row["probability_best"])


def _needed(result: xr.Dataset, by: str, first: str, second: str, worth: float, seed: int) -> Needed:
    about = MEASURES[by]
    enough = float(np.log1p(WORTH_SHARE)) if about.ratio else worth
    gap = _draws(result, by, first) - _draws(result, by, second)
    tau = result["spread"].sel(measure=by).values
    pair = result.sel(configuration=[first, second])
    error = float(np.sqrt((pair["error"].sel(measure=by).values ** 2).mean()))
    seeds = by_seeds(gap, tau, error, enough, np.random.default_rng([seed, 11]))
    better = float((gap > 0).mean())
    small = float((np.abs(gap) < enough).mean())
    lengths: dict[float, float] = {}
    endless = None
    left = pair["unexplained"].mean("configuration").values
    if by == "plateau" and np.isfinite(left).all():
        of_runs = float((pair["error"].sel(measure=by) ** 2 / pair["runs"]).sum())
        shares = dict(zip(result["length"].values.tolist(), left.tolist(), strict=True))
        lengths, endless = by_length(gap, of_runs, shares, enough)
    length = next((length for length, p in lengths.items() if p >= LIKELY), None)
    settled = max(better, 1 - better, small) >= SETTLED
    return {
        "settled": settled,
        "seeds": 0 if settled else next((count for count, p in seeds.items() if p >= LIKELY), None),
        "probability_settled_by_seeds": {str(count): p for count, p in seeds.items()},
        "length": 1.0 if settled else length,
        "steps": None if settled or length is None else length * float(result.attrs["last_step"]),
        "probability_settled_by_length": {f"{length:g}": p for length, p in lengths.items()},
        "probability_settled_by_endless_runs": endless,
    }
