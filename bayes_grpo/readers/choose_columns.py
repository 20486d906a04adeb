"""Which key of a log is which variable: what the user states, the trainer's names, and the words of the others."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache

import numpy as np

from bayes_grpo.errors import InputError, NoRewardError, Note
from bayes_grpo.readers.column_names import NAMES, hyperparameter_of
from bayes_grpo.readers.column_words import BY_ITS_END, is_planned_length, reward_rank, step_rank, variable_of
from bayes_grpo.readers.completions_as_rows import is_completion_column
from bayes_grpo.readers.contract import Trainer
from bayes_grpo.readers.keys import first, is_pattern, plain, without_spaces
from bayes_grpo.readers.log import Options, reading_note
from bayes_grpo.readers.normalised import is_centred
from bayes_grpo.readers.recognise_trainer import is_named, names_of
from bayes_grpo.readers.steps import newest_first

Arrays = dict[str, np.ndarray]

#: From so many rows on, a step that is the same in all of them is none.
_MANY = 10


@dataclass
class Chosen:
    """What was found in a log's columns.

    Attributes
    ----------
    trainer : Trainer or None
        Whose key set it is.
    columns : dict
        Column of each variable.
    components : dict
        Column of each reward function's mean, by the function's name.
    by_words : set
        Variables that were found by the words of a column's name.
    notes : list of Note
        What was guessed.
    """

    trainer: Trainer | None
    columns: dict[str, str]
    components: dict[str, str] = field(default_factory=dict)
    by_words: set[str] = field(default_factory=set)
    notes: list[Note] = field(default_factory=list)

    @property
    def used(self) -> set[str]:
        """All columns that something was taken from."""
        return {*self.columns.values(), *self.components.values()}


@lru_cache(maxsize=100_000)
def may_be_of_use(key: str) -> bool:
    """Whether a column's numbers are kept."""
    name = plain(key)
    if name in _NAMED or hyperparameter_of(name) or is_named(name) or "reward" in name:
        return True
    return (
        variable_of(key) is not None
        or step_rank(key) is not None
        or reward_rank(key) is not None
        or is_planned_length(key)
    )


_NAMED = frozenset(name for names in NAMES.values() for name in names)


def choose(
    where: str,
    columns: Mapping[str, np.ndarray],
    options: Options,
    trainer: Trainer | None,
    others: Iterable[str] = (),
) -> Chosen:
    """Map variables to the columns that hold them.

    Parameters
    ----------
    where : str
        Named in faults.
    columns : mapping of numpy.ndarray
        Numbers of the columns that have some.
    options : Options
        Columns stated by the user; they win.
    trainer : Trainer, optional
        Whose names are tried first.
    others : iterable of str
        Columns without numbers, or of no use, for messages.

    Raises
    ------
    InputError
        If a stated column is missing, or no step or reward column, or no single best one, can be found.
    """
    lower = {plain(column): column for column in reversed(list(columns))}
    names = names_of(trainer)
    chosen = Chosen(trainer, {})
    faults: list[str] = []
    every = [*columns, *others]
    for variable in (*NAMES, *(name for name in names if name not in NAMES)):
        known = (*names.get(variable, ()), *(() if trainer and variable in names else NAMES.get(variable, ())))
        column = _column(known, lower)
        if variable == "optimizer_step" and column is not None and not np.ptp(_held(columns[column])):
            column = _column(known, {name: key for name, key in lower.items() if _rises(columns[key])}) or column
        if column is not None:
            chosen.columns[variable] = column
    _stated(columns, options, chosen, faults, every)
    if "optimizer_step" not in chosen.columns:
        _find_step(columns, chosen, faults, every)
    if options.reward_column is None and "reward" not in options.columns and not _find_reward(columns, chosen, faults):
        fault = f"expected a column with the mean reward, found {listed(every)}; name it by --reward-column"
        raise NoRewardError(where, [*faults, fault])
    if not faults and options.step_column is None and "optimizer_step" not in options.columns:
        _distrust_step(columns, chosen, faults, every)
    if faults:
        raise InputError(where, faults)
    _find_others(columns, chosen)
    chosen.notes[:0] = _guesses(chosen, options, lower)
    stated = set(options.columns) - {"reward", "optimizer_step"}
    chosen.columns = {variable: column for variable, column in chosen.columns.items() if variable not in stated}
    chosen.components = _components(columns, set(chosen.columns.values()), trainer)
    return chosen


