"""What is believed of a run before it is made: from the population of runs, or from the user's own earlier ones."""

from collections.abc import Sequence
from dataclasses import replace
from typing import NamedTuple

import numpy as np
import xarray as xr

from bayes_grpo.analysis.decisions.plan.course import unit_course
from bayes_grpo.analysis.decisions.plan.setting import EDGE
from bayes_grpo.analysis.notes import fit_notes
from bayes_grpo.analysis.stability.reuse import growth_draws
from bayes_grpo.errors import InputError, Note
from bayes_grpo.inference.attributes import hyperparameters, quantities, runs_of
from bayes_grpo.inference.draws import batch
from bayes_grpo.inference.fit import prior_predictive
from bayes_grpo.runs.dataset import make_run
from bayes_grpo.runs.planned import PlannedRun

#: Draws of a plan.
DRAWS = 1000
#: Scatter between settings of one task: of the logarithm of the rate, and of the share of the way.
RATE_SCATTER, REACH_SCATTER = 0.3, 0.03
#: The rate grows with the completions of an update to a power between these. Adam divides by the size of the gradient:
#: where that is all signal the batch does not matter, where it is all noise the signal's share grows as its root.
BATCH_EXPONENTS = (0.0, 0.5)
#: Growth of the standard deviation of the log ratio an update: its median where no run tells (the laboratory's, under
#: Adam
#: at a rate that learns in some hundred updates), and its log standard deviation.
GROWTH, GROWTH_LOG_SD = 0.05, 0.7
#: Log standard deviation of the size exponent of the rate, as in the model ``size_exponent``.
_SIZE_EXPONENT = 0.5
#: Group size that the population's timescales are taken to hold for.
USUAL_GROUP = 8
_WHOLE_GAIN = float(np.log(20))


class Beliefs(NamedTuple):
    """Draws, shape (DRAWS,).

    ``rate`` of the logit an update; ``reach``, the share of the way to the law's plateau that is gone; ``ratio`` of the
    fluctuation to the scatter of a logged reward; ``growth`` of the log ratio an update; ``batch_exponent`` of the
    rate.
    """

    rate: np.ndarray
    reach: np.ndarray
    ratio: np.ndarray
    growth: np.ndarray
    batch_exponent: np.ndarray
    notes: list[Note]


def from_population(starts: np.ndarray, setting: PlannedRun, seed: int) -> Beliefs:
    """Beliefs from the population of runs: timescale as a share of the planned run, gain as a share of the range.

    The timescale is that of groups of `USUAL_GROUP`; the law tells how much slower smaller groups are. The gain of the
    population bounds that of the law, which knows nothing of prompts that stay unsolved.
    """
    steps = np.linspace(1, setting.steps, 6)
    known = {"planned_steps": setting.steps, "reward_lower": 0, "reward_upper": 1}
    blank = make_run("plan", {"optimizer_step": steps, "reward": np.linspace(0.4, 0.6, 6)}, known)
    drawn = prior_predictive(blank, "population", draws=DRAWS, seed=seed)
    course = unit_course(starts, setting)
    usual = unit_course(starts, replace(setting, group_size=USUAL_GROUP))
    rate = usual.time_to_95 * drawn["stiffness"].values / _WHOLE_GAIN
    reach = np.clip(drawn["rise"].values / max(course.end - course.start, 1e-6), -0.3, 1.0)
    rng = np.random.default_rng([seed, 21])
    exponent = rng.uniform(*BATCH_EXPONENTS, DRAWS)
    rate = rate * (setting.group_size / USUAL_GROUP) ** exponent
    text = (
        "no earlier runs are given: how fast it learns (its timescale as a share of the planned steps) and how far it "
        "gets are those of the population of 146 runs, and wide; name earlier runs of this task with --fits"
    )
    growth = GROWTH * np.exp(GROWTH_LOG_SD * rng.standard_normal(DRAWS))
    ratio = drawn["noise_ratio"].values
    return Beliefs(rate, reach, ratio, growth, exponent, [Note("assumption", "rate", text)])


