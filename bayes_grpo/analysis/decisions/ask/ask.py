"""Five answers about one run: forecast, diagnosis and limits of reuse side by side, from one quick fit."""

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

from bayes_grpo.analysis.collapses import breakdown_of, recent
from bayes_grpo.analysis.diagnosis.diagnose import diagnose
from bayes_grpo.analysis.forecast.forecast import forecast
from bayes_grpo.analysis.notes import fit_notes, stored, stored_notes
from bayes_grpo.analysis.posterior.bounds import fit_beyond_bounds, passed_bounds
from bayes_grpo.analysis.stability.conditions import CLIP_RANGE, INFERRED, conditions_of
from bayes_grpo.analysis.stability.dynamics import is_curve
from bayes_grpo.analysis.stability.reuse import growth_draws, limits
from bayes_grpo.analysis.stability.threshold import lag_limit
from bayes_grpo.errors import InputError, Note
from bayes_grpo.inference.attributes import hyperparameters, quantities, runs_of
from bayes_grpo.inference.draws import batch, evenly
from bayes_grpo.inference.fit import light_fit
from bayes_grpo.inference.progress import Progress
from bayes_grpo.models.files import DEFAULT_MODEL, load_model
from bayes_grpo.models.spec import ModelSpec
from bayes_grpo.runs.dataset import hyperparameters_of, index_of, one_run

#: Of a run without a known end, the forecast goes on for this share of the logged steps.
HORIZON_SHARE = 0.5
#: Refresh intervals looked at; a limit beyond is reported as thousands.
LONGEST = 2000
#: The limits of reuse, by their variable, and what people call them.
LIMITS = {"lag": "lag", "ess": "the sample size of the batch", "starvation": "starvation by clipping"}


def ask(
    runs: xr.Dataset,
    *,
    run: str | None = None,
    until: float | None = None,
    model: str | Path | ModelSpec = DEFAULT_MODEL,
    seed: int = 0,
    progress: Progress | None = None,
) -> xr.DataTree:
    """Work out everything that a log can say about five questions.

    Where does the reward settle? Stop or go on? Is the run healthy? How stale may rollouts get? What should be logged
    to know more? A question that the log cannot answer does not stop the others.

    Parameters
    ----------
    runs : xarray.Dataset
        From `bayes_grpo.read_run` or `bayes_grpo.make_run`.
    run : str, optional
        Label of the run; needed where there are several.
    until : float, optional
        Step to forecast to; else the planned steps, or half as many steps again as are logged.
    model : str, Path or ModelSpec
        What is fitted, that of `bayes_grpo.fit` by default, with fewer draws.
    seed : int
        Of the draws.
    progress : callable, optional
        Called with (densities or draws made, those expected) while the fit is made.

    Returns
    -------
    xarray.DataTree
        - ``fit``: dim sample; draws of the plateau, those of `bayes_grpo.fit` (NaN for laws without one).
        - ``forecast``: as from `bayes_grpo.forecast` of the fit.
        - ``diagnosis``: as from `bayes_grpo.diagnose`.
        - ``reuse``: dim sample; draws of the refresh interval (step) at which each of `LIMITS` binds, as from
          `reuse_limits`.

        A part that is missing is named in the attribute ``absent`` (JSON), with the reason. Attributes: run, model,
        last_step, recent_reward, breakdown (JSON: best mean, last mean and rows of the collapse that the log ends in,
        else null), refresh_interval (NaN if unknown), hyperparameters and columns (JSON: what is known), absent,
        notes.

    Raises
    ------
    InputError
        If the run is not named or not there, the model cannot be read, or nothing at all can be said.

    Examples
    --------
    >>> import bayes_grpo
    >>> answers = bayes_grpo.ask(bayes_grpo.example_run())
    >>> sorted(answers.children)
    ['diagnosis', 'fit', 'forecast', 'reuse']
    """
    label = str(runs["run"].values[index_of(run, runs["run"].values, "runs")])
    single, spec = one_run(runs, label), model if isinstance(model, ModelSpec) else load_model(model)
    absent: dict[str, str] = {}
    parts: dict[str, xr.Dataset] = {}
    _attempt("diagnosis", lambda: diagnose(runs, run=label), parts, absent)
    try:
        fit = light_fit(runs, spec, run=label, seed=seed, progress=progress)
    except InputError as error:
        absent["fit"] = "; ".join(error.faults)
        absent |= {"forecast": absent["fit"], "reuse": absent["fit"]}
        return _gathered(single, label, spec.name, parts, absent)
    _attempt("forecast", lambda: forecast(fit, _horizon(single, until), seed=seed), parts, absent)
    return answers_of(fit, parts, absent, seed=seed)


def answers_of(
    fit: xr.DataTree, parts: Mapping[str, xr.Dataset], absent: Mapping[str, str], *, seed: int = 0
) -> xr.DataTree:
    """As `ask`, from a fit of one run, and the forecast and the diagnosis that are there already.

    Parameters
    ----------
    fit : xarray.DataTree
        Of one run.
    parts : mapping of str to xarray.Dataset
        ``forecast`` by this fit and ``diagnosis``, where they could be made.
    absent : mapping of str to str
        Why one of them could not.
    seed : int
        Of the limits of reuse.
    """
    label = str(fit.attrs["run"])
    parts, absent = {"fit": _plateau_of(fit), **parts}, dict(absent)
    _attempt("reuse", lambda: reuse_limits(fit, seed=seed), parts, absent)
    notes = [*fit_notes(fit), *fit_beyond_bounds(fit)]
    return _gathered(one_run(runs_of(fit)), label, str(fit.attrs["model"]), parts, absent, notes)


