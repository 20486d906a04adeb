"""Where a run begins among printed rows that carry no step: at a falling epoch or bar, or after the summary."""

import math

from bayes_grpo.readers.column_words import variable_of
from bayes_grpo.readers.log import Row
from bayes_grpo.readers.printed_bars import Fall
from bayes_grpo.readers.values import is_number, number

#: Whole epochs that fall before so many rows are passes over one batch, which begin no run.
_FEWEST = 5
#: A learning rate is the first one again within this share of it.
_SAME = 0.01


class RunStarts:
    """The epochs of the run at hand, as its rows are read one after another."""

    def __init__(self) -> None:
        self._first = self._last = math.nan
        self._rows = 0
        self._ended = False
        self._whole = True
        self._cyclic = False
        self._first_rate = self._last_rate = math.nan

    def end(self) -> None:
        """Take in the summary that a trainer prints at the end of training."""
        self._ended = True

    def begins(self, row: Row, fall: Fall | None = None) -> bool:
        """Take in a row of training or evaluation; whether another run begins with it.

        An epoch that falls to the run's first or below begins a run, and after the summary any that falls. Where no
        epoch is logged, the summary alone ends a run, or a progress bar that began anew (``fall``). One that was at its
        end may be the bar of the next epoch, unless the learning rate is the first one again, too. Where the epoch
        goes on, so does the run.
        """
        epoch, rate = _epoch(row), _rate(row)
        self._whole &= math.isnan(epoch) or epoch.is_integer()
        if epoch < self._last and self._whole and not self._ended and self._rows < _FEWEST:
            self._cyclic = True
        if self._cyclic:
            epoch = self._last = math.nan
        falls = epoch < self._last
        begun = falls and (self._ended or epoch <= self._first)
        if math.isnan(epoch) and math.isnan(self._last):
            anew = fall is not None and (not fall.at_end or self._rate_begins_anew(rate))
            begun = (self._ended and self._rows > 0) or (anew and self._rows >= _FEWEST)
        if begun or not self._rows:
            self._first = epoch
            self._first_rate = self._last_rate = math.nan
            self._rows = 0
        if not math.isnan(rate):
            self._last_rate = rate
            if math.isnan(self._first_rate):
                self._first_rate = rate
        self._rows += 1
        self._ended = False
        if begun or not math.isnan(epoch):
            self._last = epoch
        return begun

    def _rate_begins_anew(self, rate: float) -> bool:
        """Whether the learning rate is the run's first one again, and was another."""
        near = _SAME * abs(self._first_rate)
        return abs(rate - self._first_rate) <= near and abs(self._last_rate - self._first_rate) > 5 * near


def _rate(row: Row) -> float:
    rates = (value for key, value in row.items() if (variable_of(key) or ("", 0))[0] == "learning_rate")
    return next((number(rate) for rate in rates if is_number(rate) and "/" not in str(rate)), math.nan)


def _epoch(row: Row) -> float:
    value = row.get("epoch")
    return number(value) if is_number(value) and "/" not in str(value) else math.nan
