"""Fits on disk."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

from bayes_grpo.errors import InputError
from bayes_grpo.runs.files import check_seal, write_netcdf
from bayes_grpo.runs.netcdf import LARGEST

#: Groups without which nothing can be asked of a fit.
_GROUPS = ("posterior", "observed_data", "constant_data")
#: Attributes of a fit: whole numbers, texts, and JSON objects and lists. Those that are needed are in every version.
_NEEDED = ("run", "model", "model_file", "hyperparameters", "quantities", "assumptions", "notes")
_ATTRIBUTES: dict[str, type] = {
    **dict.fromkeys(("run", "model", "model_file", "source", "notes", "method", "backend"), str),
    **dict.fromkeys(("hyperparameters", "quantities", "fixed", "versions"), dict),
    "assumptions": list,
    **dict.fromkeys(("seed", "draws", "tune", "chains"), int),
}
_WORDS: dict[type, str] = {str: "a text", dict: "a JSON object", list: "a JSON list"}


def save_fit(fit: xr.DataTree, path: str | Path) -> Path:
    """Save a fit as NetCDF (HDF5), whole or not at all, and not compressed: draws would shrink by a twentieth.

    Raises
    ------
    OSError
        If it cannot be written; an older file at the path is left as it was.
    """
    return write_netcdf(fit, path, level=0)


def load_fit(path: str | Path) -> xr.DataTree:
    """Load a saved fit into memory.

    Raises
    ------
    InputError
        If the file is missing or not a fit.
    """
    path = Path(path)
    if path.is_dir():
        raise InputError(str(path), "expected a fit, a file (.nc) written by `bayes-grpo fit`, found a folder")
    if not path.is_file():
        raise InputError(str(path), "no such file; expected a fit written by `bayes-grpo fit`")
    check_seal(path)
    try:
        with xr.open_datatree(path, engine="h5netcdf") as opened:
            faults = _faults(opened)
            if not faults:
                return opened.load()
    except (OSError, ValueError, KeyError) as error:
        raise InputError(
            str(path), "expected a fit (NetCDF) written by `bayes-grpo fit`, found another format"
        ) from error
    raise InputError(str(path), faults)


def _faults(tree: xr.DataTree) -> list[str]:
    """What keeps a NetCDF file from being a fit: groups, attributes and their kinds; it is not loaded for that."""
    if "posterior" not in tree.children or "model_file" not in tree.attrs:
        return ["a NetCDF file, but not a fit written by `bayes-grpo fit`"]
    size = sum(group.to_dataset(inherit=False).nbytes for group in tree.subtree)
    if size > LARGEST:
        return [f"expected at most {LARGEST / 1e9:.0f} GB of numbers, found {size / 1e9:.0f} GB"]
    faults = [f"{name}: expected this group, found none" for name in _GROUPS if name not in tree.children]
    for name, kind in _ATTRIBUTES.items():
        value = tree.attrs.get(name)
        if value is None:
            faults += [f"{name}: expected this attribute, found none"] if name in _NEEDED else []
        elif kind is int:
            faults += (
                [] if isinstance(value, int | np.integer) else [f"{name}: expected a whole number, found {value!r:.60}"]
            )
        elif not isinstance(value, str) or not (kind is str or isinstance(_parsed(value), kind)):
            faults.append(f"{name}: expected {_WORDS[kind]}, found {value!r:.60}")
    return faults


def _parsed(text: str) -> Any:
    """JSON, or None where a text is none."""
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None


def is_fit(path: str | Path) -> bool:
    """Whether a path is a NetCDF file that holds a fit; a file of runs, or of another format, is none."""
    path = Path(path)
    if path.suffix != ".nc" or not path.is_file():
        return False
    try:
        check_seal(path)
        with xr.open_datatree(path, engine="h5netcdf") as tree:
            return "posterior" in tree.children
    except (InputError, OSError, ValueError, KeyError):
        return False
