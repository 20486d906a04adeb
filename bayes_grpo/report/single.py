"""One run out of a fit of several, and which fits belong together."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import h5netcdf
import numpy as np
import xarray as xr

from bayes_grpo.errors import InputError
from bayes_grpo.inference.attributes import attributes_of_run, logged_of, pooled
from bayes_grpo.laws.units import UNITS
from bayes_grpo.models.files import DEFAULT_MODEL
from bayes_grpo.runs.files import check_seal

#: What a report forecasts from, in this order, where it was fitted.
FORECAST_MODELS = (DEFAULT_MODEL, "population")


class Subject(NamedTuple):
    """A run of a report: the fit that its posterior is from, its label there, and the fit that is forecast from."""

    fit: xr.DataTree
    run: str
    forecast_fit: xr.DataTree


class Candidate(NamedTuple):
    """A run in a fit.

    ``where`` is the fit, or the file that holds it; ``damped`` tells whether its law has a damping ratio; ``logged``
    holds the steps and rewards of the run.
    """

    where: Any
    model: str
    damped: bool
    run: str
    logged: np.ndarray


def candidates(fit: xr.DataTree) -> list[Candidate]:
    """The runs of a fit."""
    damped = "damping_ratio" in fit["posterior"]
    return [Candidate(fit, fit.attrs["model"], damped, run, logged) for run, logged in logged_of(fit).items()]


def look_into(path: str | Path) -> list[Candidate] | None:
    """The runs of a saved fit, without loading its draws; None for a file that is no fit."""
    path = Path(path)
    if path.suffix != ".nc" or not path.is_file():
        return None
    try:
        check_seal(path)
        with h5netcdf.File(path, "r", decode_vlen_strings=True) as file:
            if "posterior" not in file.groups or "model_file" not in file.attrs:
                return None
            attrs, damped = dict(file.attrs), "damping_ratio" in file.groups["posterior"].variables
        with xr.open_dataset(path, engine="h5netcdf", group="constant_data") as opened:
            tree = xr.DataTree.from_dict({"constant_data": opened.load()})
    except (InputError, OSError, ValueError, KeyError):
        return None
    tree.attrs = attrs
    return [Candidate(path, str(attrs["model"]), damped, run, logged) for run, logged in logged_of(tree).items()]


def pair(runs: Sequence[Candidate]) -> list[tuple[Candidate, Candidate]]:
    """For each run, whose posterior is shown and whose is forecast from.

    Fits of one run by different models are one run.

    Posteriors come from a law with damping where there is one, forecasts from the default law where it was fitted, else
    from ``population``.
    """
    groups: list[list[Candidate]] = []
    for run in runs:
        for group in groups:
            same = group[0].run == run.run and np.array_equal(group[0].logged, run.logged)
            if same and run.model not in {other.model for other in group}:
                group.append(run)
                break
        else:
            groups.append([run])
    pairs = []
    for group in groups:
        main = next((run for run in group if run.damped), group[0])
        by_model = {run.model: run for run in reversed(group)}
        ahead = next((by_model[model] for model in FORECAST_MODELS if model in by_model), main)
        pairs.append((main, ahead))
    return pairs


def pair_fits(fits: Sequence[xr.DataTree]) -> list[Subject]:
    """Find the fits that belong to one run, for a report.

    Parameters
    ----------
    fits : sequence of xarray.DataTree
        From `bayes_grpo.fit`, also after `bayes_grpo.load_fit`; of one run or of several.

    Returns
    -------
    list of Subject
        One for each run:

        - ``fit``: the fit that its posterior is from: by a law with damping, where there is one.
        - ``run``: its label there.
        - ``forecast_fit``: the fit that is forecast from: by the default law or by ``population``, where it was fitted.

    Examples
    --------
    >>> import bayes_grpo
    >>> run, few = bayes_grpo.example_run(), {"draws": 50, "tune": 100, "chains": 2}
    >>> fits = [bayes_grpo.fit(run, model, **few) for model in ("overdamped", "exponential")]
    >>> [subject.run for subject in bayes_grpo.pair_fits(fits)]
    ['arithmetic_grpo']
    """
    pairs = pair([candidate for fit in fits for candidate in candidates(fit)])
    return [Subject(main.where, main.run, ahead.where) for main, ahead in pairs]


def one_of(fit: xr.DataTree, run: str) -> xr.DataTree:
    """A fit as if of this run alone; of a fit of several, what belongs to the population is left out."""
    if not pooled(fit):
        return fit
    groups = {"sample_stats": fit["sample_stats"].to_dataset()}
    for name in ("posterior", "prior"):
        values = fit[name].to_dataset()
        kept = [key for key in values.data_vars if "run" in values[key].dims or key in UNITS]
        groups[name] = values[kept].sel(run=run).drop_vars("run")
    for name in ("observed_data", "latent"):
        values = fit[name].to_dataset()
        groups[name] = values.isel(observation=values["observed_run"].values == run)
    logged = fit["constant_data"].to_dataset().sel(run=run).drop_vars("run")
    groups["constant_data"] = logged.isel(row=np.isfinite(logged["optimizer_step"].values))
    tree = xr.DataTree.from_dict(groups)
    tree.attrs = dict(fit.attrs) | attributes_of_run(fit, run)
    return tree
