"""Compiled functions whose traced form is kept in the user's cache folder, next to the compiled one.

JAX keeps compiled programs between processes, but each new process traces and lowers every function again before it can
look them up: a fifth of the time of a command. So what was traced is kept, too, as `jax.export` serialises it. It is
used again only where everything that it depends on is the same: the source of the package, the versions of JAX, NumPy
and Python, JAX's settings, the device, the model's structure, and the shapes of the arguments.
"""

import dataclasses
import hashlib
import inspect
import platform
import shutil
from collections.abc import Callable, Sequence
from functools import cache, partial
from importlib.metadata import version
from pathlib import Path
from threading import Lock
from typing import Any

import jax
import numpy as np

from bayes_grpo.runs.files import write_atomically

#: Below JAX's own cache: a folder for each state of package and libraries, and how many of them are kept.
FOLDER, _STATES = "traced", 4
_DIGEST = hashlib.sha256().digest_size
#: The package, and its rooms whose source decides what is traced.
_PACKAGE, _ROOMS = Path(__file__).parents[1], ("laws", "models", "inference")


class Program:
    """A function that is compiled once for each shape of its arguments, as by `jax.jit`.

    Where JAX keeps compiled programs in a folder, its traced form is kept there, too.

    Parameters
    ----------
    function : callable
        Of arrays, in tuples, lists and dictionaries. Its source must be in the package.
    *identity : object
        All that the traced function depends on beside its source and its arguments. Nothing is kept where a part of it
        is of a class from outside the package, such as a law of the user's.
    static : int
        How many of the last arguments are constants of the traced function.
    returns : sequence of type
        Named tuples in what the function returns.
    """

    def __init__(
        self, function: Callable[..., Any], *identity: object, static: int = 0, returns: Sequence[type] = ()
    ) -> None:
        self.function, self.static = function, static
        count = len(inspect.signature(function).parameters)
        self._compiled = jax.jit(function, static_argnums=tuple(range(count - static, count)))
        self._kept = all(map(_of_package, identity))
        self._name = f"{function.__module__}.{function.__qualname__} {identity!r}"
        self._loaded: dict[Any, Callable[..., Any]] = {}
        self._returns = returns
        self._loading = Lock()

    def __call__(self, *arguments: Any) -> Any:
        """Call the function.

        Raises
        ------
        KeyboardInterrupt
            Also where Ctrl-C is pressed while JAX's compiler calls back, which makes a RuntimeError of it.
        """
        folder = _folder() if self._kept else None
        try:
            return self._compiled(*arguments) if folder is None else self._call_kept(folder, arguments)
        except RuntimeError as error:
            if KeyboardInterrupt.__name__ in str(error):
                raise KeyboardInterrupt from error
            raise

    def _call_kept(self, folder: Path, arguments: tuple[Any, ...]) -> Any:
        split = len(arguments) - self.static
        leaves, structure = jax.tree.flatten(arguments[:split])
        shapes = (structure, arguments[split:], *((np.shape(leaf), _kind(leaf)) for leaf in leaves))
        if shapes not in self._loaded:
            with self._loading:  # one thread loads and compiles, the others wait for it
                if shapes not in self._loaded:
                    loaded = self._load(folder, shapes, arguments[split:], leaves)
                    result = loaded(*leaves)
                    self._loaded[shapes] = loaded
                    return result
        return self._loaded[shapes](*leaves)

    def _load(
        self, folder: Path, shapes: tuple[Any, ...], constants: tuple[Any, ...], leaves: list[Any]
    ) -> Callable[..., Any]:
        """The program for such arguments, flattened: from the folder, or traced and left there for the next process."""

        def flat(*leaves: Any) -> Any:
            return self.function(*jax.tree.unflatten(shapes[0], leaves), *constants)

        plain = jax.jit(flat)
        try:
            from jax import export

            for named_tuple in self._returns:
                _serialise(named_tuple)
            path = folder / _state() / hashlib.sha256(f"{self._name} {shapes}".encode()).hexdigest()
            content = _read(path)
            if content is not None:
                return _deserialised(content)
            content = export.export(plain)(*leaves).serialize()
            # What the next process will load is used at once, so that both compute the same program.
            loaded = _deserialised(content)
        except (ImportError, NotImplementedError, ValueError):  # the device or the library does not serialise it
            return plain
        _write(path, content)
        return loaded


def _deserialised(content: bytes | bytearray) -> Callable[..., Any]:
    """A traced program as a function. It stays on one device, where its results, and so later arguments, are bound."""
    from jax import export

    device = jax.sharding.SingleDeviceSharding(jax.devices()[0])
    return jax.jit(export.deserialize(bytearray(content)).call, in_shardings=device)


def _kind(leaf: Any) -> object:
    """Type of a number, or of the numbers of an array. Python's own are types apart: they adapt to other numbers."""
    return type(leaf).__name__ if isinstance(leaf, bool | int | float) else leaf.dtype


def _of_package(value: object) -> bool:
    """Whether an object is made of Python's own types and of classes of this package alone."""
    if isinstance(value, tuple):
        return all(map(_of_package, value))
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        inside = type(value).__module__.split(".")[0] == __name__.split(".")[0]
        return inside and all(_of_package(getattr(value, field.name)) for field in dataclasses.fields(value))
    return value is None or isinstance(value, str | int | float)


@cache
def _serialise(named_tuple: type) -> None:
    """Teach JAX to serialise a named tuple."""
    from jax import export

    name = f"{named_tuple.__module__}.{named_tuple.__qualname__}"
    export.register_namedtuple_serialization(named_tuple, serialized_name=name)


def _folder() -> Path | None:
    """Where traced programs are kept; None where JAX keeps no programs, or not in a folder of this machine."""
    folder = jax.config.jax_compilation_cache_dir
    if not folder or "://" in folder or not jax.config.jax_enable_compilation_cache:
        return None
    return Path(folder) / FOLDER


@cache
def _state() -> str:
    """A name for the state of the package, of the libraries, of their settings and of the device."""
    digest = hashlib.sha256()
    for source in sorted(path for room in _ROOMS for path in (_PACKAGE / room).rglob("*.py")):
        digest.update(source.relative_to(_PACKAGE).as_posix().encode() + b"\0" + source.read_bytes() + b"\0")
    settings = sorted((name, repr(value)) for name, value in jax.config.values.items() if "cache" not in name)
    versions = jax.__version__, version("jaxlib"), np.__version__, platform.python_version()
    digest.update(repr((versions, settings, jax.devices()[0].device_kind, jax.default_backend())).encode())
    return digest.hexdigest()[:16]


def _read(path: Path) -> bytearray | None:
    """A traced program; None where there is none, or where the file is damaged."""
    try:
        whole = path.read_bytes()
    except OSError:
        return None
    content = whole[_DIGEST:]
    return bytearray(content) if hashlib.sha256(content).digest() == whole[:_DIGEST] else None


def _write(path: Path, content: bytes | bytearray) -> None:
    """Leave a traced program to the next process; a folder that cannot be written costs time there and nothing else."""
    try:
        if not path.parent.exists():
            path.parent.mkdir(parents=True)
            states = sorted(path.parent.parent.iterdir(), key=lambda state: state.stat().st_mtime)
            for old in states[:-_STATES]:
                shutil.rmtree(old, ignore_errors=True)
        write_atomically(path, hashlib.sha256(content).digest(), content)
    except OSError:
        pass


def program(*, static: int = 0, returns: Sequence[type] = ()) -> Callable[[Callable[..., Any]], Program]:
    """Make a module's function a `Program`; it depends on nothing but its source and its arguments."""
    return partial(Program, static=static, returns=returns)
