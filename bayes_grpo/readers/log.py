"""What the stages of reading hand on: a source, its log with rows and facts, and in the end a run with its account."""

import stat
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import xarray as xr

from bayes_grpo.errors import InputError, Note

Row = dict[str, Any]

#: Key under which a format without steps counts its training rows, from 1.
COUNT = "row of the log"
#: Key under which a console log gives the position of the trainer's progress bar.
BAR = "progress bar"
#: Key under which a console log gives the process that printed a row.
RANK = "rank of the process"
#: Keys of those that the log itself does not hold.
HIDDEN = frozenset({COUNT, BAR, RANK})

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
    extras : mapping
        What else a hyperparameters file may say: ``spread``, ``trl_version``, ...; it wins over the file's.
    """

    hyperparameters: Mapping[str, Any] = field(default_factory=dict)
    reward_column: str | None = None
    step_column: str | None = None
    run_column: str | None = None
    step_unit: str | None = None
    columns: Mapping[str, str] = field(default_factory=dict)
    appended: str = ""
    extras: Mapping[str, Any] = field(default_factory=dict)


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
