"""Finished parts of long work, kept in a folder: what was interrupted goes on where it was."""

import hashlib
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from tempfile import TemporaryFile

import xarray as xr

from bayes_grpo.errors import InputError
from bayes_grpo.runs.files import check_seal, write_netcdf

#: Another version of one of these computes anew.
_PACKAGES = ("bayes-grpo", "jax", "numpyro", "numpy")


class Kept:
    """Datasets by what they were computed from.

    Parameters
    ----------
    folder : str or Path, optional
        Made if it is not there; without one nothing is kept.
    runs : xarray.Dataset
        The runs that all parts are computed from.
    settings : str
        Whatever else they depend on.
    """

    def __init__(self, folder: str | Path | None, runs: xr.Dataset, settings: str) -> None:
        self.folder = None if folder is None else Path(folder)
        versions = ", ".join(f"{name} {version(name)}" for name in _PACKAGES)
        self._digest = hashlib.sha256(f"{versions}; {settings}".encode())
        if self.folder is None:
            return
        # Where the runs were read, and what was said about it, changes nothing.
        content = runs.drop_vars(["source", "notes"], errors="ignore").to_dict(data="list")
        self._digest.update(repr(content).encode())
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            with TemporaryFile(dir=self.folder):
                pass
        except OSError as error:
            raise InputError(
                str(folder), f"expected a folder to write in ({error.strerror or error}); name another --keep"
            ) from error

    def get(self, label: str, source: str, compute: Callable[[], xr.Dataset]) -> xr.Dataset:
        """The part called ``label``, from the folder where it is there; ``source`` is what it alone depends on."""
        if self.folder is None:
            return compute()
        digest = self._digest.copy()
        digest.update(f"{label}\n{source}".encode())
        path = self.folder / f"{label}-{digest.hexdigest()[:16]}.nc"
        if path.exists():
            try:
                check_seal(path)
                with xr.open_dataset(path, engine="h5netcdf") as opened:
                    return opened.load()
            except (InputError, OSError, ValueError, KeyError) as error:
                raise InputError(
                    str(path), "expected a fit that was kept, found a damaged file; delete it and call again"
                ) from error
        value = compute()
        try:
            write_netcdf(value, path)
        except OSError as error:
            raise InputError(
                str(path), f"cannot be written ({error.strerror or error}); make room there, or name another --keep"
            ) from error
        return value
