"""Rows that count in different steps, batches of rollouts and optimizer updates, on one clock."""

import numpy as np

from bayes_grpo.errors import Note
from bayes_grpo.readers.choose_columns import Chosen
from bayes_grpo.readers.column_names import NAMES
from bayes_grpo.readers.column_words import is_step
from bayes_grpo.readers.gather_columns import Table
from bayes_grpo.readers.keys import plain
from bayes_grpo.readers.log import reading_note
from bayes_grpo.readers.recognise_trainer import names_of

#: So many rows with the same step in two columns show that both count the same.
_FEWEST = 3


def one_clock(
    table: Table, chosen: Chosen, rows: np.ndarray, step: np.ndarray, reward: np.ndarray
) -> tuple[np.ndarray, float | None, list[Note]]:
    """Give rows that count in another step their optimizer step.

    Returns
    -------
    tuple
        Optimizer step of each row; the updates made on each batch of rollouts, where two clocks tell it; and notes.
    """
    if chosen.trainer is not None and chosen.trainer.rollout_clock:
        return _from_rollouts(table, chosen, rows, step)
    step, notes = _linked(table, chosen, rows, _completed(table, chosen, rows, step), reward)
    return step, None, notes


def _completed(table: Table, chosen: Chosen, rows: np.ndarray, step: np.ndarray) -> np.ndarray:
    """Steps of rows that lack them from another column of steps, one that is the same wherever both are logged.

    An evaluation may say its step in the line above it alone.
    """
    for key, array in table.arrays.items():
        if not is_step(key) or key == chosen.columns["optimizer_step"]:
            continue
        other = array[rows]
        both = np.isfinite(step) & np.isfinite(other)
        if both.sum() >= _FEWEST and (step[both] == other[both]).all():
            step = np.where(np.isnan(step), other, step)
    return step


def _from_rollouts(
    table: Table, chosen: Chosen, rows: np.ndarray, step: np.ndarray
) -> tuple[np.ndarray, float | None, list[Note]]:
    """Rows that count rollouts take the first update on their batch: K times their number, as both counts tell K."""
    keys = {plain(key): key for key in table.arrays}
    rollout = np.full(step.size, np.nan)
    assert chosen.trainer is not None
    for name in chosen.trainer.rollout_clock:
        if name in keys and keys[name] != chosen.columns["optimizer_step"]:
            values = table.arrays[keys[name]][rows]
            rollout = np.where(np.isnan(rollout), values, rollout)
    lacking = np.isnan(step) & np.isfinite(rollout)
    if not lacking.any():
        return step, None, []
    updates = _updates(step[np.isfinite(step)], rollout[lacking])
    first = f"the first of the {updates:g} updates on each" if updates > 1 else "the one update on each"
    text = f"rows that count batches of rollouts are placed at {first}"
    return np.where(lacking, rollout * updates, step), updates, [reading_note("optimizer_step", text)]


def _updates(step: np.ndarray, rollout: np.ndarray) -> float:
    """Optimizer updates a batch of rollouts, from how far both counts went."""
    if step.size < 2 or np.ptp(rollout) == 0:
        return 1.0
    ratio = (np.ptp(step) + 1) / (np.ptp(rollout) + 1)
    return float(max(1.0, np.round(ratio)))


def _linked(
    table: Table, chosen: Chosen, rows: np.ndarray, step: np.ndarray, reward: np.ndarray
) -> tuple[np.ndarray, list[Note]]:
    """Give rows that count in another step the first optimizer step logged for the same count."""
    lacking = np.isnan(step) & ~np.isnan(reward)
    if not lacking.any():
        return step, []
    by_name = {plain(key): key for key in table.arrays}
    for name in (*names_of(chosen.trainer).get("optimizer_step", ()), *NAMES["optimizer_step"]):
        key = by_name.get(name)
        if key is None or key == chosen.columns["optimizer_step"]:
            continue
        link = table.arrays[key][rows]
        both = np.flatnonzero(~np.isnan(link) & ~np.isnan(step))
        if not both.size or np.isnan(link[lacking]).all():
            continue
        counts, first = np.unique(link[both], return_index=True)
        at = np.clip(np.searchsorted(counts, link), 0, counts.size - 1)
        linked = lacking & (counts[at] == link)
        column, other = chosen.columns["reward"], chosen.columns["optimizer_step"]
        note = reading_note(column, f"rows with {column} take their {other} from rows of the same {key}")
        return np.where(linked, step[both[first[at]]], step), [note]
    return step, []
