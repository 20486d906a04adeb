"""From the logs of a run to its Dataset, and to an account of how they were understood."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import xarray as xr

from bayes_grpo.errors import InputError
from bayes_grpo.readers.assemble import arrays_of, evaluations, join_evaluation
from bayes_grpo.readers.choose import Chosen, choose, is_known, plain, trainer_of
from bayes_grpo.readers.contract import Log, Trainer
from bayes_grpo.readers.gather import Table
from bayes_grpo.readers.known import Options, count_updates, facts_of, settings_of, spread_of, unused_settings, window
from bayes_grpo.readers.names import EVALUATION_WORDS, KIND_COLUMNS
from bayes_grpo.readers.steps import Arrays
from bayes_grpo.readers.text import flatten
from bayes_grpo.runs.dataset import make_run


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
    facts = facts_of(logs, extras)
    settings, origins = settings_of(logs, trainer, table, columns, options, beside, facts)
    out = []
    for name, rows in _runs(table, training, options.run_column):
        mine = list(notes)
        by_step = any(log.by_step for log in logs) or bool(trainer and trainer.by_step)
        arrays, components = arrays_of(where, table, chosen, rows, by_step, mine)
        if evaluation.any() and not options.run_column:
            join_evaluation(arrays, evaluations(table, evaluation, chosen, options.step_column))
        known = dict(settings)
        count_updates(arrays, known, trainer, options, mine)
        window(arrays, table, chosen, rows, known, trainer, mine)
        spread = spread_of(chosen, table, facts, extras, options, mine)
        run = make_run(
            name or label,
            arrays,
            known,
            spread=spread if "reward_spread" in arrays else "unknown",
            source=where,
            notes=mine,
            components=components,
        )
        inferred = "spacing of rows" if trainer and trainer.window is None else "what the trainer logs"
        more = {key: inferred for key in known if key not in origins}
        used = chosen.used | _used_by(trainer, chosen, origins)
        unused = [k for k in (*table.numbers, *table.others) if k not in used and plain(k) not in used]
        unused += unused_settings(logs, trainer)
        out.append(
            Reading(
                run,
                "",
                trainer.name if trainer else "",
                _columns(run, chosen),
                chosen.components,
                unused,
                {key: value for key, value in {**origins, **more}.items() if key in run},
                mine,
            )
        )
    return out


def _columns(run: xr.Dataset, chosen: Chosen) -> dict[str, str]:
    """Where each variable of a run comes from, those from evaluation rows and derived ones included."""
    found = {name: column for name, column in chosen.columns.items() if name in run}
    derived = chosen.trainer.derived if chosen.trainer else {}
    found |= {name: ", ".join(keys) for name, (keys, _) in derived.items() if name in run and name not in found}
    if "evaluation_reward" in run and "evaluation_reward" not in found:
        found["evaluation_reward"] = f"{chosen.columns['reward']} in evaluation rows"
    return found


def _used_by(trainer: Trainer | None, chosen: Chosen, origins: Mapping[str, str]) -> set[str]:
    """Columns from which a trainer's constants and derived variables were taken, in lower case."""
    if trainer is None:
        return set()
    constants = {key for name, key in trainer.constants.items() if origins.get(name) == "same in all rows"}
    return constants | {k for name, (keys, _) in trainer.derived.items() if name not in chosen.columns for k in keys}


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


def _runs(table: Table, training: np.ndarray, column: str | None) -> Iterable[tuple[str, np.ndarray]]:
    """Name and row numbers of each run."""
    if column is None:
        yield "", np.flatnonzero(training)
        return
    codes = table.codes(column)
    for word, code in table.words[column].words.items():
        yield word, np.flatnonzero(training & (codes == code))
