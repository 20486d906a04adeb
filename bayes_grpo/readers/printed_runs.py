"""Where a run begins among printed rows that carry no step: at a falling epoch, or after the summary of training."""

import math

from bayes_grpo.readers.log import Row
from bayes_grpo.readers.values import is_number, number

#: Whole epochs that fall before so many rows are passes over one batch, which begin no run.
_FEWEST = 5


class RunStarts:
    """The epochs of the run at hand, as its rows are read one after another."""

    def __init__(self) -> None:
        self._first = self._last = math.nan
        self._rows = 0
        self._ended = False
        self._whole = True
        self._cyclic = False

    def end(self) -> None:
        """Take in the summary that a trainer prints at the end of training."""
        self._ended = True

    def begins(self, row: Row) -> bool:
        """Take in a row of training or evaluation; whether another run begins with it.

        An epoch that falls to the run's first or below begins a run, and after the summary any that falls. Where no
        epoch is logged, the summary alone ends a run; where the epoch goes on after it, so does the run.
        """
        epoch = _epoch(row)
        self._whole &= math.isnan(epoch) or epoch.is_integer()
        if epoch < self._last and self._whole and not self._ended and self._rows < _FEWEST:
            self._cyclic = True
        if self._cyclic:
            epoch = self._last = math.nan
        falls = epoch < self._last
        begun = falls and (self._ended or epoch <= self._first)
        if self._ended and self._rows and math.isnan(epoch) and math.isnan(self._last):
            begun = True
        if begun or not self._rows:
            self._first = epoch
            self._rows = 0
        self._rows += 1
        self._ended = False
        if begun or not math.isnan(epoch):
            self._last = epoch
        return begun


def _epoch(row: Row) -> float:
    value = row.get("epoch")
    return number(value) if is_number(value) and "/" not in str(value) else math.nan
