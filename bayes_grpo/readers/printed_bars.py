"""Where the trainer's progress bar stands as a log is read, and where it falls back."""

import math
import re
from dataclasses import dataclass, field

from bayes_grpo.readers.ranks import Ranks

#: What stands before a bar of training.
TRAINING = re.compile(
    r"^(?:train(?:ing)?(?: progress)?|steps?|epochs?|iter(?:ation)?s?|progress|grpo|rl)?\W*$", re.IGNORECASE
)
#: A bar that falls to its first position, or to this one, begins anew; a resumed run's goes on from a checkpoint.
_FIRST = 2
#: One that falls from a lower position tells nothing: several processes may draw a bar each.
_FEWEST = 5


@dataclass
class Fall:
    """A bar that fell back: from which position, whether it was at its end there, and how low it has been since."""

    position: int
    at_end: bool
    low: float = math.inf

    def begins_anew(self, first: int) -> bool:
        """Whether the bar began anew, as far as its first position above 0 tells."""
        return self.position >= _FEWEST and self.low <= max(first, _FIRST)


@dataclass
class Bars:
    """Positions of the trainer's progress bar, as a log is read; of several bars the one that moves most often."""

    moves: dict[int, int] = field(default_factory=dict)
    at: dict[int, int] = field(default_factory=dict)
    first: dict[int, int] = field(default_factory=dict)
    newest: int = 0
    lowest: dict[int, int] = field(default_factory=dict)
    falls: dict[int, Fall] = field(default_factory=dict)
    born: dict[int, int] = field(default_factory=dict)
    moved: dict[int, int] = field(default_factory=dict)
    again: set[int] = field(default_factory=set)
    ranks: Ranks = field(default_factory=Ranks)

    def see(self, description: str, position: int, total: int) -> None:
        """Take in one bar; bars of other work than training are passed over."""
        if not TRAINING.match(description) or total < 1 or position > total:
            return
        self.newest = total
        self.first[total] = min(position, self.first.get(total, position))
        if position < (before := self.at.get(total, 0)):
            self.falls[total] = Fall(before, before == total)
            if before == total:
                self.again.add(total)
        if position and total in self.falls:
            self.falls[total].low = min(position, self.falls[total].low)
        elif position:
            self.lowest[total] = min(position, self.lowest.get(total, position))
        if self.at.get(total) != position:
            self.moves[total] = self.moves.get(total, 0) + 1
            self.at[total] = position
            self.moved[total] = sum(self.moves.values())
            self.born.setdefault(total, self.moved[total])

    def begin_anew(self) -> None:
        """Forget the bars of a run that has ended; the newest one is the next run's."""
        self.moves = {total: 1 for total in self.moves if total == self.newest}
        self.at = {total: at for total, at in self.at.items() if total == self.newest}
        self.first = {total: first for total, first in self.first.items() if total == self.newest}
        self.lowest = {}
        self.born, self.moved, self.again = dict.fromkeys(self.at, 1), dict.fromkeys(self.at, 1), set()

    def fall(self) -> Fall | None:
        """How the trainer's bar began anew since it was last asked for; None where it did not."""
        total = self.total
        fall = self.falls.get(total) if total is not None else None
        if total is None or fall is None or not math.isfinite(fall.low):
            return None
        del self.falls[total]
        return fall if fall.begins_anew(self.lowest.get(total, 0)) else None

    @property
    def total(self) -> int | None:
        """The length of the trainer's bar."""
        may_be = [total for total in self.moves if not self._is_of_evaluations(total)]
        return max(may_be, key=lambda total: (self.moves[total], total), default=None)

    def _is_of_evaluations(self, total: int) -> bool:
        """Whether a bar came to its end, once or again and again, while a longer one goes on."""
        ended = self.at[total] == total
        return any(
            longer > total
            and ((ended and at < longer) or (total in self.again and self.moved[longer] > self.born[total]))
            for longer, at in self.at.items()
        )

    @property
    def position(self) -> int | None:
        """Where the trainer's bar stands."""
        return self.at.get(self.total) if self.total is not None else None
