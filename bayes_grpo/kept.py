"""Finished parts of long work, kept in a folder: what was interrupted goes on where it was."""

import hashlib
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from tempfile import TemporaryFile

import xarray as xr

from bayes_grpo.errors import InputError
from bayes_grpo.store import check_seal, save_dataset


class Kept:
    """Datasets by what they were computed from.

    Parameters
    ----------
    folder : str or Path, optional
        Made if it is not there; without one nothing is kept.
    runs : xarray.Dataset
        The runs that all parts are computed from.
    settings : str
        Whatever else they depend on; another version of the package computes anew, too.
    """

    def __init__(self, folder: str | Path | None, runs: xr.Dataset, settings: str) -> None:
        self.folder = None if folder is None else Path(folder)
        self._digest = hashlib.sha256(f"{version('bayes-grpo')} {settings}".encode())
        if self.folder is None:
            return
        self._digest.update(repr(runs.to_dict(data="list")).encode())
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            with TemporaryFile(dir=self.folder):
                pass
        except OSError as error:
            raise InputError(str(folder), f"expected a folder to write in ({error.strerror}); name another") from error

    def get(self, label: str, source: str, compute: Callable[[], xr.Dataset]) -> xr.Dataset:
        """The part called ``label``, from the folder where it is there; ``source`` is what it alone depends on."""
        if self.folder is None:
            return compute()
        digest = self._digest.copy()
        digest.update(f"{label}\n{source}".encode())
        path = self.folder / f"{label}-{digest.hexdigest()[:16]}.nc"
        if path.exists():
            check_seal(path)
            with xr.open_dataset(path, engine="h5netcdf") as opened:
                return opened.load()
        found = compute()
        try:
            save_dataset(found, path)
        except OSError as error:
            raise InputError(
                str(path), f"cannot be written ({error.strerror}); free or choose another folder"
            ) from error
        return found
