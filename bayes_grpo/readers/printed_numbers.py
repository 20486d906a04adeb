"""Decimal commas in printed lines that the rewards of a file's first lines tell."""

import re
from collections.abc import Iterable

from bayes_grpo.readers.column_words import reward_rank

#: A key with a number behind it; group 1 is what stands before the comma or the point, group 2 the key.
_VALUE = re.compile(
    r"((?<![\w/.-])([A-Za-z][\w/.@-]{0,80})[)\]\"'%]{0,2}(?:\s{0,60}[:=|│┃║]\s{0,60}|\s{1,60})[\"']?[-+]?\d{1,30})"
    r"([,.])(\d{1,30})(?![\d.]|,\d)"
)
#: Digits around a comma that cannot be those of thousands, and around a point that may be.
_NO_THOUSANDS = re.compile(r"(?:^|\D)0+$|\d{4,}$")
_MAY_BE_THOUSANDS = re.compile(r"(?:^|\D)[1-9]\d{0,2}$")
#: Words before a whole number, in which a comma is one of thousands.
_WHOLE = re.compile(r"(?:steps?|iter(?:ation)?s?|updates?|batch(?:es)?|rollouts?|epochs?|of)$", re.IGNORECASE)
_LONGEST = 4_000


def have_comma_rewards(lines: Iterable[str]) -> bool:
    """Whether the rewards that lines show have decimal commas: none has a point, and some cannot be thousands.

    Parameters
    ----------
    lines : iterable of str
        The first lines of a file.
    """
    sure = False
    for line in lines:
        if len(line) > _LONGEST or ("," not in line and "." not in line):
            continue
        for value in _VALUE.finditer(line):
            if reward_rank(value[2]) not in (0, 1):
                continue
            if value[3] == ".":
                return False
            sure = sure or _is_decimal(value)
    return sure


def with_points(line: str) -> str:
    """A line of a file whose rewards have decimal commas, with points in their place.

    Steps keep theirs. Where other numbers of the line have points, so do those that may be thousands; and a line with
    a point that may itself be one of thousands stays as it is.
    """
    if "," not in line or len(line) > _LONGEST:
        return line
    pointed = [value for value in _VALUE.finditer(line) if value[3] == "."]
    if any(len(value[4]) == 3 and _MAY_BE_THOUSANDS.search(value[1]) for value in pointed):
        return line

    def point(value: re.Match[str]) -> str:
        if value[3] == "." or _WHOLE.search(value[2]):
            return value[0]
        if pointed and not _is_decimal(value) and reward_rank(value[2]) is None:
            return value[0]
        return f"{value[1]}.{value[4]}"

    return _VALUE.sub(point, line)


def _is_decimal(value: re.Match[str]) -> bool:
    """Whether a comma cannot be one of thousands."""
    return len(value[4]) != 3 or _NO_THOUSANDS.search(value[1]) is not None
