"""Blocks of lines: a line with the step, then keys and values below it, in any layout.

NeMo-RL, EasyR1, torchforge, AReaL's and the Tinker cookbook's tables, and scripts that print ``Average Reward: x`` in
lines of their own. Indented keys, as YAML has them, belong to the key above them, and bullets below ``Validation
Results:`` to an evaluation.
"""

import re
from collections.abc import Iterable, Iterator

from bayes_grpo.readers.cells import Place, pairs_of, place_of
from bayes_grpo.readers.epochs import Epochs
from bayes_grpo.readers.keys import words
from bayes_grpo.readers.log import Row
from bayes_grpo.readers.printed import indented

NAME = "blocks of lines"
ORDER = 40
COUNTED = False

_WORDS = (
    r"(?:(?:global|train(?:ing)?|metrics?|optimi[sz]er|grpo|rl|outer|main|begin(?:ning)?|start(?:ing)?|finished|"
    r"end(?: of)?)\W+)*"
)
#: A logger's name, and brackets and other signs, may stand before the words; the step is a whole number.
_HEADER = re.compile(
    r"^\s*(?:[A-Za-z_]\w*(?:\.\w+)+\s*[:|-]\s*)?(?:\[[^\]]*\]|[^\w\[])*\[*"
    rf"(?:epochs?\W*\d+\s*(?:(?:/|of)\s*\d+)?\W*)?{_WORDS}"
    r"(?:step|iter(?:ation)?|update|rollout|batch)\b\W*\d[\d,]*(?!\d|[\d,]*\.\d)",
    re.IGNORECASE,
)
#: An evaluation before the first step of training.
_EVALUATED_AT = re.compile(r"(?:validat|evaluat)\w* (?:at|before) step\W*\d", re.IGNORECASE)
_SECTION = re.compile(r"^( *)([A-Za-z_][\w./@-]*):\s*$")
_INDENTED = re.compile(r"^( *)([A-Za-z_][\w./@ -]*):\s+(\S+)\s*$")
_HEADING = re.compile(r"^\W*((?:[A-Za-z]+ ){0,4}[A-Za-z]+):\s*$")
_LONGEST = 1_000


def rows(lines: Iterable[str]) -> Iterator[Row]:
    """One row a block; without lines that name a step a block ends where its first key comes again."""
    block = _Block()
    row: Row = {}
    for line in lines:
        if len(line) > _LONGEST or not line.strip():
            continue
        text = indented(line)
        if block.epochs.begins(text):
            continue
        place = block.header(text)
        if place is not None:
            step, total = block.epochs.count(place)
            if step != block.step:
                if row:
                    yield row
                row = {"step": step}
                if total:
                    row["total_steps"] = total
            block.begin(step)
            if len(text) < 80:
                continue
        for key, value in block.cells(text).items():
            if block.step is None and key in row:
                yield row
                row = {}
            row.setdefault(key, value)
    if row:
        yield row


class _Block:
    """The block that lines are in: its step, and the keys and the heading that they stand below."""

    def __init__(self) -> None:
        self.epochs = Epochs()
        self.step: int | None = None
        self._titled = False
        self._sections: list[tuple[int, str]] = []
        self._evaluation = self._below = False

    def header(self, text: str) -> Place | None:
        """The place that a header names; an indented key names one only if no other line does."""
        if self.step is None and _EVALUATED_AT.search(text):
            return place_of(text)
        place = place_of(text) if _HEADER.match(text) else None
        if place is None:
            return None
        key = _INDENTED.match(text)
        if key is not None and key[1]:
            return None if self._titled else place
        self._titled = True
        return place

    def begin(self, step: int) -> None:
        """Begin a block, or go on with the one of the same step."""
        if step != self.step:
            self._sections = []
        self.step = step
        self._evaluation = False

    def cells(self, text: str) -> dict[str, str]:
        """Keys and values of a line, with the keys that they are indented under."""
        if section := _SECTION.match(text):
            indent = len(section[1])
            self._sections = [held for held in self._sections if held[0] < indent] + [(indent, section[2])]
            self._head(section[2])
            return {}
        if self._sections and (match := _INDENTED.match(text)) and len(match[1]) > self._sections[0][0]:
            self._below = True
            above = [name for indent, name in self._sections if indent < len(match[1])]
            return {"/".join([*above, match[2]]): match[3]}
        self._sections.clear()
        if heading := _HEADING.match(text):
            self._head(heading[1])
            return {}
        if not text[:1].isalpha():
            self._below = True
        elif self._below:
            self._evaluation = False
        return {f"validation/{key}" if self._evaluation else key: value for key, value in pairs_of(text).items()}

    def _head(self, name: str) -> None:
        self._evaluation, self._below = "evaluation" in words(name), False