def _attempt(name: str, answer: Callable[[], xr.Dataset], parts: dict[str, xr.Dataset], absent: dict[str, str]) -> None:
    """Add an answer to the parts, or why there is none to what is absent."""
    try:
        parts[name] = answer()
    except InputError as error:
        absent[name] = "; ".join(error.faults)


def _gathered(
    run: xr.Dataset,
    label: str,
    model: str,
    parts: Mapping[str, xr.Dataset],
    absent: Mapping[str, str],
    notes: Sequence[Note] = (),
) -> xr.DataTree:
    """The parts as one result."""
    if not parts:
        raise InputError(str(run["source"].values) or label, list(dict.fromkeys(absent.values())))
    of_parts = [note for part in parts.values() for note in stored_notes(part)]
    # The plateau that is answered is the fit's: what the forecast says of its own would be a second one.
    every = [*notes, *(note for note in of_parts if (note.kind, note.subject) != ("limit", "plateau"))]
    tree = xr.DataTree.from_dict(dict(parts))
    tree.attrs = _facts(run, label, model) | {"absent": json.dumps(dict(absent)), **stored(dict.fromkeys(every))}
    return tree


def reuse_limits(fit: xr.DataTree, *, seed: int = 0) -> xr.Dataset:
    """Draws of the refresh interval at which lag, sample size and starvation bind; those that the log tells.

    Parameters
    ----------
    fit : xarray.DataTree
        Of one run, by a law with a plateau.
    seed : int
        Of unknown lag shares and of the growth of the log ratio.

    Returns
    -------
    xarray.Dataset
        Dim sample. The attribute ``at_least`` is 1 where the limit by lag is a lower bound: of curves in time only the
        stiffness of the rise is known, and the pull at the plateau is no stronger.
    """
    draws, notes = lag_limit(fit, LONGEST, seed)
    known, run = quantities(fit), runs_of(fit).isel(run=0)
    posterior = fit["posterior"].to_dataset()
    drawn = batch(posterior, ("initial_reward", "plateau", *(name for name in INFERRED if name in posterior)))
    places = evenly(drawn["plateau"].size, draws.sizes["sample"])
    draws = draws.assign({name: ("sample", value[places]) for name, value in drawn.items()})
    growth, channels = growth_draws(run, known, draws.sizes["sample"], seed)
    conditions, more = conditions_of(draws, known, known.get("clipped", 0.0)) if growth is not None else (None, [])
    bound = limits(growth, conditions, known.get("clip_range", CLIP_RANGE))
    named = {"lag": draws["lag"].values} | {name: value for name, value in bound.items() if name in LIMITS}
    return xr.Dataset(
        {name: ("sample", value, {"units": "step"}) for name, value in named.items()},
        attrs={"rests_on": ", ".join(channels), "at_least": int(is_curve(fit)), **stored([*notes, *more])},
    )


def _plateau_of(fit: xr.DataTree) -> xr.Dataset:
    """Draws of the plateau."""
    posterior = fit["posterior"].to_dataset()
    values = posterior["plateau"].values.ravel() if "plateau" in posterior else np.full(1, np.nan)
    passed = passed_bounds(values, hyperparameters(fit))
    attrs = {"reward_range": quantities(fit)["reward_range"], "passed": json.dumps(passed)}
    return xr.Dataset({"plateau": ("sample", values, {"units": "reward"})}, attrs=attrs)


def _horizon(run: xr.Dataset, until: float | None) -> float:
    """Step to forecast to."""
    if until is not None:
        return until
    last = _last_step(run)
    planned = hyperparameters_of(run).get("planned_steps", 0.0)
    return planned if planned > last else last + max(HORIZON_SHARE * (last - min(_first_step(run), 0.0)), 1.0)


def _last_step(run: xr.Dataset) -> float:
    return float(run["optimizer_step"].values[np.isfinite(run["reward"].values)][-1])


def _first_step(run: xr.Dataset) -> float:
    return float(run["optimizer_step"].values[0])


def _facts(run: xr.Dataset, label: str, model: str) -> dict[str, Any]:
    """What the sentences need of the run itself."""
    rewards = run["reward"].values[np.isfinite(run["reward"].values)]
    known = hyperparameters_of(run)
    return {
        "run": label,
        "model": model,
        "last_step": _last_step(run),
        "recent_reward": float(recent(rewards).mean) if rewards.size > 1 else float(rewards[-1]),
        "breakdown": json.dumps(breakdown_of(rewards)),
        "refresh_interval": known.get("refresh_interval", np.nan),
        "hyperparameters": json.dumps(sorted(known)),
        "columns": json.dumps(sorted(str(name) for name in run.data_vars if run[name].dims == ("step",))),
    }
