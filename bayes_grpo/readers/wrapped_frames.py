"""Frames that pandas printed in blocks below each other, since their columns did not fit, put together again."""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from bayes_grpo.readers.text_tables import is_shortened, unquoted
from bayes_grpo.readers.values import is_number

#: The names of a block that another one follows.
_CONTINUED = re.compile(r"(.*\S)\s+\\\s*")
#: A longer block is no frame that someone printed.
_MOST_ROWS = 200_000
_LONGEST = 10_000


@dataclass
class _Block:
    """Some columns of a frame: their names, the name of the index where it has one, and rows."""

    names: str
    goes_on: bool
    index: str = ""
    rows: list[str] = field(default_factory=list)

    def without_index(self) -> list[str]:
        """Its names and rows without the index before them."""
        width = max(_index_end(row) for row in self.rows)
        return [line[width:].rstrip() for line in (self.names, *self.rows)]


def unwrapped(lines: Iterable[str]) -> Iterator[str]:
    """Lines of a text with the blocks of each wrapped frame side by side.

    Parameters
    ----------
    lines : iterable of str
        Lines of a text, quoted or not. A frame is wrapped where the line of its names ends in a backslash: its next
        columns follow in another block, which repeats the index.

    Yields
    ------
    str
        Lines without breaks and marks of quotation; blank ones within a frame are left out.
    """
    blocks: list[_Block] = []
    for raw in lines:
        line = unquoted(raw).rstrip("\r\n")
        if blocks and not line.strip():
            continue
        if blocks and not _taken(blocks, line):
            yield from _joined(blocks)
            blocks = []
        if not blocks:
            block = _begun(line)
            if block.goes_on:
                blocks = [block]
            else:
                yield line
    if blocks:
        yield from _joined(blocks)


def _begun(line: str) -> _Block:
    names = _CONTINUED.fullmatch(line) if "\\" in line and len(line) < _LONGEST else None
    return _Block(names[1], True) if names else _Block(line, False)


def _taken(blocks: list[_Block], line: str) -> bool:
    """Take a line into the blocks of a frame; False where it stands behind the frame."""
    block = blocks[-1]
    cells = line.split()
    if any(map(is_number, cells)) or is_shortened(cells):
        full = len(block.rows) >= (_MOST_ROWS if len(blocks) == 1 else len(blocks[0].rows))
        if not full:
            block.rows.append(line)
        return not full
    if not block.rows:
        block.index = line
        return len(cells) == 1
    if block.goes_on:
        blocks.append(_begun(line))
    return block.goes_on


def _joined(blocks: list[_Block]) -> list[str]:
    """The lines of a frame, its blocks side by side as far as they have the same index; others below each other."""
    first, *others = blocks
    lines = [first.names, *first.rows]
    while others and others[0].rows and _same_index(first, others[0]):
        width = max(map(len, lines)) + 2
        beside = others.pop(0).without_index()
        beside += [""] * (len(lines) - len(beside))
        lines = [f"{line:<{width}}{more}".rstrip() for line, more in zip(lines, beside, strict=True)]
    below = [line for block in others for line in (block.names, block.index, *block.rows)]
    return [line for line in (lines[0], first.index, *lines[1:], *below) if line]


def _same_index(first: _Block, other: _Block) -> bool:
    """Whether a block repeats the index of the first, as far as it goes."""
    return all(_index(row) == _index(above) for row, above in zip(other.rows, first.rows, strict=False))


def _index(row: str) -> str:
    return row.split(maxsplit=1)[0]


def _index_end(row: str) -> int:
    return len(row) - len(row.lstrip()) + len(_index(row))
