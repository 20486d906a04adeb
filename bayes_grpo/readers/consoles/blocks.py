"""Blocks of lines: a line with the step, then keys and values below it, in any layout.

NeMo-RL, EasyR1, torchforge, AReaL's and the Tinker cookbook's tables, and scripts that print ``Average Reward: x`` in
lines of their own. Indented keys, as YAML has them, belong to the key above them.
"""

import re
from collections.abc import Iterable, Iterator

from bayes_grpo.readers.cells import pairs_of, place_of
from bayes_grpo.readers.log import Row
from bayes_grpo.readers.printed import without_stamp

NAME = "blocks of lines"
ORDER = 40
COUNTED = False

_WORDS = (
    r"(?:(?:global|train(?:ing)?|metrics?|optimi[sz]er|grpo|rl|outer|main|begin(?:ning)?|start(?:ing)?|finished|"
    r"end(?: of)?)\W+)*"
)
_HEADER = re.compile(
    rf"^\W*(?:\[[^\]]*\]\W*)?(?:epochs?\W*\d+\s*(?:(?:/|of)\s*\d+)?\W*)?{_WORDS}"
    r"(?:step|iter(?:ation)?|update|rollout|batch)\b\W*\d",
    re.IGNORECASE,
)
_SECTION = re.compile(r"^( *)([A-Za-z_][\w./@-]*):\s*$")
_INDENTED = re.compile(r"^( *)([A-Za-z_][\w./@ -]*):\s+(\S+)\s*$")
_LONGEST = 1_000


def rows(lines: Iterable[str]) -> Iterator[Row]:
    """One row a block; without lines that name a step a block ends where its first key comes again."""
    row: Row = {}
    step: int | None = None
    sections: list[tuple[int, str]] = []
    for line in lines:
        if len(line) > _LONGEST or not line.strip():
            continue
        text = without_stamp(line)
        place = place_of(text) if _HEADER.match(text) else None
        if place is not None:
            if place.step != step:
                if row:
                    yield row
                row, sections = {"step": place.step}, []
                if place.total:
                    row["total_steps"] = place.total
            step = place.step
            if len(text) < 80:
                continue
        if section := _SECTION.match(line):
            sections = [held for held in sections if held[0] < len(section[1])] + [(len(section[1]), section[2])]
            continue
        for key, value in _cells(line, text, sections).items():
            if step is None and key in row:
                yield row
                row = {}
            row.setdefault(key, value)
    if row:
        yield row


def _cells(line: str, text: str, sections: list[tuple[int, str]]) -> dict[str, str]:
    """Keys and values of a line, with the keys that they are indented under."""
    if sections and (match := _INDENTED.match(line)) and len(match[1]) > sections[0][0]:
        above = [name for indent, name in sections if indent < len(match[1])]
        return {"/".join([*above, match[2]]): match[3]}
    sections.clear()
    return pairs_of(text)
