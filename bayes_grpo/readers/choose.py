"""Which key of a log is which variable: the trainers' names first, then a guess for other tables."""

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from functools import lru_cache

from bayes_grpo.errors import InputError
from bayes_grpo.readers.contract import Trainer, trainers
from bayes_grpo.readers.names import EVALUATION_WORDS, NAMES

#: Words in a column's name by which it is no mean reward of training rollouts.
_NOT_THE_MEAN = {
    "std",
    "stddev",
    "sd",
    "var",
    "variance",
    "spread",
    "max",
    "maximum",
    "min",
    "minimum",
    "median",
    "best",
    "count",
}
_NOT_THE_MEAN |= set(EVALUATION_WORDS)
_SLASH = re.compile(r"\s*/\s*")


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
    """

    trainer: Trainer | None
    columns: dict[str, str]
    components: dict[str, str] = field(default_factory=dict)

    @property
    def used(self) -> set[str]:
        """All columns that something was taken from."""
        return {*self.columns.values(), *self.components.values()}


@lru_cache(maxsize=100_000)
def plain(key: str) -> str:
    """A key in lower case without spaces around its slashes (as notebooks show it)."""
    return _SLASH.sub("/", key).strip().lower()


def _known() -> tuple[frozenset[str], tuple[str, ...]]:
    names = [n for source in (NAMES, *(t.names for t in trainers())) for found in source.values() for n in found]
    for trainer in trainers():
        names += [*trainer.constants.values(), *(key for keys, _ in trainer.derived.values() for key in keys)]
    exact = frozenset(n for n in names if "*" not in n)
    return exact, tuple({n for n in names if "*" in n})


@lru_cache(maxsize=100_000)
def is_known(key: str) -> bool:
    """Whether a column's numbers may be of use."""
    exact, patterns = _known_once()
    name = plain(key)
    if name in exact or "reward" in name or any(fnmatchcase(name, pattern) for pattern in patterns):
        return True
    return any(re.fullmatch(trainer.components, name) for trainer in trainers())


@lru_cache(maxsize=1)
def _known_once() -> tuple[frozenset[str], tuple[str, ...]]:
    return _known()


def trainer_of(keys: Iterable[str], told: str = "") -> Trainer | None:
    """The trainer whose marks the keys bear most of; the one told where a format tells it."""
    names = {plain(key) for key in keys}
    best, most = None, 0
    for trainer in trainers():
        if told and trainer.name == told:
            return trainer
        count = sum(mark in names or ("*" in mark and _first(mark, names) is not None) for mark in trainer.marks)
        if count > most:
            best, most = trainer, count
    return best


def _first(name: str, names: Iterable[str]) -> str | None:
    return next((found for found in names if fnmatchcase(found, name)), None)


def choose(
    path: str,
    present: Iterable[str],
    reward: str | None,
    step: str | None,
    notes: list[str],
    trainer: Trainer | None = None,
) -> Chosen:
    """Map variables to the columns that hold them.

    Parameters
    ----------
    path : str
        Named in faults.
    present : iterable of str
        Columns that hold values.
    reward, step : str, optional
        Columns stated by the user; they win.
    notes : list of str
        Receives what was guessed.
    trainer : Trainer, optional
        Whose names are tried first.

    Raises
    ------
    InputError
        If a stated column is missing, or no step or reward column, or no single best one, can be found.
    """
    columns = list(present)
    lower = {plain(column): column for column in reversed(columns)}
    own = trainer.names if trainer else {}
    known = {field: (*own.get(field, ()), *names) for field, names in NAMES.items()}
    for field_ in own.keys() - known.keys():
        known[field_] = own[field_]
    chosen = {field: _column(names, lower) for field, names in known.items()}
    faults = []
    for field_, stated, flag in (("reward", reward, "--reward-column"), ("optimizer_step", step, "--step-column")):
        if stated is not None:
            if stated not in columns:
                faults.append(f"{flag}: no column {stated!r}; found {_listed(columns)}")
            chosen[field_] = stated
    if chosen["optimizer_step"] is None:
        faults.append(f"expected a column with the optimizer step, found {_listed(columns)}; name it by --step-column")
    if chosen["reward"] is None:
        alike = [
            c for c in columns if "reward" in c.lower() and not _NOT_THE_MEAN & set(re.split("[^a-z]+", c.lower()))
        ]
        if len(alike) == 1:
            chosen["reward"] = alike[0]
        elif alike:
            faults.append(f"expected one reward column, found {_listed(alike)}; choose one by --reward-column")
        else:
            faults.append(
                f"expected a column with the mean reward, found {_listed(columns)}; name it by --reward-column"
            )
    if faults:
        raise InputError(path, faults)
    for field_, stated, word in (("reward", reward, "reward"), ("optimizer_step", step, "optimizer step")):
        found = chosen[field_]
        if stated is None and found is not None and plain(found) not in (*own.get(field_, ()), word.split()[-1]):
            others = [lower[n] for n in known[field_] if n in lower and lower[n] != found]
            more = f"; other candidates: {', '.join(dict.fromkeys(others))}" if others else ""
            notes.append(f"took column {found!r} as {word}{more}")
    kept = {field: column for field, column in chosen.items() if column is not None}
    return Chosen(trainer, kept, _components(columns, set(kept.values()), trainer))


def _column(names: Iterable[str], lower: dict[str, str]) -> str | None:
    for name in names:
        if name in lower:
            return lower[name]
        if "*" in name and (found := _first(name, lower)) is not None:
            return lower[found]
    return None


def _components(columns: list[str], used: set[str], trainer: Trainer | None) -> dict[str, str]:
    """Columns with the mean of one reward function each, by its name."""
    if trainer is None:
        return {}
    found: dict[str, str] = {}
    for column in columns:
        match = re.fullmatch(trainer.components, plain(column))
        if match and column not in used and match[1] not in ("mean", "std", "max", "min"):
            found.setdefault(match[1], column)
    return found


def _listed(columns: list[str]) -> str:
    shown = ", ".join(columns[:12])
    return (shown + (f" and {len(columns) - 12} more" if len(columns) > 12 else "")) or "no columns"
