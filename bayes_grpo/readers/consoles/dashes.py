"""verl's lines: ``step:N - key:value - key:value``."""

import re
from collections.abc import Iterable, Iterator

from bayes_grpo.readers.log import Row

NAME = "verl's lines"
ORDER = 20
COUNTED = False

_BEGIN = re.compile(r"(?:^|[\s)\]])step:(\d+) - (?=[^\s:]+:)")


def rows(lines: Iterable[str]) -> Iterator[Row]:
    """One row a line."""
    for line in lines:
        begin = _BEGIN.search(line) if "step:" in line else None
        if begin is None:
            continue
        row: Row = {"step": int(begin[1])}
        for cell in line[begin.end() :].rstrip().split(" - "):
            key, mark, value = cell.rpartition(":")
            if mark and key:
                row[key.strip()] = value.strip()
        yield row
