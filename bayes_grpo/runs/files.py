"""Files that are written whole or not at all, with a seal that shows damage."""

import contextlib
import hashlib
import json
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import xarray as xr

from bayes_grpo.errors import InputError

#: Marks the seal: behind the content, where HDF5 does not look, stands this and then the content's SHA-256.
_SEAL = b"\nbayes_grpo sha256 "


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


def end_last_line(path: str | Path) -> None:
    """Let a file of JSON lines end with a line end, so that it can be continued.

    What a killed writer had begun of a line is taken away; a line that only lacks its end is kept.
    """
    path = Path(path)
    if not path.exists():
        return
    lines, _, last = path.read_bytes().rpartition(b"\n")
    if not last:
        return
    try:
        json.loads(last)
    except ValueError:
        os.truncate(path, len(lines) + 1 if lines else 0)
    else:
        with path.open("ab") as file:
            file.write(b"\n")


def write_atomically(path: str | Path, *content: bytes | bytearray | memoryview) -> None:
    """Write a file in pieces so that at any moment the path holds the old content or the new, never a part.

    Raises
    ------
    OSError
        If the disk is full or the folder not writable; nothing is left behind.
    """
    path = Path(path)
    descriptor, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.writelines(content)
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


def write_netcdf(content: xr.Dataset | xr.DataTree, path: str | Path, level: int = 1) -> Path:
    """Save labelled data as sealed NetCDF (HDF5), whole or not at all.

    Arrays of several dimensions are compressed at a level from 1 to 9, or not at all at 0.

    Raises
    ------
    OSError
        If it cannot be written; an older file at the path is left as it was.
    """
    path = Path(path)
    tree = content if isinstance(content, xr.DataTree) else xr.DataTree(content)
    compressed = {
        group.path: {
            name: {"zlib": level > 0, "complevel": level} for name, value in group.data_vars.items() if value.ndim > 1
        }
        for group in tree.subtree
    }
    whole = tree.to_netcdf(engine="h5netcdf", encoding=compressed)
    write_atomically(path, whole, _SEAL, hashlib.sha256(whole).hexdigest().encode())
    return path


def check_seal(path: Path) -> None:
    """Refuse a damaged file before the HDF5 library reads it, which some kinds of damage make hang or crash."""
    length = len(_SEAL) + 64
    try:
        with path.open("rb") as file:
            size = file.seek(0, os.SEEK_END)
            file.seek(max(0, size - length))
            seal = file.read()
            if len(seal) < length or not seal.startswith(_SEAL):
                return  # written by another program
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


def stamp_of(path: Path) -> object:
    """What changes whenever a file, or a file in a folder, does; None while it is away."""

    def files() -> Iterator[Path]:
        if path.is_dir():
            yield from sorted(path.rglob("*"))[:5000]
        yield path

    try:
        return tuple((str(file), stat.st_mtime_ns, stat.st_size) for file in files() if (stat := file.stat()))
    except OSError:
        return None