def from_fits(fits: Sequence[xr.DataTree], setting: PlannedRun, seed: int) -> Beliefs:
    """Beliefs from earlier runs of the same task: their rate, how far they got, and their noise.

    Raises
    ------
    InputError
        For fits by laws without a plateau, and for rewards of another scale.
    """
    rng = np.random.default_rng([seed, 22])
    parts, notes = [], []
    exponent = rng.uniform(*BATCH_EXPONENTS, DRAWS)
    for fit in fits:
        part, its_notes = _from_fit(fit, setting, exponent, rng)
        parts.append(part)
        notes += its_notes
    source = rng.integers(0, len(parts), DRAWS)
    rate, reach, ratio, growth = (
        np.stack([part[name] for part in parts])[source, np.arange(DRAWS)]
        for name in ("rate", "reach", "ratio", "growth")
    )
    rate = rate * np.exp(RATE_SCATTER * rng.standard_normal(DRAWS))
    reach = reach + REACH_SCATTER * rng.standard_normal(DRAWS)
    return Beliefs(rate, reach, ratio, growth, exponent, list(dict.fromkeys(notes)))


def _from_fit(
    fit: xr.DataTree, setting: PlannedRun, exponent: np.ndarray, rng: np.random.Generator
) -> tuple[dict[str, np.ndarray], list[Note]]:
    """Draws of what one earlier run says of the planned one."""
    posterior, known, stated = fit["posterior"].to_dataset(), quantities(fit), hyperparameters(fit)
    _check_fit(fit, setting)
    values = batch(posterior, ("initial_reward", "plateau", "timescale", "observation_sd", "fluctuation"))
    rows = rng.integers(0, values["plateau"].size, DRAWS)
    draws = {name: value[rows] for name, value in values.items()}
    made = replace(
        setting,
        group_size=max(round(stated.get("group_size", setting.group_size)), 2),
        prompts_per_step=max(round(stated.get("prompts_per_step", setting.prompts_per_step)), 1),
        kl=stated.get("kl_weight", setting.kl),
    )
    place = (np.median(draws["initial_reward"]) - known["reward_lower"]) / setting.reward_range
    start = np.clip((place - made.wrong) / (made.right - made.wrong), EDGE, 1 - EDGE)
    course = unit_course(np.array([start]), made, known.get("clipped", 0.0))
    way = (course.end - course.start) * setting.reward_range
    batches = setting.group_size * setting.prompts_per_step / (made.group_size * made.prompts_per_step)
    rate = course.time_to_95 / (draws["timescale"] * _WHOLE_GAIN) * batches**exponent
    if setting.model_size is not None and "model_size" in stated and stated["model_size"] != setting.model_size:
        power = _SIZE_EXPONENT * rng.standard_normal(DRAWS)
        rate = rate * (setting.model_size / stated["model_size"]) ** power
    growth, _ = growth_draws(runs_of(fit).isel(run=0), known, DRAWS)
    if growth is None:
        growth = GROWTH * np.exp(GROWTH_LOG_SD * rng.standard_normal(DRAWS))
    ratio_of_rates, notes = _ratio_of_rates(fit, setting)
    return {
        "rate": rate * ratio_of_rates,
        "reach": np.clip((draws["plateau"] - draws["initial_reward"]) / way, -0.3, 1.3),
        "ratio": draws["fluctuation"] / draws["observation_sd"],
        "growth": growth * ratio_of_rates,
    }, [*fit_notes(fit, ("reward_bounds",)), *notes]


def _check_fit(fit: xr.DataTree, setting: PlannedRun) -> None:
    """Refuse a fit that says nothing of the planned run: by a law without a plateau, or of another reward."""
    posterior, known, where = fit["posterior"].to_dataset(), quantities(fit), f"fit {fit.attrs['run']}"
    if "plateau" not in posterior or "timescale" not in posterior or "run" in posterior.dims:
        raise InputError(where, "expected a fit of one run by a law with a plateau, such as population")
    lower, upper = known["reward_lower"], known["reward_upper"]
    if (lower, upper) != (setting.reward_lower, setting.reward_upper):
        planned = f"{setting.reward_lower:g} to {setting.reward_upper:g}"
        raise InputError(where, f"expected rewards from {planned}, as planned, found {lower:g} to {upper:g}")


def _ratio_of_rates(fit: xr.DataTree, setting: PlannedRun) -> tuple[float, list[Note]]:
    """The planned learning rate over that of an earlier run; 1 where the two are not known."""
    known = quantities(fit)
    if setting.learning_rate is None:
        return 1.0, []
    if "learning_rate" in known:
        return setting.learning_rate / known["learning_rate"], []
    text = f"{fit.attrs['run']} logs no learning rate: it is taken as the planned one"
    return 1.0, [Note("assumption", "learning_rate", text)]
