"""Which of a run's checkpoints is the best, and which should be evaluated to find out."""

from collections.abc import Mapping, Sequence

import numpy as np
import xarray as xr

from bayes_grpo.analysis.decisions.checkpoint.curve import (
    NOISE_SHARE,
    evaluation_of,
    from_rewards,
    given,
    next_to_evaluate,
)
from bayes_grpo.analysis.decisions.latent import expected_rewards
from bayes_grpo.analysis.notes import fit_notes, stored
from bayes_grpo.errors import InputError, Note
from bayes_grpo.inference.attributes import quantities, runs_of
from bayes_grpo.inference.fit import light_fit
from bayes_grpo.inference.progress import Progress
from bayes_grpo.runs.dataset import index_of, one_run

#: Draws of the curve.
DRAWS = 4000
#: Evaluations that a curve of its own takes; fewer are taken as single evaluations.
LEAST_EVALUATIONS = 8
#: Where more than this share of them are one and the same value, no law with noise describes them.
MOST_EQUAL = 0.5
#: Checkpoints at most.
MOST_CHECKPOINTS = 500


def checkpoint(
    runs: xr.Dataset,
    *,
    run: str | None = None,
    every: float | None = None,
    steps: Sequence[float] | None = None,
    evaluated: Mapping[float, float] | None = None,
    noise: float | None = None,
    evaluate: int = 0,
    fit: xr.DataTree | None = None,
    seed: int = 0,
    progress: Progress | None = None,
) -> xr.Dataset:
    """Probabilities that each checkpoint is the best, and which to evaluate next.

    Where the log has an evaluation curve of `LEAST_EVALUATIONS` values or more, the answer is about that curve; else
    about the evaluation that the training reward leads to expect, to which single evaluations are added.

    Parameters
    ----------
    runs : xarray.Dataset
        From `bayes_grpo.read_run` or `bayes_grpo.make_run`.
    run : str, optional
        Label of the run; needed where there are several.
    every : float, optional
        Checkpoints lie so many steps apart, from that step on.
    steps : sequence of float, optional
        The checkpoints themselves; without either there are twenty, evenly.
    evaluated : mapping of float to float, optional
        Evaluations so far: the value by the step of its checkpoint.
    noise : float, optional
        Standard deviation of an evaluation; by default that of 600 prompts with rewards of 0 or 1.
    evaluate : int
        How many more may be evaluated.
    fit : xarray.DataTree, optional
        A fit of this run's rewards, which is taken where the answer rests on them; else one is made.
    seed : int
        Of the draws.
    progress : callable, optional
        Called with (densities or draws made, those expected) while a fit is made.

    Returns
    -------
    xarray.Dataset
        Dims (sample, checkpoint, chosen):

        - ``value`` (sample, checkpoint): draws of the curve at the coordinate ``checkpoint_step``.
        - ``probability_best`` (checkpoint): that it is the highest of all.
        - ``evaluated`` (checkpoint): the value found, NaN where none was.
        - ``next_step`` (chosen): the checkpoints to evaluate, the most useful first.

        Attributes: run, about (reward, evaluation curve, or evaluation), last_step, reward_range, noise, notes.

    Raises
    ------
    InputError
        For checkpoints outside the run, evaluations of steps that are no checkpoints, and impossible numbers, all
        faults at once; and where the logged evaluations hardly vary.

    Examples
    --------
    >>> import bayes_grpo
    >>> result = bayes_grpo.checkpoint(bayes_grpo.example_run(), every=50, evaluate=2)
    >>> result.sizes["checkpoint"], result.sizes["chosen"], round(float(result["probability_best"].sum()), 6)
    (7, 2, 1.0)
    """
    label = str(runs["run"].values[index_of(run, runs["run"].values, "runs")])
    single = one_run(runs, label)
    _check_numbers(every, steps, noise, evaluate)
    logged = single["optimizer_step"].values[np.isfinite(single["reward"].values)]
    places = _checkpoints(label, logged, every, steps)
    found = _evaluations(label, places, evaluated or {})
    curve, used, about = _curve(runs, single, label, fit, seed, progress)
    at, span = _at(curve[0], curve[1], places), float(logged[-1] - min(logged[0], 0.0))
    reward_range = quantities(used)["reward_range"]
    sd = NOISE_SHARE * reward_range if noise is None else noise
    believed = from_rewards(at)
    if about == "reward" and (found.any_found or evaluate > 0):
        about, believed = "evaluation", evaluation_of(believed, places, span, reward_range)
    believed = given(believed, found.places, found.values, np.full(found.places.size, sd))
    rng = np.random.default_rng([seed, 31])
    draws = believed.draws(DRAWS, rng)
    done = np.zeros(places.size, bool)
    done[found.places] = True
    chosen = next_to_evaluate(believed, done, evaluate, sd, rng) if evaluate else []
    return _result(label, about, places, draws, found, chosen, sd, reward_range, logged, used, noise)


