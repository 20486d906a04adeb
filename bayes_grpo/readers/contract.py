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
progress bars into rows; with ``OF_BARS = True``, lines as they are, with their progress bars.

A file in ``trainers/`` names what one trainer logs. It defines ``TRAINER``, a `Trainer`.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from importlib import import_module
from pkgutil import iter_modules
from typing import Any, Protocol, runtime_checkable

from bayes_grpo.readers.log import Log, Options, Reading, Row, Source


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
    timed_by_batch : bool
        Whether its step time is that of a whole batch of rollouts although its step counts optimizer updates.
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
    timed_by_batch: bool = False
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
    return [import_module(f"{package.__name__}.{module.name}") for module in iter_modules(package.__path__)]
