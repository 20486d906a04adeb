"""What a format's reader, a console dialect and a trainer's key set are; each is one file, found in its folder.

A file in ``formats/`` reads one kind of file or folder. It defines

- ``NAME``: what the format is called in messages;
- ``ORDER``: formats are asked in rising order, the one with the surest mark first;
- ``recognises(source)``: whether a `Source` is of this format, by its content;
- ``read(source)``: its `Log` objects, one a run. Reading rows may wait until they are asked for;
- ``ANYTHING = True``, only where files of the format may hold anything: a search takes those that speak of rewards and
  steps;
- ``read_whole(source, options, name)``, only where files hold runs as they are: its `Reading` objects.

A file in ``consoles/`` reads the rows that one kind of program prints. It defines ``NAME``, ``ORDER``,
``COUNTED`` (whether its rows may lack a step) and ``rows(lines)``, which turns lines without colours, prefixes and
progress bars into rows.

A file in ``trainers/`` names what one trainer logs. It defines ``TRAINER``, a `Trainer`.
"""

import stat
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache, cached_property
from importlib import import_module
from pathlib import Path
from pkgutil import iter_modules
from typing import Any, Protocol, runtime_checkable

import xarray as xr

from bayes_grpo.errors import InputError, Note

Row = dict[str, Any]

#: Key under which a format without steps counts its training rows, from 1.
COUNT = "row of the log"
#: Key under which a console log gives the position of the trainer's progress bar.
BAR = "progress bar"

#: How much of a file is looked at to find its format.
HEAD = 1 << 16


def reading_note(subject: str, text: str) -> Note:
    """A note of what a reader assumed, repaired or left out; ``subject`` is the column or file it is about."""
    return Note("reading", subject, text)


@dataclass(frozen=True)
class Source:
    """A file, a folder, or the address of a tracked run.

    Attributes
    ----------
    path : Path
        Where it lies.
    address : str
        Of a run on a tracker's server.
    memo : dict
        What a format learnt in recognising it, for its reader.
    """

    path: Path
    address: str = ""
    memo: dict[str, Any] = field(default_factory=dict, compare=False, repr=False)

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


@dataclass(frozen=True)
class Facts:
    """What a log says of its run beside the rows.

    Attributes
    ----------
    config : mapping
        Hyperparameters by the trainer's own names, flat or nested.
    stated : mapping
        Hyperparameters by the names of `bayes_grpo.runs.fields.RUN_FIELDS`, for formats that know them.
    extras : mapping
        As in a hyperparameters file: ``spread``, ``trl_version``, ...
    """

    config: Mapping[str, Any] = field(default_factory=dict)
    stated: Mapping[str, Any] = field(default_factory=dict)
    extras: Mapping[str, Any] = field(default_factory=dict)

    def __or__(self, other: "Facts") -> "Facts":
        """Both; where both know something, the other's word holds."""
        return Facts({**self.config, **other.config}, {**self.stated, **other.stated}, {**self.extras, **other.extras})


#: What a log is made of: rows, and among them what is learnt of the run, and notes, as reading goes on.
Entry = Row | Facts | Note


@dataclass(frozen=True)
class Log:
    """One run as a format's reader hands it on.

    Attributes
    ----------
    rows : iterable of dict, Facts or Note
        Logged rows, by the keys under which the trainer wrote them, and among them facts and notes. They are consumed
        once, so that a long log is never held.
    label : str
        The run's name where the format carries one.
    facts : Facts
        What is known of the run before its rows are read.
    notes : tuple of Note
        What the reader assumed before the rows are read.
    by_step : bool
        Whether rows of one step are parts of one row, in any order (each key then has its own restarts).
    same_run : str
        Logs with the same mark are parts of one run, in this order (a resumed run).
    trainer : str
        The trainer's name where the format tells it.
    run_column : str
        The column that tells several runs apart, where the format has one.
    """

    rows: Iterable[Entry]
    label: str = ""
    facts: Facts = Facts()
    notes: tuple[Note, ...] = ()
    by_step: bool = False
    same_run: str = ""
    trainer: str = ""
    run_column: str = ""


@dataclass(frozen=True)
class Options:
    """What the user states of a log.

    Attributes
    ----------
    hyperparameters : mapping
        By the names of `bayes_grpo.runs.fields.RUN_FIELDS`.
    reward_column, step_column, run_column : str, optional
        Columns by their name in the log.
    step_unit : {"optimizer", "rollout"}, optional
        What its steps count.
    columns : mapping
        Expressions of the log's columns, by the names of `bayes_grpo.runs.fields.STEP_FIELDS`.
    appended : str
        Which of several runs in one file: a number from 1, or ``last``; '' where there is one.
    """

    hyperparameters: Mapping[str, Any] = field(default_factory=dict)
    reward_column: str | None = None
    step_column: str | None = None
    run_column: str | None = None
    step_unit: str | None = None
    columns: Mapping[str, str] = field(default_factory=dict)
    appended: str = ""


@dataclass
class Reading:
    """A run, and how it was understood.

    Attributes
    ----------
    run : xarray.Dataset
        Dims (run=1, step).
    format, trainer : str
        What wrote the file, and whose key set its rows bear ('' where none was recognised).
    told_by : list of str
        The keys by which the trainer was told.
    columns : dict
        The column of each variable.
    components : dict
        The column of each reward function.
    unused : list of str
        Columns and settings from which nothing was taken.
    origins : dict
        Where each known hyperparameter comes from.
    notes : list of Note
        What was assumed, repaired or left out.
    """

    run: xr.Dataset
    format: str
    trainer: str
    told_by: list[str]
    columns: dict[str, str]
    components: dict[str, str]
    unused: list[str]
    origins: dict[str, str]
    notes: list[Note]

    def add_notes(self, *notes: Note) -> None:
        """Note something more, on the run too."""
        self.notes += notes
        lines = "\n".join(map(str, self.notes))
        self.run = self.run.assign(notes=(("run",), [lines] * self.run.sizes["run"]))


