"""What a format's reader and a trainer's key set are; each is one file, found by lying in its folder.

A file in ``formats/`` reads one kind of file or folder. It defines

- ``NAME``: what the format is called in messages;
- ``ORDER``: formats are asked in rising order, the one with the surest mark first;
- ``recognises(source)``: whether a `Source` is of this format, by its content;
- ``read(source)``: its `Log` objects, one a run. Reading rows may wait until they are asked for.

A file in ``trainers/`` names what one trainer logs: it defines ``TRAINER``, a `Trainer`.
"""

import stat
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import cache, cached_property
from importlib import import_module
from pathlib import Path
from pkgutil import iter_modules
from typing import Any, Protocol

from bayes_grpo.errors import InputError

Row = dict[str, Any]

#: How much of a file is looked at to find its format.
HEAD = 1 << 16


@dataclass(frozen=True)
class Source:
    """A file, a folder, or the address of a tracked run."""

    path: Path
    address: str = ""

    def __str__(self) -> str:
        return self.address or str(self.path)

    @cached_property
    def is_folder(self) -> bool:
        """Whether it is a folder."""
        return not self.address and self.path.is_dir()

    @cached_property
    def head(self) -> bytes:
        """The first bytes of a file; b'' for what is none.

        Raises
        ------
        InputError
            If the file is missing, no regular file or cannot be read.
        """
        if self.address or self.is_folder:
            return b""
        try:
            if not stat.S_ISREG(self.path.stat().st_mode):
                raise InputError(
                    str(self), "expected a file or a folder, found a pipe or a device; save the log to a file"
                )
            with self.path.open("rb") as file:
                return file.read(HEAD)
        except FileNotFoundError as error:
            raise InputError(str(self), "no such file or folder; check the path") from error
        except OSError as error:
            raise InputError(str(self), f"cannot be read ({error.strerror}); check its permissions") from error


@dataclass
class Log:
    """One run as a format's reader hands it on.

    Attributes
    ----------
    rows : iterable of dict
        Logged rows, by the keys under which the trainer wrote them; consumed once, so that a long log is never held.
    label : str
        The run's name where the format carries one.
    config : dict
        Hyperparameters by the trainer's own names, where the format carries them; it and the next two may fill while
        ``rows`` is consumed.
    stated : dict
        Hyperparameters by the names of `bayes_grpo.runs.fields.RUN_FIELDS`, for formats that know them.
    extras : dict
        As in a hyperparameters file: ``spread``, ``trl_version``, ...
    notes : list of str
        What the reader assumed, repaired or left out.
    by_step : bool
        Whether rows of one step are parts of one row, in any order (each key then has its own restarts).
    same_run : str
        Logs with the same mark are parts of one run, in this order (a resumed run).
    trainer : str
        The trainer's name where the format tells it.
    """

    rows: Iterable[Row]
    label: str = ""
    config: dict[str, Any] = field(default_factory=dict)
    stated: dict[str, Any] = field(default_factory=dict)
    extras: dict[str, Any] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    by_step: bool = False
    same_run: str = ""
    trainer: str = ""


class Format(Protocol):
    """The contract of a file in ``formats/``."""

    NAME: str
    ORDER: int

    def recognises(self, source: Source) -> bool:
        """Whether the source is of this format."""

    def read(self, source: Source) -> list[Log]:
        """Its runs."""


def _no_config(config: Mapping[str, Any]) -> dict[str, Any]:
    return {}


def _unknown(column: str, columns: Iterable[str], facts: Mapping[str, Any]) -> str:
    return "unknown"


@dataclass(frozen=True)
class Trainer:
    """What one trainer logs under which key, and what it means.

    Attributes
    ----------
    name : str
        As its project writes it.
    marks : tuple of str
        Keys that tell it from the others, lower case; * stands for any text; settings of its config as ``config/KEY``.
    names : mapping
        Keys of each variable of `bayes_grpo.runs.fields.STEP_FIELDS`, the preferred first, lower case, * as above.
    components : str
        Regular expression of keys with the mean of one reward function; its group 1 is the function's name.
    step_unit : {"optimizer", "rollout"}
        What its step counts: optimizer updates, or batches of rollouts.
    window : float, optional
        Optimizer steps that a row averages over, where the trainer fixes it; None where the spacing of rows tells.
    by_step : bool
        Whether it writes several rows for one step.
    constants : mapping
        Keys whose value, where it is the same in all rows, is a hyperparameter, by its name.
    derived : mapping
        Functions of columns that give a variable which no column holds: by variable, the keys and the function.
    spread : callable
        Meaning of its spread column, by column, all columns and config: one of `bayes_grpo.runs.fields.SPREADS`.
    hyperparameters : callable
        From its own config (flat, keys joined by '/') to the names of `bayes_grpo.runs.fields.RUN_FIELDS`.
    """

    name: str
    marks: tuple[str, ...]
    names: Mapping[str, tuple[str, ...]]
    components: str = r"(?:train/)?rewards?/([^/]+?)(?:/mean)?"
    step_unit: str = "optimizer"
    window: float | None = 1.0
    by_step: bool = False
    constants: Mapping[str, str] = field(default_factory=dict)
    derived: Mapping[str, tuple[tuple[str, ...], Callable[..., Any]]] = field(default_factory=dict)
    spread: Callable[[str, Iterable[str], Mapping[str, Any]], str] = _unknown
    hyperparameters: Callable[[Mapping[str, Any]], dict[str, Any]] = _no_config


@cache
def formats() -> tuple[Format, ...]:
    """All formats, in the order in which they are asked."""
    found: list[Any] = _modules("formats")
    return tuple(sorted(found, key=lambda module: (module.ORDER, module.NAME)))


@cache
def trainers() -> tuple[Trainer, ...]:
    """All trainers' key sets."""
    return tuple(module.TRAINER for module in _modules("trainers"))


def _modules(folder: str) -> list[Any]:
    package = import_module(f"bayes_grpo.readers.{folder}")
    return [import_module(f"{package.__name__}.{found.name}") for found in iter_modules(package.__path__)]
