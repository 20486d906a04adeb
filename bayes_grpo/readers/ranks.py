"""Rows that several processes of one training each print for the same step: their mean is the row of the step."""

import re

import numpy as np

from bayes_grpo.errors import InputError, Note
from bayes_grpo.readers.gather_columns import Table
from bayes_grpo.readers.log import COUNT, HIDDEN, RANK, reading_note

#: What launchers and scripts put before a line, or at its begin, to say which process printed it. No time of day.
_LABEL = re.compile(
    r"(?<![A-Za-z])(?:[Rr]ank|RANK|GPU|gpu|default)[ _:=#]{0,2}(\d{1,5})(?=[\]):|,\s-])|"
    r"^\s{0,8}(?:(\d{1,5}):(?![\d])|\[(\d{1,5})\](?::|\s)|\(([\w.:]{1,80}(?:\([^()]{0,80}\))? pid=)(\d+))"
)
_WITHIN = 80
#: Names of columns that say which process wrote a row.
_COLUMNS = frozenset({"rank", "local_rank", "global_rank", "dp_rank", "process_index", "process_rank"})
#: Share of steps that as many processes must have printed as most.
_ALIKE = 0.8
#: Processes of one training print in turn: so many rows each, and another one than before in this share of rows.
_FEWEST, _TURNS = 3, 0.4


class Ranks:
    """Processes by the labels of their lines."""

    def __init__(self) -> None:
        self.label = ""
        self._kind = ""

    def see(self, line: str) -> None:
        """Take in the label of a line, which holds until the next line."""
        match = _LABEL.search(line, 0, _WITHIN)
        self.label = "" if match is None else f"{match[4] or ''} {match[1] or match[2] or match[3] or match[5]}"

    def number(self) -> int | None:
        """The process that printed the last line; None where none is named, or one of another kind than before."""
        if not self.label:
            return None
        kind, _, number = self.label.rpartition(" ")
        self._kind = self._kind or kind
        return int(number) if kind == self._kind else None


def is_rank(key: str) -> bool:
    """Whether a column says which process wrote a row."""
    return key == RANK or key.lower() in _COLUMNS


def mean_over_ranks(where: str, table: Table, step: str, reward: str, rows: np.ndarray) -> list[Note]:
    """Put the mean over processes in the first of their rows of each step, and nothing in the others.

    Parameters
    ----------
    where : str
        Named in faults.
    table : Table
        The log; its columns are replaced where several processes have a reward at the same steps.
    step, reward : str
        Its columns.
    rows : numpy.ndarray
        Which rows are of training, shape (rows,).

    Returns
    -------
    list of Note
        What was done; empty where a single process printed each step.

    Raises
    ------
    InputError
        Where processes print the same steps and nobody can tell which rows belong together.
    """
    column = next((key for key in table.arrays if is_rank(key)), None)
    if column is None or step not in table.arrays or reward not in table.arrays:
        return []
    rank = table.arrays[column]
    held = rows & np.isfinite(rank) & np.isfinite(table.arrays[reward])
    if np.unique(rank[held]).size < 2:
        return []
    if COUNT in table.arrays and np.isfinite(table.arrays[COUNT][held]).any():
        _check_counted(where, rank[held])
        return []
    at = np.flatnonzero(held & np.isfinite(table.arrays[step]))
    if not _in_turn(rank[at]):
        return []  # runs that were appended, or numbers of lines
    pairs, times = np.unique(np.stack([table.arrays[step][at], rank[at]]), axis=1, return_counts=True)
    steps, counts = np.unique(pairs[0], return_counts=True)
    if np.mean(counts > 1) < 1 - _ALIKE:
        return []
    number = np.unique(pairs[1]).size
    if (times > 1).any() or np.mean(counts == number) < _ALIKE:
        odd = pairs[0][times > 1] if (times > 1).any() else steps[counts != number]
        raise InputError(
            where,
            f"optimizer_step: expected each of {number} ranks to print each step once, found step {odd[0]:g} twice "
            "from one rank, or from some of them only; keep the lines of one rank",
        )
    kept = steps[counts == number]
    _average(table, step, rows & np.isfinite(rank), kept)
    text = f"rows of {number} ranks at each step: their mean was taken, which holds where each has as many completions"
    if kept.size < steps.size:
        text += f"; {steps.size - kept.size} steps that lack a rank were left out"
    return [reading_note("reward", text)]


def _in_turn(rank: np.ndarray) -> bool:
    """Whether processes print again and again, and in turn."""
    _, counts = np.unique(rank, return_counts=True)
    return bool(counts.size and counts.min() >= _FEWEST and np.count_nonzero(np.diff(rank)) > _TURNS * rank.size)


def _check_counted(where: str, rank: np.ndarray) -> None:
    """Refuse rows without a step that several processes printed in turn: counted, they would be steps of their own."""
    if _in_turn(rank):
        raise InputError(
            where,
            f"optimizer_step: expected rows that say their step, or rows of one rank, found rows of "
            f"{np.unique(rank).size} ranks without a step; keep the lines of one rank",
        )


def _average(table: Table, step: str, rows: np.ndarray, kept: np.ndarray) -> None:
    """Means over the rows of each of the kept steps; the rows of other steps are emptied."""
    at = np.flatnonzero(rows & np.isfinite(table.arrays[step]))
    steps, first, place = np.unique(table.arrays[step][at], return_index=True, return_inverse=True)
    whole = np.isin(steps, kept)
    for key, values in table.arrays.items():
        if key in HIDDEN or key == step:
            continue
        of_rows = values[at]
        finite = np.isfinite(of_rows)
        number = np.bincount(place[finite], minlength=steps.size)
        total = np.bincount(place[finite], of_rows[finite], minlength=steps.size)
        mean = np.where(whole & (number > 0), total / np.maximum(number, 1), np.nan)
        replaced = values.copy()
        replaced[at] = np.nan
        replaced[at[first]] = mean
        table.put(key, replaced)
