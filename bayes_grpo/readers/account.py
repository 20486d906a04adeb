"""One run of a log that was understood: its Dataset, and the account of what it was made of."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import xarray as xr

from bayes_grpo.errors import Note
from bayes_grpo.readers.assemble_run import Assembled, assemble, evaluations, join_evaluation
from bayes_grpo.readers.choose_columns import Arrays, Chosen
from bayes_grpo.readers.column_names import LOSS_COLUMN
from bayes_grpo.readers.column_words import is_planned_length
from bayes_grpo.readers.completions_as_rows import is_completion_column
from bayes_grpo.readers.contract import Trainer
from bayes_grpo.readers.gather_columns import Table
from bayes_grpo.readers.keys import plain, words
from bayes_grpo.readers.log import HIDDEN, Facts, Options, Reading, reading_note
from bayes_grpo.readers.recognise_trainer import Told
from bayes_grpo.readers.settings import SAME, Known, count_updates, spread_of, unused_settings, window_of
from bayes_grpo.readers.steps import newest_first
from bayes_grpo.runs.dataset import make_run


@dataclass
class UnderstoodLog:
    """What is known of a log before its runs are told apart."""

    where: str
    table: Table
    chosen: Chosen
    told: Told
    facts: Facts
    known: Known
    options: Options
    by_step: bool
    notes: list[Note]
    training: np.ndarray
    evaluation: np.ndarray
    expressed: dict[str, list[str]]


def account_of(log: UnderstoodLog, name: str, rows: np.ndarray, several: bool) -> Reading:
    """The Dataset of one run, and what it was made of.

    Parameters
    ----------
    log : UnderstoodLog
        The log that holds the run.
    name : str
        The run's label.
    rows : numpy.ndarray
        Numbers of its rows.
    several : bool
        Whether the log holds other runs, too.

    Raises
    ------
    InputError
        All faults of the run at once.
    """
    table, chosen, options, trainer = log.table, log.chosen, log.options, log.told.trainer
    facts = {**log.facts.config, **log.facts.extras}
    single = any(is_completion_column(key) for key in (*table.numbers, *table.others))
    order_notes = []
    if newest_first(table.arrays[chosen.columns["optimizer_step"]][rows]):
        rows = rows[::-1]
        order_notes = [
            reading_note("optimizer_step", "the newest row stands first: rows were put in order of their steps")
        ]
    made = assemble(log.where, table, chosen, rows, options, facts, by_step=log.by_step, single=single)
    if log.evaluation.any() and not several:
        join_evaluation(made.arrays, evaluations(table, log.evaluation, chosen, options))
    percent_notes = _percent(made.arrays, chosen)
    known = log.known.copy()
    if made.updates is not None:
        known.values.setdefault("refresh_interval", made.updates)
    arrays, count_notes = count_updates(made.arrays, known, trainer, options)
    window_notes = _add_window(known, log, rows)
    spread, spread_notes = spread_of(chosen, table, facts)
    notes = [*log.notes, *order_notes, *made.notes, *percent_notes, *count_notes, *window_notes, *spread_notes]
    run = make_run(
        name,
        arrays,
        known.values,
        spread=spread if "reward_spread" in arrays else "unknown",
        source=log.where,
        notes=list(map(str, notes)),
        components=made.components,
    )
    origins = _origins(known, trainer, made)
    return Reading(
        run=run,
        format="",
        trainer=trainer.name if trainer else "",
        told_by=list(log.told.by),
        columns=_columns(run, log, made),
        components=chosen.components,
        unused=_unused(log, made, origins),
        origins={key: value for key, value in origins.items() if key in run},
        notes=notes,
    )


def _origins(known: Known, trainer: Trainer | None, made: Assembled) -> dict[str, str]:
    """Where each hyperparameter comes from."""
    inferred = "spacing of rows" if trainer and trainer.window is None else "what the trainer logs"
    origins = {key: inferred for key in known.values if key not in known.origins} | known.origins
    if made.updates is not None and "refresh_interval" not in known.origins:
        origins["refresh_interval"] = "the rows' two counts"
    return origins


def _percent(arrays: Arrays, chosen: Chosen) -> list[Note]:
    """A word on evaluations that are logged in per cent beside rewards that are not."""
    column, values = chosen.columns.get("evaluation_reward"), arrays.get("evaluation_reward")
    if column is None or values is None or not words(column) & {"accuracy", "fraction", "rate", "pass", "success"}:
        return []
    high, usual = np.nanmax(values), np.nanmax(arrays["reward"])
    if not (1.5 < high <= 100 and usual <= 1.0):
        return []
    text = (
        f"{column}: values up to {high:.4g} beside rewards up to {usual:.4g} look like per cent; they are kept as "
        f"logged (--column 'evaluation_reward={column}/100' makes them shares)"
    )
    return [reading_note(column, text)]


def _add_window(known: Known, log: UnderstoodLog, rows: np.ndarray) -> list[Note]:
    """Find the window of a row, where it is not known, from the spacing of all rows of training."""
    if "logging_window" in known.values:
        return []
    table, columns = log.table, log.chosen.columns
    step = table.arrays[columns["optimizer_step"]][rows]
    sign = columns.get("learning_rate", columns["reward"])
    logged = ~np.isnan(table.arrays[sign][rows]) if sign in table.arrays else np.ones(rows.size, dtype=bool)
    window, notes = window_of(step, logged, log.told.trainer)
    if window is not None:
        known.values["logging_window"] = window
    return notes


def _columns(run: xr.Dataset, log: UnderstoodLog, made: Assembled) -> dict[str, str]:
    """Where each variable of a run comes from, those from evaluation rows and derived ones included."""
    columns = {name: column for name, column in log.chosen.columns.items() if name in run}
    columns |= {name: ", ".join(used) for name, used in made.derived.items() if name in run}
    columns |= {name: f"{text}" for name, text in log.options.columns.items() if name in run}
    if "evaluation_reward" in run and "evaluation_reward" not in columns:
        columns["evaluation_reward"] = f"{log.chosen.columns['reward']} in evaluation rows"
    return columns


def _unused(log: UnderstoodLog, made: Assembled, origins: Mapping[str, str]) -> list[str]:
    """Columns and settings from which nothing was taken."""
    used = log.chosen.used | {
        column for columns in (*made.derived.values(), *log.expressed.values()) for column in columns
    }
    trainer = log.told.trainer
    used |= {key for name, keys in log.known.columns.items() if origins.get(name) == SAME for key in keys}
    if origins.get("planned_steps") == "a column":
        used |= {key for key in log.table.numbers if is_planned_length(key)}
    losses = (key for key in log.table.words if plain(key) == LOSS_COLUMN)
    names = (*log.table.numbers, *log.table.others, *losses)
    unused = [key for key in names if key not in used and plain(key) not in used]
    hidden = {*HIDDEN, *(f"--column {name}" for name in log.options.columns)}
    return [key for key in unused if key not in hidden] + unused_settings(log.facts, trainer)