class _Found:
    """Evaluations by the place of their checkpoint."""

    def __init__(self, places: list[int], values: list[float]) -> None:
        self.places, self.values = np.array(places, int), np.array(values, float)

    @property
    def any_found(self) -> bool:
        """Whether there is one."""
        return bool(self.places.size)


def _check_numbers(every: float | None, steps: Sequence[float] | None, noise: float | None, evaluate: int) -> None:
    faults = []
    if every is not None and not every > 0:
        faults.append(f"every: expected a number above 0, found {every:g}")
    if every is not None and steps is not None:
        faults.append("expected every or steps, found both")
    if noise is not None and not noise > 0:
        faults.append(f"noise: expected a number above 0, found {noise:g}")
    if evaluate < 0:
        faults.append(f"evaluate: expected a whole number of at least 0, found {evaluate}")
    if faults:
        raise InputError("checkpoint", faults)


def _checkpoints(label: str, logged: np.ndarray, every: float | None, steps: Sequence[float] | None) -> np.ndarray:
    """Steps of the checkpoints.

    Raises
    ------
    InputError
        For those outside the run, fewer than two, or too many.
    """
    first, last = float(logged[0]), float(logged[-1])
    if steps is not None:
        places = np.unique(np.asarray(steps, float))
        outside = places[~((places >= min(first, 0.0)) & (places <= last))]
        if outside.size:
            shown = ", ".join(f"{step:g}" for step in outside[:5])
            raise InputError(
                label, f"steps: expected checkpoints from step {min(first, 0.0):g} to {last:g}, found {shown}"
            )
        places = np.unique(np.clip(places, first, last)) if places.size else places
    elif every is not None:
        places = np.arange(np.ceil(max(first, 1.0) / every) * every, last + 1e-9, every)
    else:
        places = np.unique(np.linspace(first, last, 21)[1:].round())
    if not 2 <= places.size <= MOST_CHECKPOINTS:
        cure = "save or list more of them" if places.size < 2 else "name fewer"
        raise InputError(
            label,
            f"every, steps: expected 2 to {MOST_CHECKPOINTS} checkpoints in steps {first:g} to {last:g} of the log, "
            f"found {places.size}; {cure}",
        )
    return places


def _evaluations(label: str, places: np.ndarray, evaluated: Mapping[float, float]) -> _Found:
    """Evaluations at the places of their checkpoints."""
    faults, where, values = [], [], []
    for step, value in evaluated.items():
        near = int(np.abs(places - step).argmin())
        if not abs(places[near] - step) <= 1e-6 * max(abs(step), 1.0):
            faults.append(f"evaluated: expected steps of checkpoints, found {step:g}; the nearest is {places[near]:g}")
        elif not np.isfinite(value):
            faults.append(f"evaluated: expected a number at step {step:g}, found {value!r}")
        else:
            where.append(near)
            values.append(float(value))
    if faults:
        raise InputError(label, faults)
    return _Found(where, values)


