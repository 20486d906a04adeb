"""Lines with a step and several keys with their values: MiniMind, prime-rl, and many scripts of one file.

``Step 10/500 | Reward: 0.43 | KL: 0.02``, ``Epoch:[1/1](10/9751), Reward: 0.2785, KL_ref: 0.0010``, ``step=10
reward=0.43``.
"""

import re
from collections.abc import Iterable, Iterator
from functools import lru_cache

from bayes_grpo.readers.cells import pairs_of, place_of
from bayes_grpo.readers.epochs import Epochs
from bayes_grpo.readers.log import Row
from bayes_grpo.readers.printed import without_stamp

NAME = "lines with a step"
ORDER = 30
COUNTED = False

_HINT = re.compile(r"reward|score|return|accuracy|(?<![a-z])(?:rew|rwd)s?(?![a-z])", re.IGNORECASE)
_PLACE = re.compile(
    r"(?:global[_ ]|train(?:ing)?[_ ])?(?:step|iter(?:ation)?|update)s?|it|batch|rollout", re.IGNORECASE
)
#: A word that stands alone before the keys of a line and says that they are an evaluation's.
_EVALUATION = re.compile(
    r"(?<![\w/.-])(?:eval(?:uation|uating)?|val(?:idation|idating)?|test)(?![\w/.-])"
    r"(?!\s*(?:(?!step|iter|at)\w+\s*)?[:=]\s*[-+.\d])",
    re.IGNORECASE,
)
_LONGEST = 4_000


def rows(lines: Iterable[str]) -> Iterator[Row]:
    """One row a line that names a reward and a step."""
    epochs = Epochs()
    for line in lines:
        if len(line) > _LONGEST or epochs.begins(line) or not _HINT.search(line):
            continue
        text = without_stamp(line).replace("**", "")  # the marks of bold text
        place = place_of(text)
        if place is None:
            continue
        pairs = pairs_of(text)
        if not any(_HINT.search(key) for key in pairs):
            pairs = pairs_of(text, loose=True)
        if not any(_HINT.search(key) for key in pairs):
            continue
        hint = _HINT.search(text)
        mark = "validation/" if hint is not None and _EVALUATION.search(text, 0, hint.start()) else ""
        row: Row = {f"{mark}{key}": value for key, value in pairs.items() if not _is_place(key)}
        row["step"], total = epochs.count(place)
        if total:
            row["total_steps"] = total
        yield row


@lru_cache(maxsize=10_000)
def _is_place(key: str) -> bool:
    return _PLACE.fullmatch(key) is not None
