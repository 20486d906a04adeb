"""Progress bars with figures behind them, as ``tqdm.set_postfix`` draws them, where nothing else is printed.

``Episode [1/1]:  1%|# | 1/200 [00:30<1:40:00, 30.1s/it, policy_loss=0.01, reward=0.2519]``: OpenRLHF and scripts.
"""

import re
from collections.abc import Iterable, Iterator

from bayes_grpo.readers.consoles import pairs
from bayes_grpo.readers.log import Row
from bayes_grpo.readers.printed import TrainingBar, training_bars

NAME = "progress bars"
ORDER = 50
COUNTED = False
OF_BARS = True

_FIGURES = re.compile(r"[^\s=,]+=[^,]*")


def rows(lines: Iterable[str]) -> Iterator[Row]:
    """One row a position of the bar."""
    yield from pairs.rows(_positions(lines))


def _positions(lines: Iterable[str]) -> Iterator[str]:
    """A line for each position, with its figures.

    A program that sets the figures of a step before it moves the bar draws them at the position before, too; that is
    seen where the bar begins. Then the first figures at a position are its own, else the last.
    """
    begin: str | None = None
    first_ones: bool | None = None
    place = held = ""
    for bar in training_bars(lines):
        at = _place(bar)
        figures = ", ".join(_FIGURES.findall(bar.postfix))
        if not figures:
            begin = begin or at
            continue
        if first_ones is None:
            first_ones = at == begin
        if bar.position == 0 or (at == begin and first_ones):
            continue
        if at != place and held:
            yield held
            held = ""
        if not (held and first_ones):
            held = f"{at}, {figures}"
        place = at
    if held:
        yield held


def _place(bar: TrainingBar) -> str:
    if bar.epoch:
        return f"Epoch:[{bar.epoch}]({bar.position}/{bar.total})"
    return f"step {bar.position}/{bar.total}"
