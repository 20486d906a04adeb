"""From the logs of a run to its Dataset, and to an account of how they were understood."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from bayes_grpo.errors import InputError, Note
from bayes_grpo.readers.account import UnderstoodLog, account_of
from bayes_grpo.readers.check_values import check_commas, check_numbers
from bayes_grpo.readers.choose_columns import Arrays, Chosen, choose, listed, may_be_of_use
from bayes_grpo.readers.column_names import EVALUATION_WORDS, FLAG_COLUMNS, KIND_COLUMNS, LOSS_COLUMN, TRUE_WORDS
from bayes_grpo.readers.column_words import step_rank
from bayes_grpo.readers.expressions import evaluate, mentions
from bayes_grpo.readers.gather_columns import Table
from bayes_grpo.readers.keys import plain
from bayes_grpo.readers.log import COUNT, HIDDEN, Facts, Log, Options, Reading, reading_note
from bayes_grpo.readers.printed_steps import place_rows
from bayes_grpo.readers.ranks import is_rank, mean_over_ranks
from bayes_grpo.readers.recognise_trainer import Told, trainer_of
from bayes_grpo.readers.settings import (
    config_beside,
    settings_of,
)
from bayes_grpo.readers.text import flatten


def understand(
    where: str,
    logs: Sequence[Log],
    label: str,
    options: Options,
    beside: Mapping[str, Any],
    extras: Mapping[str, Any],
    folder: Path | None = None,
) -> tuple[list[Reading], list[InputError]]:
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
    folder : Path, optional
        Where the trainer may have left its config.

    Returns
    -------
    tuple
        A `Reading` for each run, and the faults of those of several runs that cannot be read.

    Raises
    ------
    InputError
        All faults at once, where no run can be read.
    """
    run_column = options.run_column or next((log.run_column for log in logs if log.run_column), "")
    table = _gathered(where, logs, options, run_column)
    log = _understood(where, table, logs, options, beside, extras, folder)
    runs = list(_runs(table, log.training, run_column))
    readings, faults = [], []
    for name, rows in runs:
        try:
            readings.append(account_of(log, name or label, rows, len(runs) > 1))
        except InputError as error:
            if len(runs) == 1:
                raise
            faults.append(InputError(f"{where}, run {name}", error.faults))
    if not readings:
        raise faults[0]
    return readings, faults


def _understood(
    where: str,
    table: Table,
    logs: Sequence[Log],
    options: Options,
    beside: Mapping[str, Any],
    extras: Mapping[str, Any],
    folder: Path | None,
) -> UnderstoodLog:
    """The trainer, the columns of the variables, and the hyperparameters of a log."""
    settings = (f"config/{key}" for key in (*table.facts.config, *table.facts.extras, *extras))
    keys = [*table.numbers, *table.words, *table.others, *settings]
    told = trainer_of(keys, next((log.trainer for log in logs if log.trainer), ""))
    config, config_notes = config_beside(told.trainer, folder)
    facts = Facts(config=config) | table.facts | Facts(extras=extras)
    log_notes = dict.fromkeys(note for log in logs for note in log.notes)
    training, evaluation, split_notes = _split(table)
    place_notes = _place(table, facts)
    columns = {
        key: values
        for key, values in table.arrays.items()
        if key not in HIDDEN and (key in _stated(options) or _holds(table, key, training))
    }
    expressed = _express(where, table, columns, options)
    chosen = _chosen(where, table, columns, options, told)
    check_numbers(where, table, chosen)
    check_commas(where, table, chosen, options)
    by_step = any(log.by_step for log in logs) or bool(told.trainer and told.trainer.by_step)
    if not by_step and not any(log.run_column for log in logs) and options.run_column is None:
        step, reward = (chosen.columns[name] for name in ("optimizer_step", "reward"))
        place_notes += mean_over_ranks(where, table, step, reward, training)
    return UnderstoodLog(
        where=where,
        table=table,
        chosen=chosen,
        told=told,
        facts=facts,
        known=settings_of(facts, told.trainer, table, columns, options, beside),
        options=options,
        by_step=by_step,
        notes=[*log_notes, *table.notes, *config_notes, *split_notes, *place_notes, *chosen.notes],
        training=training,
        evaluation=evaluation,
        expressed=expressed,
    )


def _stated(options: Options) -> set[str]:
    return {column for column in (options.reward_column, options.step_column) if column is not None}


