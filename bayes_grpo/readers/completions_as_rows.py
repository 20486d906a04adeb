"""Tables whose rows are single completions, or repeat one mean for each of them: they are brought to one row a step."""

import numpy as np

from bayes_grpo.errors import Note
from bayes_grpo.readers.keys import words
from bayes_grpo.readers.log import reading_note
from bayes_grpo.readers.steps import Arrays

#: Share of steps that must have as many rows as most have.
_ALIKE = 0.8


def is_completion_column(key: str) -> bool:
    """Whether a column's name is that of one completion's text or number."""
    key_words = words(key)
    if key_words in (
        {"completion"},
        {"response"},
        {"generation"},
        {"generated", "text"},
        {"output"},
        {"answer"},
        {"output", "text"},
    ):
        return True
    singular = key_words & {"completion", "sample", "response", "rollout", "generation", "generations"}
    return (
        bool(singular)
        and key_words - singular <= {"id", "index", "idx", "i", "text", "number", "no"}
        and len(key_words) > len(singular)
    )


def one_row_a_step(arrays: Arrays, single: bool) -> tuple[Arrays, list[Note]]:
    """Means over the rows of each step, where they are completions.

    Parameters
    ----------
    arrays : dict of numpy.ndarray
        Columns in the order of their steps, ``optimizer_step`` and ``reward`` among them.
    single : bool
        Whether a column names the single completion; without one, rows count as completions only where each mean is
        repeated.

    Returns
    -------
    tuple
        The columns, and notes.
    """
    step, reward = arrays["optimizer_step"], arrays["reward"]
    held = np.isfinite(reward)
    steps, place, counts = np.unique(step[held], return_inverse=True, return_counts=True)
    if steps.size < 2 or counts.max() < 2:
        return arrays, []
    usual = int(np.bincount(counts).argmax())
    if usual < 2 or np.mean(counts == usual) < _ALIKE:
        return arrays, []
    total = np.bincount(place, reward[held])
    mean = total / counts
    repeated = bool(np.allclose(reward[held], mean[place], rtol=1e-12, atol=1e-15))
    if repeated:
        text = f"each value stands in {usual} rows of its step: one row a step was kept"
    elif single:
        text = f"rows are single completions, {usual} a step: their mean was taken"
    else:
        return arrays, []
    every, places = np.unique(step, return_inverse=True)
    out = {"optimizer_step": every}
    for name, values in arrays.items():
        if name != "optimizer_step":
            out[name] = _first(values, places, every.size) if repeated else _mean(values, places, every.size)
    return out, [reading_note("reward", text)]


def _mean(values: np.ndarray, places: np.ndarray, size: int) -> np.ndarray:
    """Mean of the values at each place; NaN where there is none."""
    finite = np.isfinite(values)
    number = np.bincount(places[finite], minlength=size)
    with np.errstate(invalid="ignore"):
        mean: np.ndarray = np.bincount(places[finite], values[finite], minlength=size) / number
    return mean


def _first(values: np.ndarray, places: np.ndarray, size: int) -> np.ndarray:
    """The first value at each place; NaN where there is none."""
    out = np.full(size, np.nan)
    held = np.flatnonzero(np.isfinite(values))[::-1]
    out[places[held]] = values[held]
    return out
