"""Rewards from which the mean of their group was subtracted: they are centred on 0 whatever the policy does."""

import re
from collections.abc import Mapping

import numpy as np

from bayes_grpo.readers.column_words import reward_rank, variable_of
from bayes_grpo.readers.keys import plain

#: A column is centred where its largest value is below this share of the range of single rewards.
_SMALL = 0.02
#: Without a hint of that range only numbers as small as rounding errors tell.
_TINY = 1e-5
#: A correlation with the row number above this is a trend: the column says something of learning.
_TREND = 0.3


def is_centred(column: str, columns: Mapping[str, np.ndarray]) -> bool:
    """Whether a column of means is centred on 0 because its group's mean was subtracted.

    Its values have both signs, no trend, and lie close to 0 compared with the range of single rewards, as the columns
    ``.../max`` and ``.../min``, the rewards' standard deviation or another reward tell.
    """
    values = _finite(columns.get(column))
    if values.size < 5 or not (values.min() < 0 < values.max()):
        return False
    largest = float(np.abs(values).max())
    if largest < _TINY:
        return True
    shares = values / largest  # squares of large values would overflow
    trend = np.corrcoef(shares, np.arange(shares.size))[0, 1]
    error = float(shares.std()) / np.sqrt(shares.size)
    if abs(trend) > _TREND or abs(float(shares.mean())) > 4 * error:
        return False
    spread = _range_of_singles(plain(column), {plain(name): array for name, array in columns.items()})
    if spread is None:
        spread = _range_told_by_others(column, columns)
    return spread is not None and largest < _SMALL * spread


def _range_of_singles(name: str, columns: Mapping[str, np.ndarray]) -> float | None:
    """Range of the single rewards whose mean is logged under a name."""
    stem = re.sub(r"(^|[/_])(mean|avg|average)($|[/_])", r"\1{}\3", name)
    if stem.count("{}") != 1:
        return None
    high, low = (_finite(columns.get(stem.format(word))) for word in ("max", "min"))
    return float(high.max()) - float(low.min()) if high.size and low.size else None


def _range_told_by_others(column: str, columns: Mapping[str, np.ndarray]) -> float | None:
    """Range of single rewards, from their deviation, or of another reward's means; None where there is neither."""
    for name, values in columns.items():
        variable = variable_of(name)
        if variable is not None and variable[0] == "reward_spread" and _finite(values).size:
            return 4 * float(np.median(_finite(values)))
    ranges = [
        float(_finite(values).max()) - float(_finite(values).min())
        for name, values in columns.items()
        if name != column and reward_rank(name) is not None and _finite(values).size >= 5
    ]
    return max(ranges, default=None)


def _finite(values: np.ndarray | None) -> np.ndarray:
    return np.zeros(0) if values is None else values[np.isfinite(values)]
