"""What configurations are compared on: draws of each measure for one run."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import xarray as xr

from bayes_grpo.analysis.decisions.contrast.seeds import Prior
from bayes_grpo.analysis.decisions.latent import expected_rewards
from bayes_grpo.errors import InputError
from bayes_grpo.inference.attributes import quantities, runs_of
from bayes_grpo.inference.draws import batch, evenly
from bayes_grpo.inference.evaluate import evaluator
from bayes_grpo.inference.prior import draw_prior
from bayes_grpo.inference.reopen import reopen
from bayes_grpo.runs.dataset import one_run

#: Draws that are compared.
DRAWS = 2000
#: Share of the gain that counts as the whole of it.
_GAIN = 0.95


@dataclass(frozen=True)
class Measure:
    """Something that configurations are compared on.

    Parameters
    ----------
    title, unit : str
        For people.
    sign : int
        1 where more is better, -1 where less is.
    ratio : bool
        Whether configurations are compared by their ratio, and scatter on a log scale.
    spread : float
        Median of the prior of the standard deviation between seeds: in reward ranges, or of the logarithm.
    """

    title: str
    unit: str
    sign: int
    ratio: bool
    spread: float


#: Log standard deviation of the prior of the spread between seeds.
SPREAD_LOG_SD = 1.0
#: The measures by name. In the laboratory (23 settings, five seeds each) and in public runs with two to four seeds the
#: plateaus of seeds scatter by no more than their fits are uncertain: the likeliest spread is 0.001 of the range, and
#: 0.02
#: to 0.08 of the logarithm of the timescale. But the level of the last fifth of public runs scatters by 0.02 to 0.14.
#: The
#: prior reaches over all of these.
MEASURES: dict[str, Measure] = {
    "plateau": Measure("plateau", "reward", 1, False, 0.005),
    "reward_at_step": Measure("reward at a common step", "reward", 1, False, 0.005),
    "reward_at_completions": Measure("reward at equal completions", "reward", 1, False, 0.005),
    "reward_at_tokens": Measure("reward at equal tokens", "reward", 1, False, 0.005),
    "reward_at_hours": Measure("reward at equal hours", "reward", 1, False, 0.005),
    "steps_to_95": Measure("steps to 95 % of the gain", "step", -1, True, 0.05),
    "completions_to_95": Measure("completions to 95 % of the gain", "completion", -1, True, 0.05),
    "hours_to_95": Measure("hours to 95 % of the gain", "h", -1, True, 0.05),
    "noise": Measure("scatter of a logged reward", "reward", -1, True, 0.02),
}
#: Measures that follow from the parameters of the law alone.
PARAMETRIC = ("plateau", "steps_to_95", "completions_to_95", "hours_to_95", "noise")
_PRICES = ("completions", "tokens", "hours")


class Course(NamedTuple):
    """A run's own course: steps with a reward, draws of the expected reward there, and what had been spent by then.

    ``prior`` holds, of the measures that have one, what the fit took them to be before any reward.
    """

    label: str
    steps: np.ndarray
    expected: np.ndarray
    spent: dict[str, np.ndarray]
    rates: dict[str, float]
    draws: dict[str, np.ndarray]
    prior: dict[str, Prior]
    reward_range: float


def course_of(fit: xr.DataTree, *, seed: int = 0) -> Course:
    """What a fit of one run gives to a comparison.

    Raises
    ------
    InputError
        If the fit's law has no plateau.
    """
    posterior = fit["posterior"].to_dataset()
    if "timescale" not in posterior or "plateau" not in posterior:
        raise InputError(
            f"fit {fit.attrs['run']}", f"{fit.attrs['model']} has no plateau; fit a law with one, such as population"
        )
    names = [n for n in ("plateau", "timescale", "fluctuation", "observation_sd", "initial_reward") if n in posterior]
    drawn = batch(posterior, names)
    rng = np.random.default_rng([seed, drawn["plateau"].size])
    places = rng.permutation(evenly(drawn["plateau"].size, DRAWS))
    steps, expected = expected_rewards(fit, seed=seed)
    run, known = one_run(runs_of(fit)), quantities(fit)
    spent = _spent(run, known, steps)
    rates = {name: float(values[-1] / steps[-1]) for name, values in spent.items() if steps[-1] > 0}
    draws = {name: np.resize(value[places], DRAWS) for name, value in drawn.items()}
    return Course(
        str(fit.attrs["run"]),
        steps,
        expected,
        spent,
        rates,
        draws,
        _priors(fit, draws, rates, seed),
        known["reward_range"],
    )


def _priors(
    fit: xr.DataTree, draws: Mapping[str, np.ndarray], rates: Mapping[str, float], seed: int
) -> dict[str, Prior]:
    """Priors of the measures; of a plateau that is stated as a rise, about the start that the rewards tell."""
    spec, prepared = reopen(fit)
    drawn = draw_prior(spec, prepared.data, DRAWS, np.random.default_rng([seed, 5]))
    drawn = drawn | dict(evaluator(spec).derive(drawn, prepared.data))
    reach = np.log(np.maximum(np.asarray(drawn["timescale"]), 1e-9) * -np.log(1 - _GAIN))
    scatter = np.asarray(drawn["observation_sd"]) ** 2 + np.asarray(drawn.get("fluctuation", 0.0)) ** 2
    plateau = np.asarray(drawn["plateau"])
    if "rise" in drawn:
        plateau = plateau - np.asarray(drawn["initial_reward"]) + np.median(draws["initial_reward"])
    priors = {"plateau": plateau, "steps_to_95": reach, "noise": np.log(scatter) / 2}
    priors |= {f"{name}_to_95": reach + np.log(rate) for name, rate in rates.items()}
    return {name: _moments(values) for name, values in priors.items()}


def _moments(values: np.ndarray) -> Prior:
    """Centre and width of draws with heavy tails, by their quantiles."""
    low, middle, high = np.quantile(values, [0.1587, 0.5, 0.8413])
    return Prior(float(middle), float(high - low) / 2)


def _spent(run: xr.Dataset, known: Mapping[str, float], steps: np.ndarray) -> dict[str, np.ndarray]:
    """Completions, tokens and hours that had been spent by each step; those that the log tells."""
    out: dict[str, np.ndarray] = {}
    rows = run["optimizer_step"].values
    gaps = np.diff(rows, prepend=min(rows[0], 0.0))
    each = None
    if "prompts_per_step" in run and "group_size" in run:
        each = known["group_size"] * known["prompts_per_step"] / known.get("refresh_interval", 1.0)
        out["completions"] = each * steps
    if each is not None and "completion_length" in run:
        out["tokens"] = np.interp(steps, rows, np.cumsum(gaps * each * _filled(run["completion_length"].values)))
    if "step_time" in run:
        out["hours"] = np.interp(steps, rows, np.cumsum(gaps * _filled(run["step_time"].values)) / 3600)
    return out


def _filled(values: np.ndarray) -> np.ndarray:
    """A column without gaps."""
    there = np.isfinite(values)
    return np.asarray(np.interp(np.arange(values.size), np.flatnonzero(there), values[there]))


def common_points(courses: list[Course]) -> dict[str, float]:
    """The last step, and the most completions, tokens and hours, that all runs have."""
    points = {"step": min(float(course.steps[-1]) for course in courses)}
    for name in _PRICES:
        if all(name in course.spent for course in courses):
            points[name] = min(float(course.spent[name][-1]) for course in courses)
    return points


def measured(course: Course, points: Mapping[str, float], seed: int) -> dict[str, np.ndarray]:
    """Draws of every measure of a run, on the scale that they are compared on, shape (DRAWS,)."""
    draws, rng = course.draws, np.random.default_rng([seed, 1])
    values = {"plateau": draws["plateau"]}
    some = rng.integers(0, len(course.expected), DRAWS)
    for name, point in points.items():
        if name == "step":
            at = np.interp(point, course.steps, np.arange(course.steps.size))
        else:
            at = np.interp(point, course.spent[name], np.arange(course.steps.size))
        low = int(at)
        high, share = min(low + 1, course.steps.size - 1), at - int(at)
        between = (1 - share) * course.expected[:, low] + share * course.expected[:, high]
        values[f"reward_at_{name}"] = between[some]
    reach = np.log(np.maximum(draws["timescale"], 1e-9) * -np.log(1 - _GAIN))
    values["steps_to_95"] = reach
    for name in ("completions", "hours"):
        if name in points:
            values[f"{name}_to_95"] = reach + np.log(course.rates[name])
    variance = draws["observation_sd"] ** 2 + draws.get("fluctuation", np.zeros(DRAWS)) ** 2
    values["noise"] = np.log(variance) / 2
    return values
