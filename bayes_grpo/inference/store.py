"""Fits on disk."""

from pathlib import Path

import xarray as xr

from bayes_grpo.errors import InputError
from bayes_grpo.runs.files import check_seal, write_netcdf


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
    if not path.is_file():
        raise InputError(str(path), "no such file; expected a fit written by `bayes-grpo fit`")
    check_seal(path)
    try:
        with xr.open_datatree(path, engine="h5netcdf") as opened:
            tree = opened.load()
    except (OSError, ValueError, KeyError) as error:
        raise InputError(
            str(path), "expected a fit (NetCDF) written by `bayes-grpo fit`, found another format"
        ) from error
    if "posterior" not in tree.children or "model_file" not in tree.attrs:
        raise InputError(str(path), "a NetCDF file, but not a fit written by `bayes-grpo fit`")
    return tree


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
