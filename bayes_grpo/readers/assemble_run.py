"""From a log's columns to the variables of a run, in order of its steps."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from bayes_grpo.errors import InputError, Note
from bayes_grpo.readers.choose_columns import Chosen, choose
from bayes_grpo.readers.clocks import one_clock
from bayes_grpo.readers.completions_as_rows import one_row_a_step
from bayes_grpo.readers.gather_columns import Table
from bayes_grpo.readers.keys import is_pattern, matches, plain
from bayes_grpo.readers.log import Options, reading_note
from bayes_grpo.readers.lost_rewards import lost_rewards
from bayes_grpo.readers.steps import Arrays, appended_run, join_by_step, join_partial, resume
from bayes_grpo.runs.fields import STEP_FIELDS

#: Columns in which an infinite or impossible value is a fault; in the others it is a missing value, or no such column.
_ESSENTIAL = {"optimizer_step", "reward", "learning_rate"}


@dataclass
class Assembled:
    """The variables of a run, the reward functions' means, the columns of derived variables, and notes."""

    arrays: Arrays
    components: Arrays
    derived: dict[str, list[str]] = field(default_factory=dict)
    updates: float | None = None
    notes: list[Note] = field(default_factory=list)


def assemble(
    where: str,
    table: Table,
    chosen: Chosen,
    rows: np.ndarray,
    options: Options,
    facts: Mapping[str, Any],
    *,
    by_step: bool,
    single: bool,
) -> Assembled:
    """Columns of a run in order of steps.

    Parameters
    ----------
    where : str
        Named in faults.
    table, chosen, rows
        The log, its columns and the numbers of the run's rows.
    options : Options
        What the user states.
    facts : mapping
        The run's config, for derived variables.
    by_step : bool
        Whether rows of one step are parts of one row.
    single : bool
        Whether a column names single completions.
    """
    out = Assembled({}, {})
    taken = {f: table.arrays[c][rows] for f, c in chosen.columns.items() if c in table.arrays}
    taken |= {f: table.arrays[f"--column {f}"][rows] for f in options.columns}
    _derive(table, chosen, rows, facts, taken, out)
    parts = {f"component/{f}": table.arrays[c][rows] for f, c in chosen.components.items() if c in table.arrays}
    arrays = _possible(taken | parts, chosen, out)
    step, out.updates, notes = one_clock(table, chosen, rows, arrays.pop("optimizer_step"), arrays["reward"])
    out.notes += [*notes, *lost_rewards(step, arrays["reward"])]
    if by_step:
        step, arrays, notes = join_by_step(step, arrays)
        arrays = {"optimizer_step": step, **arrays}
        out.notes += notes
    else:
        arrays = _in_order(where, step, arrays, options, single, out)
    out.components = {k.removeprefix("component/"): v for k, v in arrays.items() if k.startswith("component/")}
    out.arrays = {k: v for k, v in arrays.items() if not k.startswith("component/")}
    return out


def _in_order(where: str, step: np.ndarray, arrays: Arrays, options: Options, single: bool, out: Assembled) -> Arrays:
    """Rows of a log that is written in order of its steps."""
    # Rows of another event carry none of a run's variables.
    useful = np.any([~np.isnan(values) for values in arrays.values()], axis=0)
    lacking = int((useful & np.isnan(step)).sum())
    if lacking:
        out.notes.append(reading_note("optimizer_step", f"{lacking} rows without a step left out"))
    useful &= ~np.isnan(step)
    arrays = {"optimizer_step": step[useful]} | {k: v[useful] for k, v in arrays.items()}
    arrays, notes = appended_run(where, arrays, options.appended)
    out.notes += notes
    arrays, notes = one_row_a_step(join_partial(arrays), single)
    out.notes += notes
    arrays, notes = resume(where, arrays)
    out.notes += notes
    return arrays


def _derive(
    table: Table, chosen: Chosen, rows: np.ndarray, facts: Mapping[str, Any], taken: Arrays, out: Assembled
) -> None:
    """Variables that no column holds, from others, as their trainer knows how."""
    if chosen.trainer is None:
        return
    by_name = {plain(key): key for key in table.arrays}
    for variable, (keys, derive) in chosen.trainer.derived.items():
        if variable in taken:
            continue
        values: list[Any] = []
        used: list[str] = []
        for key in keys:
            if key.startswith("config/"):
                setting = facts.get(key.removeprefix("config/"))
                values.append(float(setting) if isinstance(setting, int | float) else None)
                continue
            plain_names = [name for name in by_name if matches(name, key)] if is_pattern(key) else [key]
            matched = [by_name[name] for name in plain_names if name in by_name]
            used += matched
            held = [table.arrays[name][rows] for name in matched]
            values.append(_sum(held) if held else None)
        if any(value is None for value in values):
            continue
        with np.errstate(all="ignore"):
            result = np.asarray(derive(*values), dtype=float)
        if STEP_FIELDS[variable].high == 1:
            result = np.clip(result, 0, 1)
        taken[variable] = np.where(np.isfinite(result), result, np.nan)
        out.derived[variable] = used


def _sum(columns: list[np.ndarray]) -> np.ndarray:
    """Sum of the values that each row has; NaN where it has none."""
    stacked = np.stack(columns)
    return np.where(np.isnan(stacked).all(axis=0), np.nan, np.nansum(stacked, axis=0))


def _possible(arrays: Arrays, chosen: Chosen, out: Assembled) -> Arrays:
    """Columns without infinite values, and without those that cannot be what they were taken for."""
    kept = {}
    for name, values in arrays.items():
        column = chosen.columns.get(name, name.removeprefix("component/"))
        if name in _ESSENTIAL or (name not in STEP_FIELDS and not name.startswith("component/")):
            kept[name] = values
            continue
        infinite = np.isinf(values)
        if infinite.any():
            out.notes.append(reading_note(column, f"{column}: {infinite.sum()} infinite values taken as missing"))
            values = np.where(infinite, np.nan, values)
        field_ = STEP_FIELDS.get(name)
        wrong = np.zeros(0, dtype=bool) if field_ is None else field_.forbids(values)
        if field_ is not None and wrong.any():
            low, high = np.nanmin(values), np.nanmax(values)
            text = f"{column}: values from {low:.4g} to {high:.4g} cannot be {name}, which is {field_.expected()}"
            text += ": not used"
            out.notes.append(reading_note(column, text))
            continue
        kept[name] = values
    return kept


def evaluations(table: Table, rows: np.ndarray, chosen: Chosen, options: Options) -> dict[float, float]:
    """Rewards of evaluation rows by their step."""
    columns = {key: values for key, values in table.arrays.items() if not np.isnan(values[rows]).all()}
    try:
        mine = choose("", columns, options, chosen.trainer).columns
    except InputError:
        return {}
    at, reward = table.arrays[mine["optimizer_step"]][rows], table.arrays[mine["reward"]][rows]
    return {float(s): float(r) for s, r in zip(at, reward, strict=True) if np.isfinite(s) and np.isfinite(r)}


def join_evaluation(arrays: Arrays, evaluations: Mapping[float, float]) -> None:
    """Put evaluation rewards at the training rows of the same step (the nearest earlier row otherwise)."""
    step = arrays["optimizer_step"]
    column = np.full(step.size, np.nan)
    for at, value in evaluations.items():
        index = int(np.searchsorted(step, at, side="right")) - 1
        if index >= 0:
            column[index] = value
    if np.isfinite(column).any():
        arrays["evaluation_reward"] = column
