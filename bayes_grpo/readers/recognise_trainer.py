"""Which trainer wrote a log: told by its keys, by its config, or by its format."""

from collections.abc import Iterable
from functools import cache, lru_cache
from typing import NamedTuple

from bayes_grpo.readers.contract import Trainer, trainers
from bayes_grpo.readers.keys import first, is_pattern, plain


class Told(NamedTuple):
    """A trainer, and the keys by which it was told."""

    trainer: Trainer | None = None
    by: tuple[str, ...] = ()


def trainer_of(keys: Iterable[str], stated: str = "") -> Told:
    """The trainer whose marks the keys bear most of; the one that a format tells, where it tells one.

    A trainer that grew out of another bears the other's marks too. It is taken where at least one mark of its own is
    there.
    """
    names = {plain(key): key for key in keys}
    best, most = Told(), 0
    for trainer in trainers():
        present = tuple(
            dict.fromkeys(names[key] for mark in trainer.marks if (key := _present(mark, names)) is not None)
        )
        shared = 0
        if trainer.based_on and present:
            shared = sum(_present(mark, names) is not None for mark in by_name()[trainer.based_on].marks)
        if stated and trainer.name == stated:
            return Told(trainer, present)
        if len(present) + shared > most:
            best, most = Told(trainer, present), len(present) + shared
    return best


@cache
def by_name() -> dict[str, Trainer]:
    """All trainers by their name."""
    return {trainer.name: trainer for trainer in trainers()}


def _present(mark: str, names: Iterable[str]) -> str | None:
    if is_pattern(mark):
        return first(mark, names)
    return mark if mark in names else None


@lru_cache(maxsize=64)
def _names(name: str) -> dict[str, tuple[str, ...]]:
    trainer = by_name()[name]
    inherited = _names(trainer.based_on) if trainer.based_on else {}
    return {**inherited, **trainer.names}


def names_of(trainer: Trainer | None) -> dict[str, tuple[str, ...]]:
    """Keys of each variable, those included that a trainer has from the one that it grew out of."""
    return _names(trainer.name) if trainer is not None else {}


@cache
def _known() -> tuple[frozenset[str], tuple[str, ...]]:
    """All keys that some trainer names, and all patterns."""
    keys = [key for trainer in trainers() for names in trainer.names.values() for key in names]
    for trainer in trainers():
        keys += [*trainer.constants, *trainer.constants.values(), *trainer.rollout_clock]
        keys += [key for needed, _ in trainer.derived.values() for key in needed]
        keys.append(f"^{trainer.components}$")
    return frozenset(key for key in keys if not is_pattern(key)), tuple({key for key in keys if is_pattern(key)})


@cache
def _steps() -> frozenset[str]:
    return frozenset(
        key for trainer in trainers() for key in (*trainer.names.get("optimizer_step", ()), *trainer.rollout_clock)
    )


def names_a_step(key: str) -> bool:
    """Whether this plain key is some trainer's step."""
    return key in _steps()


@lru_cache(maxsize=100_000)
def is_named(key: str) -> bool:
    """Whether some trainer names this plain key."""
    exact, patterns = _known()
    return key in exact or any(first(pattern, (key,)) for pattern in patterns)
