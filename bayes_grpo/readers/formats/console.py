"""Console output: rows among anything else that was printed, in one of the dialects of ``consoles/``."""

import re
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

from bayes_grpo.readers.as_printed import AsPrinted
from bayes_grpo.readers.column_words import reward_rank
from bayes_grpo.readers.contract import Dialect, dialects
from bayes_grpo.readers.formats.table import looks_like_table
from bayes_grpo.readers.log import Entry, Log, Row, Source
from bayes_grpo.readers.printed import has_step, lines_for, of_bars, rows_of
from bayes_grpo.readers.printed_bars import Bars
from bayes_grpo.readers.text import holds_messages, is_json, lines_of, open_text, text_head

NAME = "console output"
ORDER = 75

#: What a row's line, or a line of its block, speaks of.
_SPEAKS = re.compile(r"reward|\bscores?\b|/score|\breturn|accuracy|(?:\b|_)(?:rew|rwd)s?(?:\b|_)", re.IGNORECASE)
#: Lines looked at together for the rows of a dialect, and how many rows settle which one it is.
_LOOKED_AT, _SETTLED = 4_000, 3
_LONGEST = 1 << 20


def recognises(source: Source) -> bool:
    """Text, no JSON and no table, with a row of some dialect in it."""
    if source.is_folder or source.address or not text_head(source).strip():
        return False
    if (is_json(source) and not holds_messages(source)) or looks_like_table(source):
        return False
    return dialect_of(source) is not None


def read(source: Source) -> list[Log]:
    """Rows of all lines that hold one."""
    dialect = dialect_of(source)
    return [Log(_rows(source.path, dialect))] if dialect is not None else []


def _rows(path: Path, dialect: Dialect) -> Iterator[Entry]:
    with open_text(path, errors="replace") as file:
        lines = AsPrinted(lines_of(file, path))
        yield from rows_of(lines, dialect)
        yield from lines.notes()


def dialect_of(source: Source) -> Dialect | None:
    """The dialect of the first rows in a file, whatever stands before them; None where there is no row."""
    if "dialect" not in source.memo:
        with open_text(source.path, errors="replace") as file:
            source.memo["dialect"] = best_dialect(iter(AsPrinted(lines_of(file, source.path))))
    dialect: Dialect | None = source.memo["dialect"]
    return dialect


def best_dialect(lines: Iterator[str]) -> Dialect | None:
    """The dialect that finds most rows with a reward where lines first speak of one; of equals the most certain.

    Rows without a step, where a dialect's rows should have one, are taken for rows only if there are no others at all,
    and figures behind a progress bar only if no line holds a row.
    """
    held: list[str] = []
    last_resort: Dialect | None = None
    while piece := list(islice(lines, _LOOKED_AT)):
        if any(_SPEAKS.search(line) for line in piece if len(line) < _LONGEST):
            scores = {dialect: _rewards(dialect, [*held, *piece]) for dialect in dialects()}
            if any(sure for dialect, (sure, _) in scores.items() if not of_bars(dialect)):
                scores = {dialect: score for dialect, score in scores.items() if not of_bars(dialect)}
            most = max(sure for sure, _ in scores.values())
            best = next((dialect for dialect, (sure, _) in scores.items() if sure >= max(1, most / 2)), None)
            if most >= _SETTLED:
                return best
            last_resort = best or last_resort or next((dialect for dialect, (_, all_) in scores.items() if all_), None)
        held = piece[-200:]
    return last_resort


def _rewards(dialect: Dialect, lines: list[str]) -> tuple[int, int]:
    """Rows with a reward that a dialect finds in lines: those that it is sure of, and all."""
    rows = [row for row in dialect.rows(lines_for(dialect, lines, Bars())) if has_reward(row)]
    return sum(dialect.COUNTED or has_step(row) for row in rows), len(rows)


def has_reward(row: Row) -> bool:
    """Whether a row holds what may be a mean reward, of training or of an evaluation."""
    return any(reward_rank(key) is not None or "reward" in key.lower() for key in row)
