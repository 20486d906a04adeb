"""Values of a command's options: read once, as the command line is; what is wrong with them is told all at once.

Each function is the ``type`` of an option for argparse, which itself would end at the first fault.
"""

import argparse
import math
from typing import Any, NamedTuple


class Unread(NamedTuple):
    """What stands in place of a value that could not be read."""

    expected: str
    found: str


def option_name(name: str) -> str:
    """An option as it is typed, from its name in the code."""
    return f"--{name.replace('_', '-')}"


def number(text: str) -> float | Unread:
    """A finite number."""
    return _read(text, "a number")


def positive(text: str) -> float | Unread:
    """A number above 0."""
    return _read(text, "a number above 0", least=math.ulp(0.0))


def whole(text: str) -> int | Unread:
    """A whole number."""
    try:
        return int(text)
    except ValueError:
        return Unread("a whole number", repr(text))


def share(text: str) -> float | Unread:
    """A number from 0 to 1."""
    return _read(text, "a number from 0 to 1", least=0, most=1)


def steps(text: str) -> list[float] | Unread:
    """Numbers between commas."""
    values = [number(word) for word in text.split(",")]
    read = [value for value in values if not isinstance(value, Unread)]
    return read if len(read) == len(values) else Unread("numbers, such as 100,200,300", repr(text))


def evaluation(text: str) -> tuple[float, float] | Unread:
    """The step of an evaluation, and its value."""
    step, _, value = text.partition("=")
    pair = number(step), number(value)
    if isinstance(pair[0], Unread) or isinstance(pair[1], Unread):
        return Unread("STEP=VALUE, such as 100=0.41", repr(text))
    return pair[0], pair[1]


def variation(text: str) -> tuple[str, list[float | Unread]] | Unread:
    """The name of a setting, and values of it; those that can be read are checked, too, where others cannot."""
    name, _, words = text.partition("=")
    values = [number(word) for word in words.split(",")]
    read: list[float | Unread] = [value for value in values if not isinstance(value, Unread)]
    wrong = Unread("NAME=V1,V2,..., such as group_size=2,4,8", repr(text))
    if not read:
        return wrong
    return name.strip().replace("-", "_"), read if len(read) == len(values) else [*read, wrong]


def number_faults(options: argparse.Namespace) -> list[str]:
    """What is wrong with the options that could not be read; from here on they count as not given.

    Of lists the rest is kept. The names are kept as ``unread``, for checks of what several options say together.
    """
    faults = []
    options.unread = []
    for name, value in list(vars(options).items()):
        kept, wrong = _parted(value)
        if wrong:
            setattr(options, name, kept)
            options.unread.append(name)
        faults += [f"{option_name(name)}: expected {each.expected}, found {each.found}" for each in wrong]
    return faults


def _parted(value: Any) -> tuple[Any, list[Unread]]:
    """What of a value could be read, None if nothing; and what could not."""
    if isinstance(value, Unread):
        return None, [value]
    if not isinstance(value, (list, tuple)):
        return value, []
    parts = [_parted(each) for each in value]
    kept = [part for part, wrong in parts if part is not None or not wrong]
    return type(value)(kept), [each for _, wrong in parts for each in wrong]


def _read(text: str, expected: str, least: float = -math.inf, most: float = math.inf) -> float | Unread:
    try:
        value = float(text)
    except ValueError:
        return Unread(expected, repr(text))
    if math.isnan(value):
        return Unread(expected, repr(text))
    return value if math.isfinite(value) and least <= value <= most else Unread(expected, text)