class Format(Protocol):
    """The contract of a file in ``formats/``."""

    NAME: str
    ORDER: int

    def recognises(self, source: Source) -> bool:
        """Whether the source is of this format."""

    def read(self, source: Source) -> list[Log]:
        """Its runs."""


@runtime_checkable
class WholeFormat(Protocol):
    """A format whose files hold runs as they are, with nothing to be guessed."""

    NAME: str
    ORDER: int

    def recognises(self, source: Source) -> bool:
        """Whether the source is of this format."""

    def read(self, source: Source) -> list[Log]:
        """Its runs as logs."""

    def read_whole(self, source: Source, options: Options, name: str | None) -> list[Reading]:
        """Its runs, with what is stated now put over what they hold."""


class Dialect(Protocol):
    """The contract of a file in ``consoles/``; rows without a step are believed only where ``COUNTED`` is true."""

    NAME: str
    ORDER: int
    COUNTED: bool

    def rows(self, lines: Iterable[str]) -> Iterator[Row]:
        """Rows in printed lines."""


def _no_config(config: Mapping[str, Any]) -> dict[str, Any]:
    return {}


@dataclass(frozen=True)
class Spread:
    """What a spread column means: one of `bayes_grpo.runs.fields.SPREADS`, and why, where that is to be said."""

    meaning: str = "unknown"
    reason: str = ""


def _unknown(column: str, columns: Iterable[str], facts: Mapping[str, Any]) -> Spread:
    return Spread()


@dataclass(frozen=True)
class Trainer:
    """What one trainer logs under which key, and what it means.

    A key is written in lower case. In it * stands for any text; a key that begins with ^ is a regular expression.

    Attributes
    ----------
    name : str
        As its project writes it.
    marks : tuple of str
        Keys that tell it from the others; settings of its config as ``config/KEY``.
    names : mapping
        Keys of each variable of `bayes_grpo.runs.fields.STEP_FIELDS`, the preferred first.
    checked : str
        The version whose source, or whose logs, the keys were checked against; shown in the documentation.
    based_on : str
        The trainer that it grew out of: that one's marks count for it, and its names hold for variables not named here.
    components : str
        Regular expression of keys with the mean of one reward function; its group 1 is the function's name.
    step_unit : {"optimizer", "rollout"}
        What its step counts: optimizer updates, or batches of rollouts.
    rollout_clock : tuple of str
        Keys that count batches of rollouts in rows of their own, where other rows count optimizer updates.
    window : float, optional
        Optimizer steps that a row averages over, where the trainer fixes it; None where the spacing of rows tells.
    by_step : bool
        Whether it writes several rows for one step.
    constants : mapping
        Keys whose value, where it is the same in all rows, is a hyperparameter, by its name.
    from_keys : mapping
        Regular expressions of keys whose group 1 is a hyperparameter, by its name.
    derived : mapping
        Functions of columns that give a variable which no column holds: by variable, the keys and the function. A key
        with * is the sum of the columns that it matches; ``config/KEY`` is a setting.
    beside : tuple of str
        Names of JSON files beside a log that hold the run's config.
    spread : callable
        Meaning of its spread column, by column, all columns and config.
    hyperparameters : callable
        From its own config (flat, keys joined by '/') to the names of `bayes_grpo.runs.fields.RUN_FIELDS`.
    """

    name: str
    marks: tuple[str, ...]
    names: Mapping[str, tuple[str, ...]]
    checked: str = ""
    based_on: str = ""
    components: str = r"(?:train/)?rewards?/([^/]+?)(?:/mean)?"
    step_unit: str = "optimizer"
    rollout_clock: tuple[str, ...] = ()
    window: float | None = 1.0
    by_step: bool = False
    constants: Mapping[str, str] = field(default_factory=dict)
    from_keys: Mapping[str, str] = field(default_factory=dict)
    derived: Mapping[str, tuple[tuple[str, ...], Callable[..., Any]]] = field(default_factory=dict)
    beside: tuple[str, ...] = ()
    spread: Callable[[str, Iterable[str], Mapping[str, Any]], Spread] = _unknown
    hyperparameters: Callable[[Mapping[str, Any]], dict[str, Any]] = _no_config


@cache
def formats() -> tuple[Format, ...]:
    """All formats, in the order in which they are asked."""
    return _in_order("formats")


@cache
def dialects() -> tuple[Dialect, ...]:
    """All console dialects, the most certain first."""
    return _in_order("consoles")


@cache
def trainers() -> tuple[Trainer, ...]:
    """All trainers' key sets."""
    return tuple(module.TRAINER for module in _modules("trainers"))


def _in_order(folder: str) -> tuple[Any, ...]:
    return tuple(sorted(_modules(folder), key=lambda module: (module.ORDER, module.NAME)))


def _modules(folder: str) -> list[Any]:
    package = import_module(f"bayes_grpo.readers.{folder}")
    return [import_module(f"{package.__name__}.{found.name}") for found in iter_modules(package.__path__)]
