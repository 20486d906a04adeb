"""From the rows of a log to a run: what each column is, what is known beside it, what was assumed."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import xarray as xr

from bayes_grpo.errors import InputError
from bayes_grpo.readers.choose import EVALUATION_WORDS, KIND_COLUMNS, NAMES, Chosen, choose, is_known, plain, trainer_of
from bayes_grpo.readers.contract import Log, Trainer
from bayes_grpo.readers.gather import Table
from bayes_grpo.readers.sidecar import spread_meaning
from bayes_grpo.readers.steps import Arrays, join_by_step, join_partial, resume, rollouts_to_updates, spacing
from bayes_grpo.readers.text import flatten
from bayes_grpo.schema import RUN_FIELDS, make_run

#: Columns in which an infinite value is a fault; in the others it is a missing value (an overflown gradient norm).
_ESSENTIAL = {"optimizer_step", "reward", "learning_rate"}


@dataclass(frozen=True)
class Options:
    """What the user states of a log."""

    hyperparameters: Mapping[str, Any] = field(default_factory=dict)
    reward_column: str | None = None
    step_column: str | None = None
    run_column: str | None = None
    step_unit: str | None = None


@dataclass
class Reading:
    """A run, and how it was understood.

    Attributes
    ----------
    run : xarray.Dataset
        Dims (run=1, step).
    format, trainer : str
        What wrote the file, and whose key set its rows bear ('' where none was recognised).
    columns : dict
        The column of each variable.
    components : dict
        The column of each reward function.
    unused : list of str
        Columns and settings from which nothing was taken.
    origins : dict
        Where each known hyperparameter comes from.
    notes : list of str
        What was assumed, repaired or left out.
    """

    run: xr.Dataset
    format: str
    trainer: str
    columns: dict[str, str]
    components: dict[str, str]
    unused: list[str]
    origins: dict[str, str]
    notes: list[str]


def understand(
    where: str, logs: Sequence[Log], label: str, options: Options, beside: Mapping[str, Any], extras: Mapping[str, Any]
) -> list[Reading]:
    """Read one run (several with a run column) from its parts.

    Parameters
    ----------
    where : str
        Named in faults.
    logs : sequence of Log
        Parts of one run, in order.
    label : str
        The run's name.
    options : Options
        What the user states; it wins.
    beside : mapping
        Hyperparameters from a file beside the log; they win over the log's.
    extras : mapping
        That file's further keys.

    Raises
    ------
    InputError
        All faults at once.
    """
    table = Table()
    stated_columns = {options.reward_column, options.step_column}

    def wanted(key: str) -> bool:
        return key in stated_columns or is_known(key)

    def worded(key: str) -> bool:
        return key not in stated_columns and (key == options.run_column or plain(key) in KIND_COLUMNS)

    for log in logs:
        table.add(where, log.rows, wanted, worded)
    notes = list(dict.fromkeys(note for log in logs for note in log.notes))
    if not table.length:
        raise InputError(where, "expected rows, found none; has the trainer logged anything yet?")
    if options.run_column is not None and options.run_column not in table.words:
        found = ", ".join([*table.words, *table.numbers, *table.others][:12])
        raise InputError(where, f"--run-column: no column {options.run_column!r}; found {found}")
    told = next((log.trainer for log in logs if log.trainer), "")
    config = [f"config/{key}" for log in logs for key in flatten(log.config)]
    trainer = trainer_of([*table.numbers, *table.words, *table.others, *config], told)
    training, evaluation = _split(table, notes)
    columns = {
        key: values for key, values in table.arrays.items() if key in stated_columns or _holds(table, key, training)
    }
    chosen = _chosen(where, table, columns, options, notes, trainer)
    _check(where, table, chosen)
    extras = {key: value for log in logs for key, value in log.extras.items()} | dict(extras)
    facts = _facts(logs, extras)
    settings, origins = _settings(logs, trainer, table, columns, options, beside, facts)
    out = []
    for name, rows in _runs(table, training, options.run_column):
        mine = list(notes)
        by_step = any(log.by_step for log in logs) or bool(trainer and trainer.by_step)
        arrays, components = _arrays(where, table, chosen, rows, by_step, mine)
        if evaluation.any() and not options.run_column:
            _join_evaluation(arrays, _evaluations(table, evaluation, chosen, options.step_column))
        known = dict(settings)
        _count_updates(arrays, known, trainer, options, mine)
        _window(arrays, table, chosen, rows, known, trainer, mine)
        spread = _spread(chosen, table, facts, extras, options, mine)
        run = make_run(
            name or label,
            arrays,
            known,
            spread=spread if "reward_spread" in arrays else "unknown",
            source=where,
            notes=mine,
            components=components,
        )
        more = {key: "spacing of rows" for key in known if key not in origins}
        unused = [k for k in (*table.numbers, *table.others) if k not in chosen.used]
        unused += _unused_settings(logs, trainer)
        out.append(
            Reading(
                run,
                "",
                trainer.name if trainer else "",
                {k: v for k, v in chosen.columns.items() if k in run},
                chosen.components,
                unused,
                {key: value for key, value in {**origins, **more}.items() if key in run},
                mine,
            )
        )
    return out


def _chosen(
    where: str, table: Table, columns: Arrays, options: Options, notes: list[str], trainer: Trainer | None
) -> Chosen:
    """The columns of the variables; those without a single number only if there are no others."""
    stated = (options.reward_column, options.step_column)
    try:
        return choose(
            where,
            [key for key in (*table.numbers, *table.others) if key not in table.numbers or key in columns],
            *stated,
            notes,
            trainer,
        )
    except InputError:
        return choose(where, [*table.numbers, *table.others], *stated, notes, trainer)


def _holds(table: Table, key: str, rows: np.ndarray) -> bool:
    """Whether a column has a number, or text in a number's place, in some of the rows."""
    column = table.numbers[key]
    return bool(column.faults) or bool((~np.isnan(table.arrays[key][rows])).any())


