"""Configurations compared on every measure that their logs allow, with the spread between seeds."""

import json
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
import xarray as xr

from bayes_grpo.analysis.decisions.contrast.checks import check_comparable
from bayes_grpo.analysis.decisions.contrast.measures import (
    DRAWS,
    MEASURES,
    PARAMETRIC,
    SPREAD_LOG_SD,
    Course,
    common_points,
    course_of,
    measured,
)
from bayes_grpo.analysis.decisions.contrast.needed import LENGTHS, unexplained
from bayes_grpo.analysis.decisions.contrast.seeds import (
    FLAT,
    Prior,
    configuration,
    spread_between_seeds,
    without_prior,
)
from bayes_grpo.analysis.decisions.contrast.shared import Shared, shared_parameters
from bayes_grpo.analysis.notes import fit_notes, stored
from bayes_grpo.errors import InputError, Note


def contrast(
    configurations: Mapping[str, Sequence[xr.DataTree]], *, any_start: bool = False, lengths: bool = True, seed: int = 0
) -> xr.Dataset:
    """Compare configurations, each given by fits of one run or of several seeds.

    Parameters
    ----------
    configurations : mapping of str to sequence of xarray.DataTree
        For each configuration fits from `bayes_grpo.fit`, each of one run, by a law with a plateau.
    any_start : bool
        Whether to compare runs that start from clearly different rewards, which else are taken for different tasks.
    lengths : bool
        Whether to work out what longer runs would settle.
    seed : int
        Of all draws.

    Returns
    -------
    xarray.Dataset
        Dims (configuration, measure, sample):

        - ``value``: draws of what each configuration has on average over seeds; of measures that are compared by their
          ratio the logarithm. NaN where the logs do not tell.
        - ``spread`` (measure, sample): standard deviation between seeds on the same scale.
        - ``error`` (configuration, measure): standard deviation of what one run says, the prior left out.
        - ``runs`` (configuration): how many there are.
        - ``unexplained`` (configuration, length): share of the plateau's variance that is left when the runs are so
          many times as long; NaN where not asked.

        Attributes: reward_range, last_step, points (JSON: the common step, completions, tokens and hours), models
        (JSON: the laws fitted), labels (JSON: the runs of each configuration), learned (JSON: measures whose spread
        the seeds tell), notes.

    Raises
    ------
    InputError
        For fewer than two configurations, and for runs of different reward scales or tasks.

    Examples
    --------
    >>> import bayes_grpo
    >>> fits = [bayes_grpo.fit(bayes_grpo.example_run(), "population", draws=50, chains=2, seed=s) for s in (0, 1)]
    >>> result = bayes_grpo.contrast({"A": fits[:1], "B": fits[1:]})
    >>> result["configuration"].values.tolist()
    ['A', 'B']
    """
    if len(configurations) < 2 or any(not fits for fits in configurations.values()):
        raise InputError("contrast", "expected at least two configurations with a run each")
    check_comparable(configurations, any_start)
    courses = {
        name: [course_of(fit, seed=seed + 100 * i + j) for j, fit in enumerate(fits)]
        for i, (name, fits) in enumerate(configurations.items())
    }
    everything = [course for side in courses.values() for course in side]
    points = common_points(everything)
    reward_range = max(course.reward_range for course in everything)
    shared = {
        name: shared_parameters(fits, DRAWS, seed + i) if len(fits) > 1 else None
        for i, (name, fits) in enumerate(configurations.items())
    }
    measures = _compared(courses, shared, points, reward_range, seed)
    learned = [name for name, measure in measures.items() if measure.learned]
    unknown = np.full(len(LENGTHS), np.nan)
    left = [_left(fits, seed) if lengths else unknown for fits in configurations.values()]
    return xr.Dataset(
        {
            "value": (("configuration", "measure", "sample"), np.stack([m.value for m in measures.values()], 1)),
            "spread": (("measure", "sample"), np.array([measure.spread for measure in measures.values()])),
            "error": (("configuration", "measure"), np.array([measure.error for measure in measures.values()]).T),
            "runs": ("configuration", [len(side) for side in courses.values()]),
            "unexplained": (("configuration", "length"), np.array(left)),
        },
        coords={"configuration": list(courses), "measure": list(measures), "length": list(LENGTHS)},
        attrs={
            "reward_range": reward_range,
            "last_step": points["step"],
            "points": json.dumps(points),
            "models": json.dumps(sorted({str(fit.attrs["model"]) for fits in configurations.values() for fit in fits})),
            "labels": json.dumps({name: [course.label for course in side] for name, side in courses.items()}),
            "learned": json.dumps(learned),
            **stored(_notes(configurations, list(measures), bool(learned))),
        },
    )


