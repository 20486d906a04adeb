"""Lines of a file as the program printed them, however a terminal or a locale wrote them; the first lines tell."""

from collections.abc import Iterable, Iterator
from itertools import chain, islice

from bayes_grpo.errors import Note
from bayes_grpo.readers.log import reading_note
from bayes_grpo.readers.printed_numbers import have_comma_rewards, with_points
from bayes_grpo.readers.terminal_width import rejoined, terminal_width
from bayes_grpo.readers.text_tables import decimal_commas_note

#: Lines that are looked at.
_LOOKED_AT = 4_000


class AsPrinted:
    """Lines, those that a terminal broke put together, and with points in place of decimal commas.

    Parameters
    ----------
    lines : iterable of str
        Lines of a file; they are read once, as they are asked for.

    Attributes
    ----------
    width : int or None
        The width at which a terminal broke them.
    commas : bool
        Whether their numbers have decimal commas.
    """

    def __init__(self, lines: Iterable[str]) -> None:
        rest = iter(lines)
        head = list(islice(rest, _LOOKED_AT))
        self._lines: Iterable[str] = chain(head, rest)
        self.width = terminal_width(head)
        if self.width is not None:
            self._lines = rejoined(self._lines, self.width)
            head = list(rejoined(head, self.width))
        self.commas = have_comma_rewards(head)

    def __iter__(self) -> Iterator[str]:
        """The lines."""
        return map(with_points, self._lines) if self.commas else iter(self._lines)

    def notes(self) -> Iterator[Note]:
        """What is said of them."""
        if self.width is not None:
            yield reading_note("", f"lines that a terminal of {self.width} columns broke were put together")
        if self.commas:
            yield decimal_commas_note()