def _column(names: Iterable[str], lower: Mapping[str, str]) -> str | None:
    for name in names:
        if name in lower:
            return lower[name]
        if is_pattern(name) and (match := first(name, lower)) is not None:
            return lower[match]
    return None


def _stated(
    columns: Mapping[str, np.ndarray], options: Options, chosen: Chosen, faults: list[str], every: list[str]
) -> None:
    """Take the columns that the user names; a column may be worked out by an expression."""
    for variable, stated, flag in (
        ("reward", options.reward_column, "--reward-column"),
        ("optimizer_step", options.step_column, "--step-column"),
    ):
        if stated is not None:
            if stated not in columns:
                faults.append(f"{flag}: no column {stated!r}; found {listed(every)}")
            chosen.columns[variable] = stated
        elif variable in options.columns:
            chosen.columns[variable] = f"--column {variable}"


def _find_step(columns: Mapping[str, np.ndarray], chosen: Chosen, faults: list[str], every: list[str]) -> None:
    """The step by the words of a column's name."""
    ranked = sorted(
        (newest_first(columns[column]), rank, place, column)
        for place, column in enumerate(columns)
        if (rank := step_rank(column)) is not None and _rises(columns[column])
    )
    if not ranked:
        faults.append(f"expected a column with the optimizer step, found {listed(every)}; name it by --step-column")
        return
    _, rank, _, column = ranked[0]
    chosen.columns["optimizer_step"] = column
    if rank >= 100:
        chosen.notes.append(
            reading_note(column, f"no column with a step: {column!r} is taken for it; name another by --step-column")
        )


def _distrust_step(columns: Mapping[str, np.ndarray], chosen: Chosen, faults: list[str], every: list[str]) -> None:
    """Fault a column of a step's name that stands still while rewards go on; completions of one step may."""
    column, reward = chosen.columns["optimizer_step"], columns[chosen.columns["reward"]]
    step = _held(columns[column][np.isfinite(reward)])
    if step.size < _MANY or np.ptp(step) or not np.ptp(_held(reward)) or any(map(is_completion_column, every)):
        return
    faults.append(
        f"optimizer_step: {column} is {step[0]:g} in all {step.size} rows with a reward, so it counts no steps; name "
        f"another column by --step-column; found {listed(every)}"
    )


def _held(values: np.ndarray) -> np.ndarray:
    """The numbers of a column; a 0 where there are none."""
    held = values[np.isfinite(values)]
    return held if held.size else np.zeros(1)


def _rises(values: np.ndarray) -> bool:
    """Whether a column may count steps: whole numbers that seldom fall, or that nearly always do, the newest first."""
    held = values[np.isfinite(values)]
    if held.size < 2:
        return held.size == 1
    return bool((held == np.round(held)).all() and np.ptp(held) > 0) and (
        bool(np.mean(np.diff(held) >= 0) > 0.5) or newest_first(held)
    )


def _find_reward(columns: Mapping[str, np.ndarray], chosen: Chosen, faults: list[str]) -> bool:
    """The reward by the words of a column's name, and never one from which the group's mean was subtracted.

    Returns
    -------
    bool
        Whether there is any column that may be one, chosen or told in a fault.
    """
    named = chosen.columns.get("reward")
    if named is not None and (named not in columns or not is_centred(named, columns)):
        return True
    ranks = {column: rank for column in columns if (rank := reward_rank(column)) is not None and column != named}
    parts = set(_components(columns, set(), chosen.trainer).values())
    centred = [column for column in ranks if is_centred(column, columns)]
    for best in sorted(set(ranks.values())):
        alike = [c for c, rank in ranks.items() if rank == best and c not in centred]
        alike = [c for c in alike if c not in parts] or alike
        if len(alike) == 1:
            chosen.columns["reward"] = alike[0]
            if best == 2 or named is not None:
                why = f"{named!r} is centred on 0 and so no reward" if named else "no column speaks of a reward"
                chosen.notes.append(reading_note(alike[0], f"{why}: {alike[0]!r} is taken as the reward"))
            return True
        if alike:
            shown = "; ".join(f"{c} ({_range(columns[c])})" for c in alike[:12])
            faults.append(
                f"expected one reward column, found {', '.join(alike[:12])}; choose one by --reward-column: {shown}"
            )
            return True
    if named is not None or centred:
        column = named or centred[0]
        faults.append(
            f"reward: {column} ({_range(columns[column])}) is centred on 0: its group's mean was subtracted, so it is "
            "an advantage or a normalised reward and says nothing of learning; log the raw mean reward, or name its "
            "column by --reward-column"
        )
        return True
    return _take_evaluation(columns, chosen)