def _split(table: Table, notes: list[str]) -> tuple[np.ndarray, np.ndarray]:
    """Masks of training and of evaluation rows, by a column such as 'type'."""
    for wanted in KIND_COLUMNS:
        for key, column in table.words.items():
            if plain(key) != wanted:
                continue
            marks = {word: code for word, code in column.words.items() if word.lower() in EVALUATION_WORDS}
            if marks and len(column.words) > len(marks):
                notes.append(f"rows with {key} = {', '.join(sorted(marks))} taken as evaluations")
                evaluation = np.isin(table.codes(key), list(marks.values()))
                return ~evaluation, evaluation
    nothing = np.zeros(table.length, dtype=bool)
    return ~nothing, nothing


def _check(where: str, table: Table, chosen: Chosen) -> None:
    """Fault text in the columns that were chosen."""
    faults = []
    for column in chosen.columns.values():
        if column not in table.numbers:
            continue
        for row, found in table.numbers[column].faults.items():
            text = found.strip("'\" ")
            comma = text.count(",") == 1 and text.replace(",", "").lstrip("+-").isdigit()
            hint = "; decimals need a point" if comma else ""
            faults.append(f"row {row + 1}, {column}: expected a number, found {found}{hint}")
    if faults:
        raise InputError(where, faults[:8] + ([f"and {len(faults) - 8} more"] if len(faults) > 8 else []))


def _facts(logs: Sequence[Log], extras: Mapping[str, Any]) -> dict[str, Any]:
    facts: dict[str, Any] = {}
    for log in logs:
        facts |= flatten(log.config) | log.extras
    return facts | dict(extras)


def _settings(
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


def _runs(table: Table, training: np.ndarray, column: str | None) -> Iterable[tuple[str, np.ndarray]]:
    """Name and row numbers of each run."""
    if column is None:
        yield "", np.flatnonzero(training)
        return
    codes = table.codes(column)
    for word, code in table.words[column].words.items():
        yield word, np.flatnonzero(training & (codes == code))


def _arrays(
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


def _evaluations(table: Table, rows: np.ndarray, chosen: Chosen, step: str | None) -> dict[float, float]:
    """Rewards of evaluation rows by their step."""
    columns = [key for key, values in table.arrays.items() if not np.isnan(values[rows]).all()]
    try:
        mine = choose("", columns, None, step, [], chosen.trainer).columns
    except InputError:
        return {}
    at, reward = table.arrays[mine["optimizer_step"]][rows], table.arrays[mine["reward"]][rows]
    return {float(s): float(r) for s, r in zip(at, reward, strict=True) if np.isfinite(s) and np.isfinite(r)}


def _join_evaluation(arrays: Arrays, evaluations: Mapping[float, float]) -> None:
    """Put evaluation rewards at the training rows of the same step (the nearest earlier row otherwise)."""
    step = arrays["optimizer_step"]
    column = np.full(step.size, np.nan)
    for at, value in evaluations.items():
        index = int(np.searchsorted(step, at, side="right")) - 1
        if index >= 0:
            column[index] = value
    if np.isfinite(column).any():
        arrays["evaluation_reward"] = column


def _count_updates(
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
        notes.append(f"steps count batches of rollouts: taken as {updates:g} optimizer steps each")


def _window(
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
    window = spacing(logged)
    if window is not None and window >= 1:
        known["logging_window"] = window
        if window > 1:
            notes.append(f"TRL rows {window:g} steps apart taken as means over {window:g} steps")


def _spread(
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


def _unused_settings(logs: Sequence[Log], trainer: Trainer | None) -> list[str]:
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
