"""Logged values as numbers."""

import math
import re
from typing import Any

_THOUSANDS = re.compile(r"[+-]?[1-9]\d{0,2}(,\d{3})+(\.\d*)?")
_NUMPY = re.compile(r"(?:np|numpy)\.\w+\((.*)\)|(?:tensor|array)\((.*?)(?:,[^()]*)?\)")
_PART = re.compile(r"\s*(\d[\d,]*)\s*/\s*(\d[\d,]*)\s*")
_MISSING = ("", "none", "null", "nan", "na", "n/a", "-", "no log", "nil")


def number(value: Any) -> float:
    """A logged value as a float: numbers, also as text (1,234.5, np.float64(0.5), 27.1%); NaN for what is missing.

    Raises
    ------
    ValueError
        For what is no number.
    """
    if isinstance(value, int | float):
        try:
            return float(value)
        except OverflowError:
            return math.inf if value > 0 else -math.inf
    if value is None:
        return math.nan
    if isinstance(value, str):
        text = value.strip()
        if is_missing(text):
            return math.nan
        if len(text) > 400:
            raise ValueError("a long text")
        if wrapped := _NUMPY.fullmatch(text):
            return number(wrapped[1] or wrapped[2])
        if "_" in text:
            raise ValueError("a text")
        if text.endswith("%"):
            return number(text[:-1]) / 100
        return float(text.replace(",", "") if _THOUSANDS.fullmatch(text) else text)
    if isinstance(value, list) and len(value) == 1 and not isinstance(value[0], list):
        return number(value[0])
    raise ValueError(f"a {type(value).__name__}")


def is_missing(text: str) -> bool:
    """Whether text says that there is no value."""
    return text.strip().lower() in _MISSING


def part_of(value: Any) -> tuple[float, float] | None:
    """A step and the planned length from text such as "12/10000"; None for what is no such text."""
    if not isinstance(value, str) or "/" not in value:
        return None
    match = _PART.fullmatch(value)
    return (number(match[1]), number(match[2])) if match else None


def is_number(value: Any) -> bool:
    """Whether a logged value is a number, or text that is one."""
    if isinstance(value, bool) or value is None:
        return False
    if isinstance(value, int | float):
        return True
    try:
        return part_of(value) is not None or not math.isnan(number(value))
    except ValueError:
        return False


def mean_of(values: list[Any]) -> float | None:
    """The mean of a list of numbers, as some log the values of all completions of a row; None for another list."""
    if not values or not all(isinstance(value, int | float) and not isinstance(value, bool) for value in values):
        return None
    return float(sum(values)) / len(values)
