"""Arithmetic on settings of which any may be missing."""

from collections.abc import Mapping
from typing import Any

from bayes_grpo.readers.values import number


def first(config: Mapping[str, Any], *names: str, zero: bool = False) -> float | None:
    """The first of the named settings that is a positive number (or zero, where that is allowed)."""
    for name in names:
        value = config.get(name)
        if value is None or isinstance(value, bool):
            continue
        try:
            converted = number(value)
        except ValueError:
            continue
        if 0 < converted < float("inf") or (zero and converted == 0):
            return converted
    return None


def first_of_list(config: Mapping[str, Any], *names: str) -> float | None:
    """The first number of the first named setting that is a list, as Adam's betas are."""
    for name in names:
        value = config.get(name)
        if isinstance(value, list | tuple) and value:
            return first({"0": value[0]}, "0")
        if isinstance(value, str) and value[:1] in "[(":
            return first({"0": value.strip("[]() ").split(",")[0].strip()}, "0")
    return None


def product(*factors: float | None) -> float | None:
    """The product, None where a factor is missing."""
    out = 1.0
    for factor in factors:
        if factor is None:
            return None
        out *= factor
    return out


def ratio(above: float | None, below: float | None) -> float | None:
    """The quotient, None where a part is missing."""
    return above / below if above is not None and below else None
