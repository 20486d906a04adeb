"""What is said of input and results: the one exception for input that cannot be used, and notes as data."""

import json
import unicodedata
from collections.abc import Iterable
from typing import NamedTuple

#: What a note can be, and what it then says.
KINDS = {
    "not_converged": "the fit cannot be believed",
    "alarm": "the run itself is in trouble",
    "assumption": "something was unknown and had to be assumed",
    "reading": "the reader of the log guessed or dropped something",
    "little_learned": "the rewards say little about a parameter",
    "prior_conflict": "prior and rewards disagree about a parameter",
    "left_out": "a run or a model was left out",
    "limit": "the answer has a limit",
}


#: Categories of characters that a terminal or a browser would act on, or that cannot be seen.
_UNSEEN = ("Cc", "Cf", "Cs", "Zl", "Zp", "Cn")


def printable(text: str, keep: str = "\n\t") -> str:
    """Text from a log as it can be shown: control and direction marks, but those in ``keep``, become escapes.

    Names of runs and columns are anybody's: one may hold a terminal's escape sequences.
    """
    if text.isascii() and text.isprintable():
        return text
    return "".join(
        ascii(mark)[1:-1] if mark not in keep and unicodedata.category(mark) in _UNSEEN else mark for mark in text
    )


class Note(NamedTuple):
    """Something that the reader of a result should know.

    Parameters
    ----------
    kind : str
        One of `KINDS`; code asks for this, never for words of the text.
    subject : str
        What it is about: a parameter, a quantity of the run, a channel, a run or a file. Several are joined by ', '; ''
        stands for the whole result.
    text : str
        A sentence for a person.
    """

    kind: str
    subject: str
    text: str

    def __str__(self) -> str:
        return f"NOT CONVERGED: {self.text}" if self.kind == "not_converged" else self.text

    def concerns(self, subject: str) -> bool:
        """Whether the note is about a subject, alone or among others."""
        return subject in self.subject.split(", ")


def write_notes(notes: Iterable[Note]) -> str:
    """Notes as JSON, for the attributes of a saved result."""
    return json.dumps([note._asdict() for note in notes])


def read_notes(text: str, kind: str = "limit") -> tuple[Note, ...]:
    """Notes from JSON; plain sentences, as version 0.1.0 stored them, become notes of ``kind`` without a subject."""
    return tuple(Note(**entry) if isinstance(entry, dict) else Note(kind, "", str(entry)) for entry in json.loads(text))


class InputError(ValueError):
    """Input that cannot be used; carries every fault found, each once, not just the first.

    Parameters
    ----------
    where : str
        The file, model or option the faults belong to.
    faults : str or iterable of str
        One sentence a fault: the field, what was expected, what was found, the cure.
    count : int, optional
        How many faults there are, where only the first are listed.

    Notes
    -----
    The command line prints the message without a traceback and exits with code 2.
    """

    def __init__(self, where: str, faults: str | Iterable[str], count: int | None = None) -> None:
        self.where = where
        self.faults = [faults] if isinstance(faults, str) else list(dict.fromkeys(faults))
        self.count = len(self.faults) if count is None else count
        if self.count > len(self.faults):
            self.faults.append(f"and {self.count - len(self.faults)} more")
        if len(self.faults) == 1:
            message = f"{where}: {self.faults[0]}"
        else:
            listed = "\n".join(f"  - {fault}" for fault in self.faults)
            message = f"{where}: {self.count} faults\n{listed}"
        super().__init__(printable(message))

    def __reduce__(self) -> tuple[type["InputError"], tuple[str, list[str], int]]:
        """How it is pickled, on its way from a process to another."""
        named = self.faults if self.count == len(self.faults) else self.faults[:-1]
        return type(self), (self.where, named, self.count)


class NoRewardError(InputError):
    """A log that holds no reward, as of supervised training; where other runs are read beside it, it is left out."""
