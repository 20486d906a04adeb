"""Markdown tables, as they are pasted into issues and model cards, among any other text."""

import re
from collections.abc import Iterable, Iterator

from bayes_grpo.readers.column_words import reward_rank, step_rank
from bayes_grpo.readers.log import Entry, Log, Row, Source, reading_note
from bayes_grpo.readers.text import lines_of, open_text, text_head

NAME = "Markdown table"
ORDER = 73

_RULE = re.compile(r"^\s*\|?\s*:?-+:?\s*(?:\|\s*:?-+:?\s*)+\|?\s*$")
#: Longer files hold more than tables.
_LARGEST = 1 << 27


def recognises(source: Source) -> bool:
    """A header with a step or a reward over a line of dashes."""
    if source.is_folder or source.address or "|" not in text_head(source):
        return False
    if _has_table(text_head(source).splitlines()):
        return True
    if source.path.stat().st_size > _LARGEST or source.path.suffix.lower() not in (".md", ".markdown"):
        return False
    with open_text(source.path, errors="replace") as file:
        return _has_table(file)


def read(source: Source) -> list[Log]:
    """The rows of the longest table with a reward."""
    with open_text(source.path, errors="replace") as file:
        tables: list[list[Entry]] = [[*table] for table in tables_of(lines_of(file, source.path)) if _speaks(table[0])]
    notes = (
        (reading_note("", f"{len(tables)} tables with rewards in the text: the longest was taken"),)
        if len(tables) > 1
        else ()
    )
    longest: list[Entry] = max(tables, key=len, default=[])
    return [Log(longest, notes=notes)]


def _has_table(lines: Iterable[str]) -> bool:
    above = ""
    for line in lines:
        if _RULE.match(line) and "|" in above and _speaks(dict.fromkeys(_cells(above))):
            return True
        above = line
    return False


def _speaks(row: Iterable[str]) -> bool:
    names = list(row)
    rewards = [name for name in names if reward_rank(name) is not None]
    return bool(rewards) and any(step_rank(name) is not None for name in names)


def tables_of(lines: Iterable[str]) -> Iterator[list[Row]]:
    """The tables in a text, each as its rows."""
    above, names = "", []
    rows: list[Row] = []
    for line in lines:
        if _RULE.match(line) and "|" in above:
            if rows:
                yield rows
            names, rows = _cells(above), []
        elif names and "|" in line:
            cells = _cells(line)
            if len(cells) == len(names):
                rows.append(dict(zip(names, cells, strict=True)))
        elif names:
            if rows:
                yield rows
            names, rows = [], []
        above = line
    if rows:
        yield rows


def _cells(line: str) -> list[str]:
    """Cells of a table's line without what marks their text."""
    bare = line.strip().removeprefix("|")
    bare = bare[:-1] if bare.endswith("|") else bare
    return [cell.strip().strip("*`_").replace("\\|", "|").replace("\\_", "_").strip() for cell in bare.split("|")]
