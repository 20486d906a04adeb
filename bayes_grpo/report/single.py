"""One run out of a fit of several, and which fits belong together."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import h5netcdf
import numpy as np
import xarray as xr

from bayes_grpo.errors import InputError
from bayes_grpo.inference.attributes import logged_of
from bayes_grpo.laws.units import UNITS
from bayes_grpo.runs.files import check_seal


class Subject(NamedTuple):
    """A run of a report: the fit that its posterior is from, its label there, and the fit that is forecast from."""

    fit: xr.DataTree
    run: str
    forecast_fit: xr.DataTree


class Candidate(NamedTuple):
    """A run in a fit that is at hand, or in a file: where, by which model, whether its law has damping, label, logged rows."""

    where: Any
    model: str
    rings: bool
    run: str
    logged: np.ndarray


def candidates(fit: xr.DataTree) -> list[Candidate]:
    """The runs of a fit."""
    rings = "damping_ratio" in fit["posterior"]
    return [Candidate(fit, fit.attrs["model"], rings, run, logged) for run, logged in logged_of(fit).items()]


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
            attrs, rings = dict(file.attrs), "damping_ratio" in file.groups["posterior"].variables
        with xr.open_dataset(path, engine="h5netcdf", group="constant_data") as opened:
            tree = xr.DataTree.from_dict({"constant_data": opened.load()})
    except (InputError, OSError, ValueError, KeyError):
        return None
    tree.attrs = attrs
    return [Candidate(path, str(attrs["model"]), rings, run, logged) for run, logged in logged_of(tree).items()]


def pair(found: Sequence[Candidate]) -> list[tuple[Candidate, Candidate]]:
    """For each run whose posterior is shown and whose is forecast from; fits of one run by different models are one run.

    Posteriors come from a law with damping where there is one, forecasts from the model ``population`` where it was fitted.
    """
    groups: list[list[Candidate]] = []
    for one in found:
        for group in groups:
            same = group[0].run == one.run and np.array_equal(group[0].logged, one.logged)
            if same and one.model not in {other.model for other in group}:
                group.append(one)
                break
        else:
            groups.append([one])
    return [
        (
            main := next((one for one in group if one.rings), group[0]),
            next((one for one in group if one.model == "population"), main),
        )
        for group in groups
    ]


def pair_fits(fits: Sequence[xr.DataTree]) -> list[Subject]:
    """A subject for each run of the fits; fits of one run by different models make one, see `pair`."""
    found = pair([one for fit in fits for one in candidates(fit)])
    return [Subject(main.where, main.run, ahead.where) for main, ahead in found]


def one_of(fit: xr.DataTree, run: str) -> xr.DataTree:
    """A fit as if of this run alone; of a fit of several, what belongs to the population is left out."""
    posterior = fit["posterior"].to_dataset()
    if "run" not in posterior.dims:
        return fit
    groups = {"sample_stats": fit["sample_stats"].to_dataset()}
    for name in ("posterior", "prior"):
        values = fit[name].to_dataset()
        kept = [key for key in values.data_vars if "run" in values[key].dims or key in UNITS]
        groups[name] = values[kept].sel(run=run).drop_vars("run")
    for name in ("observed_data", "latent"):
        values = fit[name].to_dataset()
        groups[name] = values.isel(observation=values["observed_run"].values == run)
    own = fit["constant_data"].to_dataset().sel(run=run).drop_vars("run")
    groups["constant_data"] = own.isel(row=np.isfinite(own["optimizer_step"].values))
    attrs = dict(fit.attrs) | {"run": run}
    for name in ("quantities", "hyperparameters"):
        attrs[name] = json.dumps(json.loads(fit.attrs[name])[run])
    tree = xr.DataTree.from_dict(groups)
    tree.attrs = attrs
    return tree
