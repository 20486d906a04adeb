"""Steps that are counted anew in each epoch, put on one count."""

import re

from bayes_grpo.readers.cells import Place

_EPOCH = re.compile(
    r"^(?:\[[^\]]*\]|[^\w\[])*\[*(?:(?:start(?:ing)?|begin(?:ning)?|train(?:ing)?)\W+)?"
    r"epochs?\W*(\d+)(?:\s*(?:/|of)\s*(\d+))?\W*$",
    re.IGNORECASE,
)


class Epochs:
    """The epoch that printed lines are in: one named beside the step, or in a line of its own before it."""

    def __init__(self) -> None:
        self._named: int | None = None
        self._of: int | None = None
        self._goes_on = False
        self._epoch: int | None = None
        self._last = 0
        self._total: int | None = None
        #: Steps before each epoch.
        self._before: dict[int, int] = {}

    def begins(self, line: str) -> bool:
        """Whether a line names an epoch and nothing else; that epoch is taken in."""
        match = _EPOCH.match(line) if "poch" in line or "POCH" in line else None
        if match is None:
            return False
        self._named = int(match[1])
        self._of = int(match[2]) if match[2] else None
        return True

    def count(self, place: Place) -> tuple[int, int | None]:
        """The step of a place on one count, and the planned length where it is told."""
        epoch = place.epoch if place.epoch is not None else self._named
        offset = self._offset(place, epoch)
        if epoch is not None:
            self._before[epoch] = offset
        self._epoch, self._last, self._total = epoch, place.step, place.total or self._total
        return place.step + offset, self._planned(place, offset)

    def _offset(self, place: Place, epoch: int | None) -> int:
        """Steps before the epoch of a place."""
        if epoch is None:
            return self._before.get(self._epoch, 0) if self._epoch is not None else 0
        if self._epoch is None:
            return self._missed(place, epoch)
        before = self._before[self._epoch]
        if epoch <= self._epoch:
            return self._before.get(epoch, 0)
        anew = place.step < self._last or place.step == self._last == 1
        if anew and place.total in (None, self._total):
            return before + (self._total or self._last)
        self._goes_on = self._goes_on or place.epoch is None
        return before

    def _missed(self, place: Place, epoch: int) -> int:
        """Steps of the epochs before the first that a log of a resumed run shows."""
        if place.epoch is not None or self._of is None or not place.total or epoch < 2:
            return 0
        of_all = place.total / self._of
        self._goes_on = (epoch - 1) * of_all < place.step <= epoch * of_all
        return 0 if self._goes_on else (epoch - 1) * place.total

    def _planned(self, place: Place, offset: int) -> int | None:
        if place.total and place.epoch is None and self._of and not self._goes_on:
            return self._of * place.total
        return None if offset else place.total
