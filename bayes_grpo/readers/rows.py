"""Log rows of any format to the columns of a run."""

import math
import re
from collections.abc import Iterable
from typing import Any

import numpy as np

from bayes_grpo.errors import InputError
from bayes_grpo.readers.columns import EVALUATION_WORDS, KIND_COLUMNS, KNOWN, NAMES, choose
from bayes_grpo.readers.files import Row

#: Columns in which an infinite value is a fault; in the others it is a missing value (an overflown gradient norm).
_ESSENTIAL = {"optimizer_step", "reward", "learning_rate"}
_THOUSANDS = re.compile(r"[+-]?[1-9]\d{0,2}(,\d{3})+(\.\d*)?")
_MISSING = ("", "none", "null", "nan", "na", "n/a", "-", "no log", "nil")


def number(value: Any) -> float:
    """A logged value as a float: numbers, numbers as text (1,234.5 too), NaN for what is missing.

    Raises
    ------
    ValueError
        For text that is no number.
    """
    if isinstance(value, int | float):
        return float(value)
    if value is None:
        return math.nan
    if isinstance(value, str):
        text = value.strip()
        if text.lower() in _MISSING:
            return math.nan
        return float(text.replace(",", "") if _THOUSANDS.fullmatch(text) else text)
    if isinstance(value, list) and len(value) == 1:
        return number(value[0])
    raise ValueError(f"a {type(value).__name__}")


class Columns:
    """Rows gathered column by column; only what a run can use is kept, so long logs stay small."""

    def __init__(self, path: str, reward: str | None, step: str | None, run: str | None) -> None:
        self.path = path
        self.reward = reward
        self.step = step
        self.run = run
        self.notes: list[str] = []
        self._stated = {reward, step, run}

    def gather(self, rows: Iterable[Row]) -> dict[str, dict[str, np.ndarray]]:
        """Arrays of each run, by run label ('' where the log has one run).

        Raises
        ------
        InputError
            Listing text that is no number, by row and column.
        """
        kept: dict[str, None] = {}
        slim = []
        for index, row in enumerate(rows, 1):
            # A row keeps its filled cells; what is a number is decided when its column has been chosen.
            filled = {key: value for key, value in row.items() if value is not None and value != "" and key is not None}
            kept.update(dict.fromkeys(filled))
            slim.append((index, {key: value for key, value in filled.items() if self._wanted(key)}))
        if not slim:
            raise InputError(self.path, "expected rows, found none; has the trainer logged anything yet?")
        training, evaluation = self._split(slim)
        held = {key for _, row in training[:1000] for key in row}
        chosen = choose(
            self.path, [key for key in kept if key in held or not self._wanted(key)], self.reward, self.step, self.notes
        )
        if self.run is not None and self.run not in kept:
            raise InputError(self.path, f"--run-column: no column {self.run!r}; found {', '.join(kept)}")
        self._fill_steps(training, chosen)
        labels: dict[str, list[tuple[int, Row]]] = {}
        for index, row in training:
            labels.setdefault(str(row.get(self.run, "")) if self.run else "", []).append((index, row))
        faults: list[str] = []
        runs = {label: self._arrays(rows, chosen, faults) for label, rows in labels.items()}
        if evaluation and len(runs) == 1:
            _join_evaluation(next(iter(runs.values())), self._evaluation(evaluation, chosen, faults))
        if faults:
            raise InputError(self.path, faults[:8] + ([f"and {len(faults) - 8} more"] if len(faults) > 8 else []))
        return runs

    def _wanted(self, key: str) -> bool:
        plain = key.lower().strip()
        return plain in KNOWN or "reward" in plain or key in self._stated

    def _split(self, rows: list[tuple[int, Row]]) -> tuple[list[tuple[int, Row]], list[tuple[int, Row]]]:
        """Tell evaluation rows from training rows by a column such as 'type'."""
        for column in KIND_COLUMNS:
            kinds = {row[column] for _, row in rows if isinstance(row.get(column), str)}
            marks = {kind for kind in kinds if kind.lower() in EVALUATION_WORDS}
            if marks and len(kinds) > len(marks):
                self.notes.append(f"rows with {column} = {', '.join(sorted(marks))} taken as evaluations")
                evaluation = [pair for pair in rows if pair[1].get(column) in marks]
                return [pair for pair in rows if pair[1].get(column) not in marks], evaluation
        return rows, []

    def _fill_steps(self, rows: list[tuple[int, Row]], chosen: dict[str, str]) -> None:
        """Give rows that count in another step (a rollout's) the first optimizer step logged for the same count."""
        step, reward = chosen["optimizer_step"], chosen["reward"]
        lacking = [row for _, row in rows if reward in row and step not in row]
        links = [key for key in NAMES["optimizer_step"] if key != step and lacking and key in lacking[0]]
        if not links:
            return
        first: dict[Any, Any] = {}
        for _, row in rows:
            if step in row and links[0] in row:
                first.setdefault(row[links[0]], row[step])
        for row in lacking:
            if row.get(links[0]) in first:
                row[step] = first[row[links[0]]]
        self.notes.append(f"rows with {reward} take their {step} from rows of the same {links[0]}")

    def _arrays(self, rows: list[tuple[int, Row]], chosen: dict[str, str], faults: list[str]) -> dict[str, np.ndarray]:
        step, reward = chosen["optimizer_step"], chosen["reward"]
        stepped = [pair for pair in rows if step in pair[1]]
        # Rows of another event at the same step carry no reward: keep those that know a learning rate or an evaluation.
        useful = {reward, chosen.get("learning_rate"), chosen.get("evaluation_reward")}
        used = [pair for pair in stepped if any(key in useful for key in pair[1])]
        if len(stepped) < len(rows):
            self.notes.append(f"{len(rows) - len(stepped)} rows without a step left out")
        arrays = {
            field: np.array([self._value(index, row, column, faults) for index, row in used], dtype=float)
            for field, column in chosen.items()
        }
        for field in arrays.keys() - _ESSENTIAL:
            infinite = np.isinf(arrays[field])
            if infinite.any():
                self.notes.append(f"{chosen[field]}: {infinite.sum()} infinite values taken as missing")
                arrays[field] = np.where(infinite, np.nan, arrays[field])
        return _merge_partial(arrays)

    def _evaluation(self, rows: list[tuple[int, Row]], chosen: dict[str, str], faults: list[str]) -> dict[float, float]:
        columns = list({key: None for _, row in rows for key in row})
        try:
            mine = choose(self.path, columns, None, self.step, [])
        except InputError:
            return {}
        return {
            self._value(index, row, mine["optimizer_step"], faults): self._value(index, row, mine["reward"], faults)
            for index, row in rows
            if mine["optimizer_step"] in row and mine["reward"] in row
        }

    def _value(self, index: int, row: Row, column: str, faults: list[str]) -> float:
        value = row.get(column)
        try:
            return number(value)
        except ValueError:
            hint = (
                "; decimals need a point"
                if isinstance(value, str) and re.fullmatch(r"\s*[+-]?\d*,\d+\s*", value)
                else ""
            )
            faults.append(f"row {index}, {column}: expected a number, found {value!r}{hint}")
            return math.nan


