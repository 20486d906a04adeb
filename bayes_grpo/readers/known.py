"""What is known of a run beside its rows: hyperparameters with their origin, the window of a row, the meaning of the spread."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from bayes_grpo.readers.choose import Chosen, plain
from bayes_grpo.readers.contract import Log, Trainer
from bayes_grpo.readers.gather import Table
from bayes_grpo.readers.sidecar import spread_meaning
from bayes_grpo.readers.steps import Arrays, rollouts_to_updates, spacing
from bayes_grpo.readers.text import flatten
from bayes_grpo.runs.fields import RUN_FIELDS


@dataclass(frozen=True)
class Options:
    """What the user states of a log."""

    hyperparameters: Mapping[str, Any] = field(default_factory=dict)
    reward_column: str | None = None
    step_column: str | None = None
    run_column: str | None = None
    step_unit: str | None = None


def facts_of(logs: Sequence[Log], extras: Mapping[str, Any]) -> dict[str, Any]:
    """All settings that the logs and the file beside them carry, by the trainer's names, flat."""
    facts: dict[str, Any] = {}
    for log in logs:
        facts |= flatten(log.config) | log.extras
    return facts | dict(extras)


def settings_of(
    logs: Sequence[Log],
    trainer: Trainer | None,
    table: Table,
    columns: Arrays,
    options: Options,
    beside: Mapping[str, Any],
    facts: Mapping[str, Any],
) -> tuple[dict[str, Any], dict[str, str]]:
    """Hyperparameters from all that carries them, each with its origin; the later ones win."""
    known: dict[str, Any] = {}
    origins: dict[str, str] = {}

    def take(found: Mapping[str, Any], origin: str) -> None:
        for key, value in found.items():
            if value is not None:
                known[key], origins[key] = value, origin

    if trainer is not None:
        take({name: _constant(columns.get(key)) for name, key in trainer.constants.items()}, "same in all rows")
        found = trainer.hyperparameters(facts)
        take(
            {key: value for key, value in found.items() if value is not None and RUN_FIELDS[key].allows(value)},
            "the run's config",
        )
    for log in logs:
        take(log.stated, "the log")
    take(beside, "hyperparameters file")
    take(options.hyperparameters, "stated")
    return known, origins


def _constant(values: np.ndarray | None) -> float | None:
    if values is None:
        return None
    finite = values[np.isfinite(values)]
    return float(finite[0]) if finite.size and np.ptp(finite) == 0 else None


def count_updates(
    arrays: Arrays, known: dict[str, Any], trainer: Trainer | None, options: Options, notes: list[str]
) -> None:
    """Turn a count of rollout batches into optimizer steps."""
    unit = options.step_unit or (trainer.step_unit if trainer else "optimizer")
    if unit != "rollout":
        return
    known.setdefault("logging_window", 1.0)
    try:
        updates = float(known.get("refresh_interval", "nan"))
    except (TypeError, ValueError):
        return
    if np.isnan(updates):
        who = trainer.name if trainer else "the log"
        notes.append(
            f"steps of {who} count batches of rollouts, and the optimizer updates made on each are unknown: taken as 1; state "
            "--refresh-interval"
        )
    elif updates > 1:
        arrays["optimizer_step"] = rollouts_to_updates(arrays["optimizer_step"], updates)
        if "step_time" in arrays:
            arrays["step_time"] = arrays["step_time"] / updates
        notes.append(f"steps count batches of rollouts: taken as {updates:g} optimizer steps each")


def window(
    arrays: Arrays,
    table: Table,
    chosen: Chosen,
    rows: np.ndarray,
    known: dict[str, Any],
    trainer: Trainer | None,
    notes: list[str],
) -> None:
    """TRL logs means over its logging interval: the spacing of its training rows, with a reward or not, is the window."""
    if "logging_window" in known or trainer is None:
        return
    if trainer.window is not None:
        known["logging_window"] = trainer.window
        return
    step = table.arrays[chosen.columns["optimizer_step"]][rows]
    rate = chosen.columns.get("learning_rate", chosen.columns["reward"])
    logged = step[~np.isnan(table.arrays[rate][rows])] if rate in table.arrays else step
    interval = spacing(logged)
    if interval is not None and interval >= 1:
        known["logging_window"] = interval
        if interval > 1:
            notes.append(f"TRL rows {interval:g} steps apart taken as means over {interval:g} steps")


def spread_of(
    chosen: Chosen,
    table: Table,
    facts: Mapping[str, Any],
    extras: Mapping[str, Any],
    options: Options,
    notes: list[str],
) -> str:
    """What the spread column means."""
    column = chosen.columns.get("reward_spread")
    if column is None:
        return "unknown"
    if "spread" in extras:
        return spread_meaning(extras)
    if chosen.trainer is None:
        return spread_meaning(extras)
    names = {plain(key) for key in (*table.numbers, *table.others)}
    meaning = chosen.trainer.spread(plain(column), names, facts)
    if meaning == "unknown":
        notes.append(
            f"{column}: unknown whether it is the deviation within groups or of the batch; state it as spread, or "
            "trl_version, in a hyperparameters file"
        )
    elif chosen.trainer.name == "TRL" and "trl_version" not in facts:
        notes.append(f"{column} taken as {meaning}: TRL logged completion_length before 0.27 only")
    return meaning


def unused_settings(logs: Sequence[Log], trainer: Trainer | None) -> list[str]:
    """Settings of the run's config from which nothing was taken, found by asking for each without it."""
    config = {key: value for log in logs for key, value in flatten(log.config).items()}
    if not config or len(config) > 2000:
        return [f"config/{key}" for key in list(config)[:2000]]
    if trainer is None:
        return [f"config/{key}" for key in config]
    whole = trainer.hyperparameters(config)
    return [
        f"config/{key}"
        for key in config
        if trainer.hyperparameters({k: v for k, v in config.items() if k != key}) == whole
    ]
