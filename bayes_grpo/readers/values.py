"""Logged values as numbers."""

import math
import re
from typing import Any

_THOUSANDS = re.compile(r"[+-]?[1-9]\d{0,2}(,\d{3})+(\.\d*)?")
_NUMPY = re.compile(r"(?:np|numpy)\.\w+\((.*)\)|(?:tensor|array)\((.*?)(?:,[^()]*)?\)")
_MISSING = ("", "none", "null", "nan", "na", "n/a", "-", "no log", "nil")


def number(value: Any) -> float:
    """A logged value as a float: numbers, numbers as text (1,234.5 and np.float64(0.5) too), NaN for what is missing.

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
        if text.lower() in _MISSING:
            return math.nan
        if len(text) > 400:
            raise ValueError("a long text")
        if wrapped := _NUMPY.fullmatch(text):
            return number(wrapped[1] or wrapped[2])
        if "_" in text:
            raise ValueError("a text")
        return float(text.replace(",", "") if _THOUSANDS.fullmatch(text) else text)
    if isinstance(value, list) and len(value) == 1 and not isinstance(value[0], list):
        return number(value[0])
    raise ValueError(f"a {type(value).__name__}")