def _merge_partial(arrays: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Join rows of one step that complete each other (one has the reward, the next the learning rate)."""
    step, reward = arrays["optimizer_step"], arrays["reward"]
    keep = np.ones(step.size, dtype=bool)
    for i in np.flatnonzero(np.isnan(reward)):
        twins = [j for j in (i - 1, i + 1) if 0 <= j < step.size and step[j] == step[i] and keep[j]]
        for j in twins[:1]:
            for array in arrays.values():
                if np.isnan(array[j]):
                    array[j] = array[i]
            keep[i] = False
    return {field: array[keep] for field, array in arrays.items()}


def _join_evaluation(arrays: dict[str, np.ndarray], evaluation: dict[float, float]) -> None:
    """Put evaluation rewards at the training rows of the same step (the nearest earlier row otherwise)."""
    step = arrays["optimizer_step"]
    column = np.full(step.size, np.nan)
    for at, value in evaluation.items():
        index = int(np.searchsorted(step, at, side="right")) - 1
        if index >= 0 and np.isfinite(value):
            column[index] = value
    if np.isfinite(column).any():
        arrays["evaluation_reward"] = column


def resume(path: str, arrays: dict[str, np.ndarray], notes: list[str]) -> dict[str, np.ndarray]:
    """Drop rows that a resumed run has logged again.

    Raises
    ------
    InputError
        If the steps start over, or are out of order altogether.
    """
    step = arrays["optimizer_step"]
    keep = np.ones(step.size, dtype=bool)
    for i in np.flatnonzero(np.diff(step) < 0) + 1:
        if step[i] <= step[0]:
            raise InputError(
                path,
                f"optimizer_step: expected one run, found step {step[i]:g} again in row {i + 1} after {step[i - 1]:g}; if the "
                "file holds several runs, split it, or name the column that tells them apart by --run-column",
            )
        keep[:i] &= step[:i] < step[i]
    dropped = int((~keep).sum())
    if dropped > step.size / 2:
        raise InputError(
            path, f"optimizer_step: expected increasing steps, found them out of order ({dropped} rows fall back)"
        )
    if dropped:
        notes.append(f"the run was resumed: {dropped} rows that it logged again later were left out")
    return {field: array[keep] for field, array in arrays.items()}