class _Comparison(NamedTuple):
    """One measure of all configurations; fields as in the Dataset of `contrast`."""

    value: list[np.ndarray]
    spread: np.ndarray
    error: list[float]
    learned: bool


def _compared(
    courses: Mapping[str, Sequence[Course]],
    shared: Mapping[str, Shared | None],
    points: Mapping[str, float],
    reward_range: float,
    seed: int,
) -> dict[str, _Comparison]:
    """The measures that all logs allow."""
    drawn = {
        name: [measured(course, points, seed + 1000 * i + j) for j, course in enumerate(side)]
        for i, (name, side) in enumerate(courses.items())
    }
    known = [name for name in MEASURES if all(name in run for side in drawn.values() for run in side)]
    rng = np.random.default_rng([seed, 7])
    alike = {name: _alike(courses[name][0], found, points, rng) for name, found in shared.items() if found is not None}
    measures = {}
    for name in known:
        about = MEASURES[name]
        sides = [[run[name] for run in side] for side in drawn.values()]
        median = about.spread * (1.0 if about.ratio else reward_range)
        priors = [_prior([course.prior.get(name, FLAT) for course in side]) for side in courses.values()]
        spread = spread_between_seeds(sides, median, SPREAD_LOG_SD, rng, priors)
        pairs = list(zip(sides, priors, strict=True))
        value = [configuration(runs, spread.draws, rng, prior) for runs, prior in pairs]
        for i, side in enumerate(drawn):
            if side in alike and name in PARAMETRIC:
                mean = alike[side][1][name] + spread.draws / np.sqrt(len(sides[i])) * rng.standard_normal(DRAWS)
                value[i] = np.where(alike[side][0], mean, value[i])
        measures[name] = _Comparison(
            value=value,
            spread=spread.draws,
            error=[
                float(np.sqrt(np.mean([without_prior(draws, prior)[1] for draws in runs]))) for runs, prior in pairs
            ],
            learned=spread.learned,
        )
    return measures


def _alike(
    course: Course, shared: Shared, points: Mapping[str, float], rng: np.random.Generator
) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    """In which draws the seeds of a configuration share their parameters, and the measures that these give."""
    draws = {name: shared.draws[name] for name in course.draws}
    values = measured(course._replace(draws=draws), points, int(rng.integers(2**31)))
    return rng.uniform(size=DRAWS) < shared.probability, values


def _prior(priors: Sequence[Prior]) -> Prior:
    """The prior of a configuration's runs, which differ by their starts and planned steps alone."""
    return Prior(float(np.mean([prior.centre for prior in priors])), float(np.mean([prior.sd for prior in priors])))


def _left(fits: Sequence[xr.DataTree], seed: int) -> np.ndarray:
    """Mean share over the runs of a configuration, by length."""
    shares = [list(unexplained(fit, seed=seed).values()) for fit in fits]
    left: np.ndarray = np.mean(shares, axis=0)
    return left


def _notes(configurations: Mapping[str, Sequence[xr.DataTree]], known: list[str], learned: bool) -> list[Note]:
    notes = [note for fits in configurations.values() for fit in fits for note in fit_notes(fit)]
    if not learned:
        text = (
            "there is one run a side, which says nothing about the spread between seeds: it is drawn from a "
            "prior (median "
            f"{MEASURES['plateau'].spread:g} of the reward's range) that reaches over our laboratory and public "
            f"runs with "
            "several seeds; a second seed a side would replace it"
        )
        notes.append(Note("assumption", "spread", text))
    missing = [MEASURES[name].title for name in MEASURES if name not in known]
    if missing:
        text = (
            f"not compared, for not all logs tell what it takes: {', '.join(missing)}; they need group size and "
            f"prompts a "
            "step (completions), completion lengths (tokens), and step times (hours)"
        )
        notes.append(Note("limit", "cost", text))
    return list(dict.fromkeys(notes))
