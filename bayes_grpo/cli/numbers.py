"""Values of a command's options: read once, as the command line is; what is wrong with them is told all at once.

Each function is the ``type`` of an option for argparse, which itself would end at the first fault.
"""

import argparse
import math
from typing import NamedTuple


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


def variation(text: str) -> tuple[str, list[float]] | Unread:
    """The name of a setting, and values of it."""
    name, _, words = text.partition("=")
    values = steps(words)
    if isinstance(values, Unread):
        return Unread("NAME=V1,V2,..., such as group_size=2,4,8", repr(text))
    return name.strip().replace("-", "_"), values


def number_faults(options: argparse.Namespace) -> list[str]:
    """What is wrong with the options that could not be read; from here on they count as not given.

    Their names are kept as ``unread``, for checks of what several options say together.
    """
    found = {name: _unread(value) for name, value in vars(options).items()}
    options.unread = [name for name, wrong in found.items() if wrong]
    for name in options.unread:
        setattr(options, name, None)
    faults = [(option_name(name), each) for name, wrong in found.items() for each in wrong]
    return [f"{option}: expected {wrong.expected}, found {wrong.found}" for option, wrong in faults]


def _unread(value: object) -> list[Unread]:
    values = value if isinstance(value, list) else [value]
    return [each for each in values if isinstance(each, Unread)]


def _read(text: str, expected: str, least: float = -math.inf, most: float = math.inf) -> float | Unread:
    try:
        value = float(text)
    except ValueError:
        return Unread(expected, repr(text))
    if math.isnan(value):
        return Unread(expected, repr(text))
    return value if math.isfinite(value) and least <= value <= most else Unread(expected, text)
