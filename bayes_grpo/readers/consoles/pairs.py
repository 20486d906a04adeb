"""Lines with a step and several keys with their values: MiniMind, prime-rl, and many scripts of one file.

``Step 10/500 | Reward: 0.43 | KL: 0.02``, ``Epoch:[1/1](10/9751), Reward: 0.2785, KL_ref: 0.0010``, ``step=10
reward=0.43``.
"""

import re
from collections.abc import Iterable, Iterator
from functools import lru_cache

from bayes_grpo.readers.cells import Place, pairs_of, place_of
from bayes_grpo.readers.log import Row
from bayes_grpo.readers.printed import without_stamp

NAME = "lines with a step"
ORDER = 30
COUNTED = False

_HINT = re.compile(r"reward|score|return|accuracy", re.IGNORECASE)
_PLACE = re.compile(
    r"(?:global[_ ]|train(?:ing)?[_ ])?(?:step|iter(?:ation)?|update)s?|it|batch|rollout", re.IGNORECASE
)
_LONGEST = 4_000


def rows(lines: Iterable[str]) -> Iterator[Row]:
    """One row a line that names a reward and a step."""
    epoch = total = None
    last = offset = 0
    for line in lines:
        if len(line) > _LONGEST or not _HINT.search(line):
            continue
        text = without_stamp(line)
        place = place_of(text)
        if place is None:
            continue
        pairs = pairs_of(text)
        if not any(_HINT.search(key) for key in pairs):
            pairs = pairs_of(text, loose=True)
        if not any(_HINT.search(key) for key in pairs):
            continue
        if _next_epoch(place, epoch, last, total):
            offset += total or last
        epoch, last, total = place.epoch, place.step, place.total or total
        row: Row = {key: value for key, value in pairs.items() if not _is_place(key)}
        row["step"] = place.step + offset
        if place.total and not offset:
            row["total_steps"] = place.total
        yield row


def _next_epoch(place: Place, epoch: int | None, last: int, total: int | None) -> bool:
    """Whether steps began anew with an epoch."""
    return (
        place.epoch is not None
        and epoch is not None
        and place.epoch > epoch
        and place.step < last
        and total == place.total
    )


@lru_cache(maxsize=10_000)
def _is_place(key: str) -> bool:
    return _PLACE.fullmatch(key) is not None
