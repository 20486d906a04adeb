"""Runs on disk: a NetCDF file that states its format."""

import contextlib
from importlib.metadata import version
from pathlib import Path
from typing import Any

import xarray as xr

from bayes_grpo.errors import InputError
from bayes_grpo.runs.files import check_seal, write_netcdf

#: Marks a NetCDF file of runs, with the version of its layout; docs/formats.md describes it.
RUNS_FORMAT = "bayes_grpo runs 2"
#: Versions that can be read. Version 1 had no conventions, reward components or rollout ages.
READABLE = ("bayes_grpo runs 1", RUNS_FORMAT)
#: Runs larger than this are not loaded: a small file can claim any size.
LARGEST = 8 << 30


def _open(path: str | Path) -> Any:
    """Open a NetCDF file. Where it cannot be opened, it fails once, and not again when it is garbage-collected."""
    import h5netcdf  # only runs that were saved need it

    class File(h5netcdf.File):
        def __del__(self) -> None:
            with contextlib.suppress(Exception):
                self.close()

    return File(path, "r", decode_vlen_strings=True)


def save_runs(runs: xr.Dataset, path: str | Path) -> Path:
    """Save runs as NetCDF (HDF5), whole or not at all; `bayes_grpo.read_run` reads them back.

    Parameters
    ----------
    runs : xarray.Dataset
        Dims (run, step).
    path : str or Path
        The file to write, by custom with the suffix .nc.

    Returns
    -------
    Path
        The file.

    Raises
    ------
    OSError
        If it cannot be written; an older file at the path is left as it was.

    Examples
    --------
    >>> import tempfile
    >>> import bayes_grpo
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = bayes_grpo.save_runs(bayes_grpo.example_run(), f"{folder}/run.nc")
    ...     bayes_grpo.read_run(path).sizes["step"]
    380
    """
    marked = runs.assign_attrs(
        format=RUNS_FORMAT,
        Conventions="CF-1.11",
        title="GRPO training runs",
        history=f"written by bayes_grpo {version('bayes-grpo')}",
    )
    marked["run"].attrs |= {"long_name": "run", "cf_role": "timeseries_id"}
    if "component" in marked.coords:
        marked["component"].attrs |= {"long_name": "reward function"}
    for name, meaning in (("source", "where the run was read"), ("notes", "what was assumed in reading, a line each")):
        if name in marked:
            marked[name].attrs |= {"long_name": meaning}
    return write_netcdf(marked, path, level=4)


def load_runs(path: str | Path) -> xr.Dataset:
    """Load runs that `save_runs` wrote.

    Raises
    ------
    InputError
        If the file holds no such runs, or is damaged.
    """
    check_seal(Path(path))
    try:
        with (
            _open(path) as file,
            xr.open_dataset(xr.backends.H5NetCDFStore(file)) as opened,
        ):
            _check_runs(path, opened)
            runs = opened.load()
    except InputError:
        raise
    except (OSError, ValueError, KeyError, RuntimeError, MemoryError, AttributeError, TypeError) as error:
        raise InputError(
            str(path), "expected runs (NetCDF) written by bayes_grpo, found another format or a broken file"
        ) from error
    # How it was stored must not limit what it is stored as again: labels of a joined run may be longer.
    return runs.drop_attrs(deep=False).drop_encoding()


def _check_runs(path: str | Path, opened: xr.Dataset) -> None:
    """Refuse a file that holds no runs before its content is loaded."""
    mark = str(opened.attrs.get("format", ""))
    if mark.startswith("bayes_grpo runs ") and mark not in READABLE:
        raise InputError(str(path), f"expected {' or '.join(READABLE)}, found {mark}; it needs a newer bayes_grpo")
    if mark not in READABLE:
        raise InputError(str(path), "a NetCDF file, but not one of runs; a fit is shown by `bayes-grpo summary`")
    if opened.nbytes > LARGEST:
        raise InputError(str(path), f"expected at most {LARGEST >> 30} GiB of runs, found {opened.nbytes >> 30} GiB")
    lacking = [name for name in ("optimizer_step", "reward") if name not in opened]
    if lacking:
        raise InputError(str(path), [f"{name}: expected a variable, found none" for name in lacking])
    wrong = [name for name in ("optimizer_step", "reward") if opened[name].dims != ("run", "step")]
    if wrong:
        raise InputError(str(path), [f"{n}: expected dimensions run, step, found {opened[n].dims}" for n in wrong])