def _curve(
    runs: xr.Dataset,
    single: xr.Dataset,
    label: str,
    fit: xr.DataTree | None,
    seed: int,
    progress: Progress | None,
) -> tuple[tuple[np.ndarray, np.ndarray], xr.DataTree, str]:
    """Steps and draws of the curve that the log tells, the fit it is from, and what it is about.

    Raises
    ------
    InputError
        Where the logged evaluations hardly vary.
    """
    about = "reward"
    if "evaluation_reward" in single:
        values = single["evaluation_reward"].values
        logged = np.isfinite(values)
        if logged.sum() >= LEAST_EVALUATIONS and np.ptp(values[logged]) > 0:
            _check_varies(label, single["optimizer_step"].values[logged], values[logged])
            about, fit = "evaluation curve", None
            runs = runs.assign(reward=runs["evaluation_reward"]).drop_vars(
                ["evaluation_reward", "reward_spread", "reward_lower", "reward_upper"], errors="ignore"
            )
    used = light_fit(runs, run=label, seed=seed, progress=progress) if fit is None else fit
    return expected_rewards(used, seed=seed), used, about


def _check_varies(label: str, steps: np.ndarray, values: np.ndarray) -> None:
    """Refuse evaluations of which most are one value: a law fits those without noise, and its posterior has no width.

    Raises
    ------
    InputError
        With the highest evaluation, which is the answer as far as the log has one.
    """
    usual, counts = np.unique(values, return_counts=True)
    most = int(counts.argmax())
    if counts[most] <= MOST_EQUAL * values.size:
        return
    highest = int(values.argmax())
    raise InputError(
        label,
        f"evaluation_reward: expected evaluations that vary, found {usual[most]:.4g} in {counts[most]} of "
        f"{values.size}: no law tells noise from change in them; the highest, {values[highest]:.4g}, is at step "
        f"{steps[highest]:g}",
    )


def _at(steps: np.ndarray, draws: np.ndarray, places: np.ndarray) -> np.ndarray:
    """Draws of the curve at the checkpoints, shape (sample, checkpoint)."""
    at = np.interp(places, steps, np.arange(steps.size))
    low = np.minimum(at.astype(int), steps.size - 1)
    high, share = np.minimum(low + 1, steps.size - 1), at - low
    values: np.ndarray = (1 - share) * draws[:, low] + share * draws[:, high]
    return values


def _result(
    label: str,
    about: str,
    places: np.ndarray,
    draws: np.ndarray,
    found: _Found,
    chosen: list[int],
    sd: float,
    reward_range: float,
    logged: np.ndarray,
    fit: xr.DataTree,
    stated_noise: float | None,
) -> xr.Dataset:
    best = np.bincount(draws.argmax(1), minlength=places.size) / len(draws)
    values = np.full(places.size, np.nan)
    values[found.places] = found.values
    return xr.Dataset(
        {
            "value": (("sample", "checkpoint"), draws, {"units": "reward"}),
            "probability_best": ("checkpoint", best),
            "evaluated": ("checkpoint", values, {"units": "reward"}),
            "next_step": ("chosen", places[chosen], {"units": "step"}),
        },
        coords={"checkpoint_step": ("checkpoint", places, {"units": "step"})},
        attrs={
            "run": label,
            "about": about,
            "last_step": float(logged[-1]),
            "reward_range": reward_range,
            "noise": sd,
            **stored(_notes(fit, about, sd, stated_noise, runs_of(fit))),
        },
    )


def _notes(fit: xr.DataTree, about: str, sd: float, stated: float | None, runs: xr.Dataset) -> list[Note]:
    notes = fit_notes(fit, ("reward_bounds", "logging_window"))
    if about == "reward":
        text = (
            "this is about the expected training reward: no evaluation curve is logged, and no evaluation is stated; a "
            "checkpoint that is best by it need not be best on held-out prompts"
        )
        notes.append(Note("limit", "evaluation_reward", text))
    if about == "evaluation" and stated is None:
        text = f"the standard deviation of an evaluation is taken as {sd:.3g} (600 prompts); state --noise"
        notes.append(Note("assumption", "noise", text))
    return notes