def _take_evaluation(columns: Mapping[str, np.ndarray], chosen: Chosen) -> bool:
    """Take an evaluation for the reward of a log without one; whether there was any."""
    worded = (c for c in columns if (variable := variable_of(c)) is not None and variable[0] == "evaluation_reward")
    evaluated = chosen.columns.get("evaluation_reward", next(worded, None))
    if evaluated is None:
        return False
    chosen.columns["reward"] = evaluated
    chosen.columns.pop("evaluation_reward", None)
    text = f"no training reward is logged: the evaluation {evaluated!r} is taken as the reward"
    chosen.notes.append(reading_note(evaluated, text))
    return True


def _find_others(columns: Mapping[str, np.ndarray], chosen: Chosen) -> None:
    """The other variables by the words of a column's name, where no name is known for them."""
    taken = set(chosen.columns.values())
    best: dict[str, tuple[int, str]] = {}
    for column in columns:
        named = variable_of(column)
        if named is None or column in taken or named[0] in chosen.columns:
            continue
        if named[1] >= BY_ITS_END and chosen.trainer is not None:
            continue
        if named[0] not in best or named[1] < best[named[0]][0]:
            best[named[0]] = (named[1], column)
    for variable, (_, column) in best.items():
        chosen.columns[variable] = column
        chosen.by_words.add(variable)


def _guesses(chosen: Chosen, options: Options, lower: Mapping[str, str]) -> list[Note]:
    """What is to be said of the columns that were taken for step and reward, and by their words."""
    notes = []
    names = names_of(chosen.trainer)
    for variable, stated, word in (
        ("reward", options.reward_column, "reward"),
        ("optimizer_step", options.step_column, "optimizer step"),
    ):
        column = chosen.columns[variable]
        known = names.get(variable, ())
        if stated is not None or variable in options.columns or plain(column) == word.split()[-1]:
            continue
        if any(first(name, (plain(column),)) for name in known):
            continue
        others = [lower[name] for name in NAMES[variable] if name in lower and lower[name] != column]
        more = f"; other candidates: {', '.join(dict.fromkeys(others))}" if others else ""
        notes.append(reading_note(column, f"took column {column!r} as {word}{more}"))
    worded = [f"{chosen.columns[v]!r} as {v}" for v in chosen.columns if v in chosen.by_words]
    if worded:
        notes.append(
            reading_note(
                "", f"taken by the words of their names: {', '.join(worded)}; --column NAME=COLUMN corrects it"
            )
        )
    return notes


def _components(columns: Iterable[str], used: set[str], trainer: Trainer | None) -> dict[str, str]:
    """Columns with the mean of one reward function each, by its name."""
    if trainer is None:
        return {}
    components: dict[str, str] = {}
    for column in columns:
        match = re.fullmatch(trainer.components, without_spaces(column), re.IGNORECASE)
        if match and column not in used and match[1].lower() not in ("mean", "std", "max", "min"):
            components.setdefault(match[1], column)
    return components


def _range(values: np.ndarray) -> str:
    held = values[np.isfinite(values)]
    return f"{held.min():.4g} to {held.max():.4g}" if held.size else "no number"


def listed(columns: Iterable[str]) -> str:
    """Names of columns for a message."""
    every = list(columns)
    shown = ", ".join(every[:12])
    return (shown + (f" and {len(every) - 12} more" if len(every) > 12 else "")) or "no columns"
