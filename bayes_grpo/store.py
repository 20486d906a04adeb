"""Fits and runs on disk: NetCDF written whole or not at all."""

import contextlib
import hashlib
import os
import tempfile
from importlib.metadata import version
from pathlib import Path

import h5netcdf
import xarray as xr

from bayes_grpo.errors import InputError

#: Marks a NetCDF file of runs, with the version of its layout; docs/formats.md describes it.
RUNS_FORMAT = "bayes_grpo runs 2"
#: Versions that can be read: 1 had no conventions, reward components or rollout ages.
READABLE = ("bayes_grpo runs 1", RUNS_FORMAT)
#: Stands behind the content, where HDF5 does not look, before the content's SHA-256.
_SEAL = b"\nbayes_grpo sha256 "
#: Runs larger than this are not loaded: a small file can claim any size.
LARGEST = 8 << 30


def check_writable(path: str | Path) -> None:
    """Find out before long work whether a file can be written.

    Raises
    ------
    InputError
        If the folder is missing or not writable, or the path is a folder.
    """
    path = Path(path)
    if path.is_dir():
        raise InputError(str(path), "expected a file to write, found a folder; give a file name")
    if not path.parent.is_dir():
        raise InputError(str(path), f"the folder {path.parent} does not exist; create it or choose another --out")
    try:
        with tempfile.NamedTemporaryFile(dir=path.parent, prefix=f".{path.name}."):
            pass
    except OSError as error:
        raise InputError(str(path), f"cannot be written ({error.strerror}); choose another --out") from error


def write_atomically(path: str | Path, content: bytes | memoryview) -> None:
    """Write a file so that at any moment the path holds the old content or the new, never a part.

    Raises
    ------
    OSError
        If the disk is full or the folder not writable; nothing is left behind.
    """
    path = Path(path)
    descriptor, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        umask = os.umask(0)
        os.umask(umask)
        os.chmod(temporary, 0o666 & ~umask)
        os.replace(temporary, path)
    except BaseException:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(temporary)
        raise


def save_fit(tree: xr.DataTree, path: str | Path) -> Path:
    """Save a fit as NetCDF (HDF5), whole or not at all.

    Raises
    ------
    OSError
        If it cannot be written; an older file at the path is left as it was.
    """
    path = Path(path)
    compressed = {
        group.path: {name: {"zlib": True, "complevel": 1} for name, value in group.data_vars.items() if value.ndim > 1}
        for group in tree.subtree
    }
    write_atomically(path, _sealed(tree.to_netcdf(engine="h5netcdf", encoding=compressed)))
    return path


def save_dataset(dataset: xr.Dataset, path: str | Path) -> Path:
    """Save any labelled Dataset as NetCDF (HDF5), whole or not at all.

    Raises
    ------
    OSError
        If it cannot be written; an older file at the path is left as it was.
    """
    return save_fit(xr.DataTree(dataset), path)


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


class _File(h5netcdf.File):
    """A NetCDF file that, where it cannot be opened, says so once: the package's own fails again when it is collected."""

    def __del__(self) -> None:
        with contextlib.suppress(Exception):
            self.close()


def save_runs(runs: xr.Dataset, path: str | Path) -> Path:
    """Save a run Dataset as NetCDF (HDF5), whole or not at all; `bayes_grpo.read_run` reads it back.

    Raises
    ------
    OSError
        If it cannot be written; an older file at the path is left as it was.
    """
    path = Path(path)
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
    compressed = {name: {"zlib": True, "complevel": 4} for name, value in marked.data_vars.items() if value.ndim > 1}
    write_atomically(path, _sealed(marked.to_netcdf(engine="h5netcdf", encoding=compressed)))
    return path


def load_runs(path: str | Path) -> xr.Dataset:
    """Load a run Dataset that `save_runs` wrote.

    Raises
    ------
    InputError
        If the file is none.
    """
    check_seal(Path(path))
    try:
        with (
            _File(path, "r", decode_vlen_strings=True) as file,
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
    return runs.drop_attrs(deep=False)


def _sealed(content: bytes | memoryview) -> bytes:
    """Content with its checksum behind it."""
    whole = bytes(content)
    return whole + _SEAL + hashlib.sha256(whole).hexdigest().encode()


def check_seal(path: Path) -> None:
    """Refuse a damaged file before the HDF5 library sees it, which may not come back from some damage."""
    length = len(_SEAL) + 64
    try:
        with path.open("rb") as file:
            size = file.seek(0, os.SEEK_END)
            file.seek(max(0, size - length))
            seal = file.read()
            if len(seal) < length or not seal.startswith(_SEAL):
                return  # written by something else
            file.seek(0)
            digest = hashlib.sha256()
            left = size - length
            while left > 0 and (piece := file.read(min(left, 1 << 20))):
                digest.update(piece)
                left -= len(piece)
    except OSError as error:
        raise InputError(str(path), f"cannot be read ({error.strerror})") from error
    if digest.hexdigest().encode() != seal[len(_SEAL) :]:
        raise InputError(
            str(path), "expected NetCDF as written, found a damaged file: its content has changed since it was written"
        )


def _check_runs(path: str | Path, opened: xr.Dataset) -> None:
    """Refuse what is no file of runs before its content is loaded."""
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
