"""Columns worked out from others: sums, differences, products and quotients of a log's columns and numbers."""

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field

import numpy as np

from bayes_grpo.errors import InputError
from bayes_grpo.readers.keys import plain
from bayes_grpo.runs.fields import STEP_FIELDS

_NUMBER = re.compile(r"\d+\.?\d*(?:[eE][+-]?\d+)?|\.\d+(?:[eE][+-]?\d+)?")
_WORD = re.compile(r"[^\s()+*,]+")
_OPERATIONS: dict[str, Callable[[np.ndarray, np.ndarray], np.ndarray]] = {
    "+": np.add,
    "-": np.subtract,
    "*": np.multiply,
    "/": np.divide,
}


def check_columns(stated: Mapping[str, str]) -> None:
    """Refuse names that are no variable of a run.

    Raises
    ------
    InputError
        Listing every unknown name and empty expression.
    """
    faults = [
        f"--column: unknown name {name!r}; known are {', '.join(STEP_FIELDS)}"
        for name in stated
        if name not in STEP_FIELDS
    ]
    faults += [
        f"--column {name}: expected a column or an expression, found nothing"
        for name, t in stated.items()
        if not t.strip()
    ]
    if faults:
        raise InputError("command line", faults)


def mentions(expression: str, key: str) -> bool:
    """Whether an expression may speak of a column."""
    return plain(key) in plain(expression) or key in expression


def evaluate(
    where: str, name: str, expression: str, columns: Mapping[str, np.ndarray], others: Iterable[str] = ()
) -> tuple[np.ndarray, list[str]]:
    """Work out a column.

    Parameters
    ----------
    where, name : str
        Named in faults.
    expression : str
        Columns, numbers, ``+ - * /`` and parentheses. The longest name of a column that fits is taken, so
        ``train/reward`` is the column of that name where there is one, and a quotient otherwise. Names may stand in
        quotes.
    columns : mapping of numpy.ndarray
        The columns that may be named.
    others : iterable of str
        Further columns of the log, for messages.

    Returns
    -------
    tuple
        The values, NaN where a column has none, and the columns that were used.

    Raises
    ------
    InputError
        Where the expression names no column, or is none.
    """
    whole = next((column for column in columns if expression.strip() in (column, plain(column))), None)
    if whole is not None:
        return columns[whole], [whole]
    try:
        parser = _Parser(
            expression, sorted(columns, key=len, reverse=True), columns, others=sorted({*columns, *others})
        )
        with np.errstate(all="ignore"):
            values = parser.sum()
            parser.end()
    except _Fault as fault:
        raise InputError(where, f"--column {name}={expression}: {fault}") from fault
    if not parser.used:
        raise InputError(where, f"--column {name}={expression}: expected at least one column, found numbers only")
    return np.where(np.isfinite(values), values, np.nan), parser.used


class _Fault(Exception):
    """What is wrong with an expression."""


@dataclass
class _Parser:
    """Reads an expression from left to right; products bind before sums."""

    text: str
    names: list[str]
    columns: Mapping[str, np.ndarray]
    at: int = 0
    others: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.used: list[str] = []

    def sum(self) -> np.ndarray:
        """Terms with + and - between them."""
        value = self.product()
        while (sign := self._next()) and sign in "+-":
            self.at += 1
            value = _OPERATIONS[sign](value, self.product())
        return value

    def product(self) -> np.ndarray:
        """Factors with * and / between them."""
        value = self.factor()
        while (sign := self._next()) and sign in "*/":
            self.at += 1
            value = _OPERATIONS[sign](value, self.factor())
        return value

    def factor(self) -> np.ndarray:
        """A number, a column, a negated factor, or a sum in parentheses."""
        sign = self._next()
        if sign == "-":
            self.at += 1
            return -self.factor()
        if sign == "(":
            self.at += 1
            value = self.sum()
            if self._next() != ")":
                raise _Fault("expected a closing parenthesis")
            self.at += 1
            return value
        column = self._column()
        if column is not None:
            self.used.append(column)
            return self.columns[column]
        if match := _NUMBER.match(self.text, self.at):
            self.at = match.end()
            return np.array(float(match[0]))
        unknown = _WORD.match(self.text, self.at)
        known = ", ".join(self.others[:20])
        raise _Fault(
            f"no column {unknown[0]!r}; found {known}" if unknown else "expected a column or a number at its end"
        )

    def end(self) -> None:
        """Refuse what is left over."""
        if self._next():
            raise _Fault(f"expected + - * / after column or number, found {self.text[self.at :].strip()[:40]!r}")

    def _next(self) -> str:
        while self.at < len(self.text) and self.text[self.at].isspace():
            self.at += 1
        return self.text[self.at : self.at + 1]

    def _column(self) -> str | None:
        """The longest name that stands here, in quotes or not."""
        quote = self.text[self.at : self.at + 1]
        start = self.at + (quote in "'\"`" if quote else 0)
        for name in self.names:
            for form in _forms(name):
                end = start + len(form)
                if self.text[start:end].lower() == form.lower() and not self._goes_on(end):
                    self.at = end + (start > self.at)
                    return name
        return None

    def _goes_on(self, at: int) -> bool:
        """Whether a word goes on here, so that only a part of it fits."""
        return at < len(self.text) and (self.text[at].isalnum() or self.text[at] == "_")


def _forms(name: str) -> Iterable[str]:
    return (name,) if plain(name) == name.lower() else (name, plain(name))
