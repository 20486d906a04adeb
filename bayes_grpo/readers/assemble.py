"""From a log's columns to the variables of a run, in order of its steps."""

from collections.abc import Mapping

import numpy as np

from bayes_grpo.errors import InputError
from bayes_grpo.readers.choose import Chosen, choose, plain
from bayes_grpo.readers.gather import Table
from bayes_grpo.readers.names import NAMES
from bayes_grpo.readers.steps import Arrays, join_by_step, join_partial, resume

#: Columns in which an infinite value is a fault; in the others it is a missing value (an overflown gradient norm).
_ESSENTIAL = {"optimizer_step", "reward", "learning_rate"}


def arrays_of(
    where: str, table: Table, chosen: Chosen, rows: np.ndarray, by_step: bool, notes: list[str]
) -> tuple[Arrays, Arrays]:
    """Columns of a run in order of steps: the variables, and the reward functions' means."""
    taken = {f: table.arrays[c][rows] for f, c in chosen.columns.items() if c in table.arrays}
    parts = {f"component/{f}": table.arrays[c][rows] for f, c in chosen.components.items() if c in table.arrays}
    if chosen.trainer is not None:
        by_name = {plain(key): values[rows] for key, values in table.arrays.items()}
        for variable, (keys, derive) in chosen.trainer.derived.items():
            if variable not in taken and all(key in by_name for key in keys):
                taken[variable] = np.clip(derive(*(by_name[key] for key in keys)), 0, 1)
    arrays = taken | parts
    for name in arrays.keys() - _ESSENTIAL:
        infinite = np.isinf(arrays[name])
        if infinite.any():
            column = chosen.columns.get(name, name.removeprefix("component/"))
            notes.append(f"{column}: {infinite.sum()} infinite values taken as missing")
            arrays[name] = np.where(infinite, np.nan, arrays[name])
    step = _link(table, chosen, rows, arrays.pop("optimizer_step"), arrays["reward"], notes)
    if by_step:
        step, arrays = join_by_step(where, step, arrays, notes)
        arrays = {"optimizer_step": step, **arrays}
    else:
        # Rows of another event carry none of a run's variables.
        useful = np.any([~np.isnan(values) for values in arrays.values()], axis=0)
        lacking = int((useful & np.isnan(step)).sum())
        if lacking:
            notes.append(f"{lacking} rows without a step left out")
        useful &= ~np.isnan(step)
        arrays = join_partial({"optimizer_step": step[useful]} | {k: v[useful] for k, v in arrays.items()})
        arrays = resume(where, arrays, notes)
    components = {k.removeprefix("component/"): v for k, v in arrays.items() if k.startswith("component/")}
    return {k: v for k, v in arrays.items() if not k.startswith("component/")}, components


def _link(
    table: Table, chosen: Chosen, rows: np.ndarray, step: np.ndarray, reward: np.ndarray, notes: list[str]
) -> np.ndarray:
    """Give rows that count in another step (a rollout's) the first optimizer step logged for the same count."""
    lacking = np.isnan(step) & ~np.isnan(reward)
    if not lacking.any():
        return step
    own = chosen.trainer.names.get("optimizer_step", ()) if chosen.trainer else ()
    by_name = {plain(key): key for key in table.arrays}
    for name in (*own, *NAMES["optimizer_step"]):
        key = by_name.get(name)
        if key is None or key == chosen.columns["optimizer_step"]:
            continue
        link = table.arrays[key][rows]
        both = np.flatnonzero(~np.isnan(link) & ~np.isnan(step))
        if not both.size or np.isnan(link[lacking]).all():
            continue
        counts, first = np.unique(link[both], return_index=True)
        at = np.clip(np.searchsorted(counts, link), 0, counts.size - 1)
        found = lacking & (counts[at] == link)
        notes.append(
            f"rows with {chosen.columns['reward']} take their {chosen.columns['optimizer_step']} from rows of the same {key}"
        )
        return np.where(found, step[both[first[at]]], step)
    return step


def evaluations(table: Table, rows: np.ndarray, chosen: Chosen, step: str | None) -> dict[float, float]:
    """Rewards of evaluation rows by their step."""
    columns = [key for key, values in table.arrays.items() if not np.isnan(values[rows]).all()]
    try:
        mine = choose("", columns, None, step, [], chosen.trainer).columns
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