def _gathered(where: str, logs: Sequence[Log], options: Options, run_column: str) -> Table:
    """All rows of the logs as columns.

    Raises
    ------
    InputError
        Where there are no rows, or no column of the name that tells runs apart.
    """
    table = Table()
    stated = _stated(options)

    def wanted(key: str) -> bool:
        if key in stated or key in HIDDEN or is_rank(key) or may_be_of_use(key):
            return True
        return any(mentions(text, key) for text in options.columns.values())

    def worded(key: str) -> bool:
        return key not in stated and (key == run_column or plain(key) in (*KIND_COLUMNS, LOSS_COLUMN))

    for log in logs:
        table.facts |= log.facts
        table.add(where, log.rows, wanted, worded)
    table.facts = Facts(flatten(dict(table.facts.config)), table.facts.stated, table.facts.extras)
    if not table.length:
        raise InputError(where, "expected rows, found none; has the trainer logged anything yet?")
    if run_column and run_column not in table.words:
        names = listed([*table.words, *table.numbers, *table.others])
        raise InputError(where, f"--run-column: no column {run_column!r}; found {names}")
    return table


def _place(table: Table, facts: Facts) -> list[Note]:
    """Give rows that are counted their steps, as a column."""
    if COUNT not in table.arrays or _has_steps(table):
        return []
    start = facts.extras.get("bar_start", 0.0)
    placed = place_rows(table, facts.stated.get("planned_steps"), float(start))
    if placed is None:
        return []
    table.put("step", np.where(np.isnan(table.arrays[COUNT]), table.arrays.get("step", np.nan), placed.step))
    return placed.notes


def _has_steps(table: Table) -> bool:
    """Whether most rows of a log whose other rows are counted say their step."""
    counted = np.isfinite(table.arrays[COUNT]).sum()
    names = (key for key in table.arrays if (rank := step_rank(key)) is not None and rank < 100)
    return any(np.isfinite(table.arrays[key]).sum() >= counted for key in names)


def _express(where: str, table: Table, columns: Arrays, options: Options) -> dict[str, list[str]]:
    """Work out the columns that the user states as expressions; the columns that each was made of."""
    used = {}
    for name, text in options.columns.items():
        values, used[name] = evaluate(where, name, text, table.arrays, _logged(table))
        table.put(f"--column {name}", np.broadcast_to(values, (table.length,)).copy())
        if name in ("reward", "optimizer_step"):
            columns[f"--column {name}"] = table.arrays[f"--column {name}"]
    return used


def _logged(table: Table) -> list[str]:
    """Columns of the log itself."""
    return [key for key in (*table.numbers, *table.others) if key not in HIDDEN]


def _chosen(where: str, table: Table, columns: Arrays, options: Options, told: Told) -> Chosen:
    """The columns of the variables; those without a single number only if there are no others."""
    try:
        return choose(where, columns, options, told.trainer, table.others)
    except InputError:
        everything = {**table.arrays, **columns}
        everything = {key: values for key, values in everything.items() if key not in HIDDEN}
        return choose(where, everything, options, told.trainer, table.others)


def _holds(table: Table, key: str, rows: np.ndarray) -> bool:
    """Whether a column has a number, or text in a number's place, in some of the rows."""
    column = table.numbers[key]
    return bool(column.faults) or bool((~np.isnan(table.arrays[key][rows])).any())


def _split(table: Table) -> tuple[np.ndarray, np.ndarray, list[Note]]:
    """Masks of training and of evaluation rows, by a column such as 'type'."""
    for wanted in KIND_COLUMNS:
        for key, column in table.words.items():
            if plain(key) != wanted:
                continue
            says = TRUE_WORDS if wanted in FLAG_COLUMNS else EVALUATION_WORDS
            marks = {word: code for word, code in column.words.items() if word.lower() in says}
            if marks and len(column.words) > len(marks):
                note = reading_note(key, f"rows with {key} = {', '.join(sorted(marks))} taken as evaluations")
                evaluation = np.isin(table.codes(key), list(marks.values()))
                return ~evaluation, evaluation, [note]
    nothing = np.zeros(table.length, dtype=bool)
    return ~nothing, nothing, []


def _runs(table: Table, training: np.ndarray, column: str) -> Iterator[tuple[str, np.ndarray]]:
    """Name and row numbers of each run."""
    if not column:
        yield "", np.flatnonzero(training)
        return
    codes = table.codes(column)
    for word, code in table.words[column].words.items():
        yield word, np.flatnonzero(training & (codes == code))
