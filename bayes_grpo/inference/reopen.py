"""From a fit back to its model and runs, laid out for the compiled programs."""

import weakref
from pathlib import Path

import xarray as xr

from bayes_grpo.errors import InputError
from bayes_grpo.inference.attributes import runs_of
from bayes_grpo.inference.layout import Prepared, prepare
from bayes_grpo.models.files import load_model
from bayes_grpo.models.spec import ModelSpec

#: The runs that were laid out last, their model and the result. Who asks one question after another about the runs of a
#: fit
#: lays them out once.
_last: tuple["weakref.ref[xr.DataTree]", ModelSpec, Prepared] | None = None


def reopen(fit: xr.DataTree, model: str | Path | ModelSpec | None = None) -> tuple[ModelSpec, Prepared]:
    """The model and the runs of a fit.

    Parameters
    ----------
    fit : xarray.DataTree
        From `bayes_grpo.fit`, also after `bayes_grpo.load_fit`.
    model : str, Path or ModelSpec, optional
        The model that was fitted; needed where it did not come with the package.

    Raises
    ------
    InputError
        If the model's text is not the one that was fitted.
    """
    name = fit.attrs["model"]
    try:
        spec = model if isinstance(model, ModelSpec) else load_model(name if model is None else model)
    except InputError as error:
        raise InputError(
            f"fit of {fit.attrs['run']}", f"model {name} is not at hand; name its file: {error}"
        ) from error
    if spec.history != fit.attrs["model_file"]:
        raise InputError(
            f"fit of {fit.attrs['run']}",
            f"model {name}: {spec.path} is not the text that was fitted; name the file that was, or fit again",
        )
    return spec, _laid_out(fit, spec)


def _laid_out(fit: xr.DataTree, spec: ModelSpec) -> Prepared:
    """The runs of a fit on their grids."""
    global _last
    runs = fit.children["constant_data"]
    if _last is None or _last[0]() is not runs or _last[1] != spec:
        _last = (weakref.ref(runs), spec, prepare(runs_of(fit), spec))
    return _last[2]
