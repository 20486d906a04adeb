"""Rows streamed into columns: 8 bytes for a value that a run can use, a name for all the rest."""

import re
from array import array
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from functools import cached_property
from math import nan
from typing import Any

import numpy as np

from bayes_grpo.errors import InputError, Note
from bayes_grpo.readers.log import Entry, Facts
from bayes_grpo.readers.values import mean_of, number, part_of

#: More different keys than this are no training log.
MOST_KEYS = 50_000
MOST_KEPT = 1_000
#: So many cells of a column that are no number are named.
MOST_FAULTS = 8
#: A number whose comma may be one of thousands or a decimal one.
_UNCLEAR = re.compile(r"[+-]?[1-9]\d{0,2},\d{3}")


@dataclass
class Numbers:
    """A column of numbers, NaN where a row has none.

    Text that is no number is counted, and the first of it kept by its row. Of text such as "12/10000" the first number
    is taken, and the last ``total`` kept. Text such as "1,210", whose comma may be one of thousands or a decimal one,
    is counted as unclear, with the first as an example.
    """

    values: array[float] = field(default_factory=lambda: array("d"))
    faults: dict[int, str] = field(default_factory=dict)
    total: float | None = None
    faulty: int = 0
    unclear: int = 0
    example: str = ""

    def put(self, row: int, value: Any) -> None:
        """Set the value of a row, the rows before it that had none included."""
        values = self.values
        if len(values) < row:
            values.extend([nan] * (row - len(values)))
        try:
            values.append(float(value) if type(value) is float or type(value) is int else number(value))
            if type(value) is str and "," in value and _UNCLEAR.fullmatch(value.strip()):
                self.unclear += 1
                self.example = self.example or value.strip()
        except (ValueError, OverflowError):
            if isinstance(value, list) and (mean := mean_of(value)) is not None:
                values.append(mean)
                return
            if part := part_of(value):
                values.append(part[0])
                self.total = part[1]
                return
            values.append(nan)
            self.faulty += 1
            if len(self.faults) < MOST_FAULTS:
                self.faults[row] = repr(value)[:60]


@dataclass
class Words:
    """A column of words, by code; code 0 is none."""

    codes: array[int] = field(default_factory=lambda: array("l"))
    words: dict[str, int] = field(default_factory=dict)

    def put(self, row: int, value: Any) -> None:
        """Set the value of a row, the rows before it that had none included."""
        if len(self.codes) < row:
            self.codes.extend([0] * (row - len(self.codes)))
        word = str(value)
        if word not in self.words and len(self.words) >= MOST_KEYS:
            word = ""
        self.codes.append(self.words.setdefault(word, len(self.words) + 1))


class Table:
    """The columns of a log.

    Attributes
    ----------
    numbers, words : dict
        `Numbers` and `Words` by key.
    others : dict
        Keys that were seen and not kept, in order; the values are True for those that held a number.
    length : int
        Number of rows.
    facts, notes
        What the log said of its run among its rows.
    """

    def __init__(self) -> None:
        self.numbers: dict[str, Numbers] = {}
        self.words: dict[str, Words] = {}
        self.others: dict[str, bool] = {}
        self.length = 0
        self.facts = Facts()
        self.notes: list[Note] = []

    def add(
        self, where: str, rows: Iterable[Entry], wanted: Callable[[str], bool], worded: Callable[[str], bool]
    ) -> None:
        """Take in rows, and what is said among them; may be called again for more rows of the same run.

        Parameters
        ----------
        where : str
            Named in faults.
        rows : iterable of dict, Facts or Note
            Empty and None cells of rows count as absent.
        wanted, worded : callable
            Whether a key's numbers, and a key's words, are kept.

        Raises
        ------
        InputError
            If there are more keys than a log can have.
        """
        columns: dict[Any, Numbers | Words | None] = {**self.numbers, **self.words}
        row = self.length
        for cells in rows:
            if type(cells) is not dict:
                self._hear(cells)
                continue
            for key, value in cells.items():
                if value is None or value == "" or key is None:
                    continue
                try:
                    column = columns[key]
                except KeyError:
                    column = columns[key] = self._column(where, str(key), wanted, worded, value)
                if column is not None:
                    column.put(row, value)
            row += 1
        self.length = row
        for kept in self.numbers.values():
            kept.values.extend([nan] * (row - len(kept.values)))
        for word in self.words.values():
            word.codes.extend([0] * (row - len(word.codes)))

    def _hear(self, entry: Entry) -> None:
        if isinstance(entry, Note):
            self.notes.append(entry)
        elif isinstance(entry, Facts):
            self.facts |= entry

    def _column(
        self, where: str, key: str, wanted: Callable[[str], bool], worded: Callable[[str], bool], value: Any
    ) -> Numbers | Words | None:
        kept = len(self.numbers) + len(self.words)
        if worded(key):
            return self.words.setdefault(key, Words())
        if wanted(key) and kept < MOST_KEPT:
            return self.numbers.setdefault(key, Numbers())
        if len(self.others) + kept >= MOST_KEYS:
            raise InputError(
                where, f"expected the columns of a training log, found more than {MOST_KEYS} different ones"
            )
        self.others[key] = isinstance(value, (int, float))
        return None

    @cached_property
    def arrays(self) -> dict[str, np.ndarray]:
        """The numbers of each key as an array, shape (rows,); not to be asked for before all rows are in."""
        return {key: np.frombuffer(column.values, dtype=float) for key, column in self.numbers.items()}

    def put(self, key: str, values: np.ndarray) -> None:
        """Add a column that was worked out, or replace one."""
        self.arrays[key] = values
        self.numbers.setdefault(key, Numbers())

    def codes(self, key: str) -> np.ndarray:
        """The codes of a column of words, shape (rows,)."""
        return np.frombuffer(self.words[key].codes, dtype=np.dtype("l"))
