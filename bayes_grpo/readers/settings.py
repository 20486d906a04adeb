"""What is known of a run beside its rows: hyperparameters and their origin, a row's window, the spread's meaning."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from bayes_grpo.errors import InputError, Note
from bayes_grpo.readers.choose_columns import Chosen
from bayes_grpo.readers.column_names import LOSS_COLUMN, UNCLIPPED, hyperparameter_of
from bayes_grpo.readers.column_words import is_planned_length
from bayes_grpo.readers.contract import Trainer
from bayes_grpo.readers.gather_columns import Table
from bayes_grpo.readers.keys import plain
from bayes_grpo.readers.log import Facts, Options, reading_note
from bayes_grpo.readers.steps import Arrays, rollouts_to_updates, spacing
from bayes_grpo.readers.text import flatten, load_json
from bayes_grpo.runs.fields import RUN_FIELDS, SPREADS

#: Where a hyperparameter is from that a column says.
SAME = "same in all rows"


@dataclass
class Known:
    """Hyperparameters, where each comes from, and the columns that say some, by hyperparameter."""

    values: dict[str, Any] = field(default_factory=dict)
    origins: dict[str, str] = field(default_factory=dict)
    columns: dict[str, list[str]] = field(default_factory=dict)

    def take(self, values: Mapping[str, Any], origin: str) -> None:
        """Take in what is known from somewhere; it wins over what is known already."""
        for key, value in values.items():
            if value is not None:
                self.values[key], self.origins[key] = value, origin

    def copy(self) -> "Known":
        """The same, to go on with."""
        return Known(dict(self.values), dict(self.origins), dict(self.columns))


def config_beside(trainer: Trainer | None, folder: Path | None) -> tuple[dict[str, Any], list[Note]]:
    """The config that a trainer leaves in a file beside its log."""
    if trainer is None or folder is None:
        return {}, []
    for name in trainer.beside:
        path = folder / name
        try:
            content = load_json(path) if path.is_file() else None
        except InputError as error:
            return {}, [reading_note("", f"the run's config was not read: {error}")]
        if isinstance(content, dict):
            return flatten(content), [reading_note("", f"the run's config read from {name}")]
    return {}, []


def settings_of(
    facts: Facts,
    trainer: Trainer | None,
    table: Table,
    columns: Arrays,
    options: Options,
    beside: Mapping[str, Any],
) -> Known:
    """Hyperparameters from all that carries them, each with its origin; the later ones win."""
    known = Known()
    known.take({"planned_steps": _planned(table, columns)}, "a column")
    known.columns = _saying(table, columns)
    said = {name: _constant(columns[keys[0]]) for name, keys in known.columns.items()}
    known.take(_allowed(said), SAME)
    if trainer is not None:
        names = {plain(key): key for key in columns}
        same = {name: _constant(columns.get(names.get(key, ""))) for name, key in trainer.constants.items()}
        known.take(same, SAME)
        known.columns |= {name: [key] for name, key in trainer.constants.items() if same[name] is not None}
        known.take(_from_keys(trainer, (*table.numbers, *table.others)), "a column's name")
        config = {**facts.config, **facts.extras}
        known.take(_allowed(trainer.hyperparameters(config)), "the run's config")
    known.take(facts.stated, "the log")
    known.take(beside, "hyperparameters file")
    known.take(options.hyperparameters, "stated")
    return known


def _saying(table: Table, columns: Arrays) -> dict[str, list[str]]:
    """Columns that say a hyperparameter by their name, by hyperparameter; without those that vary or contradict."""
    saying: dict[str, list[str]] = {}
    for key in columns:
        name = hyperparameter_of(plain(key))
        if name is not None:
            saying.setdefault(name, []).append(key)
    words = [word.lower() for key, column in table.words.items() if plain(key) == LOSS_COLUMN for word in column.words]
    if any(mark in word for word in words for mark in UNCLIPPED):
        saying.pop("clip_range", None)
    values = {name: {_constant(columns[key]) for key in keys} for name, keys in saying.items()}
    return {name: keys for name, keys in saying.items() if len(values[name]) == 1 and None not in values[name]}


def _allowed(values: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in values.items() if value is not None and RUN_FIELDS[key].allows(value)}


def _from_keys(trainer: Trainer, keys: Iterable[str]) -> dict[str, Any]:
    """Hyperparameters that stand in the names of columns."""
    settings = {}
    for name, pattern in trainer.from_keys.items():
        match = next((match for key in keys if (match := re.fullmatch(pattern, plain(key)))), None)
        if match is not None:
            settings[name] = float(match[1])
    return _allowed(settings)


def _planned(table: Table, columns: Arrays) -> float | None:
    """The planned length: from a column of its name, or from steps such as 12/500."""
    totals = [column.total for column in table.numbers.values() if column.total is not None]
    for key in columns:
        if is_planned_length(key):
            held = columns[key][np.isfinite(columns[key])]
            # A length changes where a run is resumed, and not from row to row as a count does.
            totals += [float(held[-1])] if held.size and np.unique(held).size <= max(1, held.size // 10) else []
    return max(totals, default=None) if totals and max(totals) >= 1 else None


def _constant(values: np.ndarray | None) -> float | None:
    if values is None:
        return None
    finite = values[np.isfinite(values)]
    return float(finite[0]) if finite.size and np.ptp(finite) == 0 else None


def count_updates(arrays: Arrays, known: Known, trainer: Trainer | None, options: Options) -> tuple[Arrays, list[Note]]:
    """Turn a count of rollout batches, a planned length that counts them too, and their seconds, into optimizer steps.

    This is the one place where the seconds of a batch become those of an update.
    """
    unit = options.step_unit or (trainer.step_unit if trainer else "optimizer")
    timed = trainer is not None and trainer.timed_by_batch and "step_time" in arrays
    if unit == "rollout":
        known.values.setdefault("logging_window", 1.0)
    elif not timed:
        return arrays, []
    try:
        updates = float(known.values.get("refresh_interval", "nan"))
    except (TypeError, ValueError):
        return arrays, []
    if np.isnan(updates) and unit != "rollout":
        text = (
            "step_time is that of a batch of rollouts, and the optimizer updates made on each are unknown: taken as 1"
        )
        return arrays, [reading_note("step_time", f"{text}; state --refresh-interval")]
    if np.isnan(updates):
        who = trainer.name if trainer else "the log"
        text = (
            f"steps of {who} count batches of rollouts, and the optimizer updates made on each are unknown: taken "
            "as 1; state --refresh-interval"
        )
        return arrays, [reading_note("optimizer_step", text)]
    if updates <= 1:
        return arrays, []
    out = dict(arrays)
    if "step_time" in arrays:
        out["step_time"] = arrays["step_time"] / updates
    if unit != "rollout":
        text = f"step_time is that of a batch of rollouts: divided by its {updates:g} optimizer updates"
        return out, [reading_note("step_time", text)]
    out["optimizer_step"] = rollouts_to_updates(arrays["optimizer_step"], updates)
    if known.origins.get("planned_steps") in ("a column", "the log"):
        known.values["planned_steps"] = float(known.values["planned_steps"]) * updates
    text = f"steps count batches of rollouts: taken as {updates:g} optimizer steps each"
    return out, [reading_note("optimizer_step", text)]


def window_of(step: np.ndarray, logged: np.ndarray, trainer: Trainer | None) -> tuple[float | None, list[Note]]:
    """Optimizer steps that a row averages over: what the trainer fixes, or the spacing of its rows.

    Parameters
    ----------
    step : numpy.ndarray
        Step of each row.
    logged : numpy.ndarray
        Which rows are of training, with a reward or not.
    trainer : Trainer, optional
        None where it is unknown, and then so is the window.
    """
    if trainer is None:
        return None, []
    if trainer.window is not None:
        return trainer.window, []
    interval = spacing(step[logged])
    if interval is None or interval < 1:
        return None, []
    text = f"{trainer.name} rows {interval:g} steps apart taken as means over {interval:g} steps"
    return interval, [reading_note("logging_window", text)] if interval > 1 else []


def spread_of(chosen: Chosen, table: Table, facts: Mapping[str, Any]) -> tuple[str, list[Note]]:
    """What the spread column means."""
    column = chosen.columns.get("reward_spread")
    if column is None:
        return "unknown", []
    if facts.get("spread") in SPREADS:
        return str(facts["spread"]), []
    if chosen.trainer is None:
        return "unknown", []
    names = {plain(key) for key in (*table.numbers, *table.others)}
    spread = chosen.trainer.spread(plain(column), names, facts)
    if spread.meaning == "unknown":
        text = (
            f"{column}: unknown whether it is the deviation within groups or of the batch; state it as spread, or "
            "trl_version, in a hyperparameters file"
        )
        return "unknown", [reading_note(column, text)]
    note = reading_note(column, f"{column} taken as {spread.meaning}: {spread.reason}")
    return spread.meaning, [note] if spread.reason else []


def unused_settings(facts: Facts, trainer: Trainer | None) -> list[str]:
    """Settings of the run's config from which nothing was taken, found by asking for each without it."""
    config = dict(facts.config)
    if not config or len(config) > 2000 or trainer is None:
        return [f"config/{key}" for key in list(config)[:2000]]
    whole = trainer.hyperparameters(config)
    return [
        f"config/{key}"
        for key in config
        if trainer.hyperparameters({k: v for k, v in config.items() if k != key}) == whole
    ]
