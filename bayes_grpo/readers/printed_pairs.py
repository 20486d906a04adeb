"""Lists of pairs as Python shows an OrderedDict, in one line or wrapped by pprint."""

import re

_BEGIN = re.compile(r"\[\s{0,8}\(\s{0,8}['\"]")
#: Lists of more lines or characters are none that was logged.
_MOST_LINES, _MOST_CHARACTERS = 500, 1_000_000


class PairLists:
    """The list that lines are in, where one is still open."""

    def __init__(self) -> None:
        self._lines: list[str] = []
        self._before = ""

    def take(self, line: str) -> tuple[str, str] | None:
        """Add a line; the words before a list and its text, where the line completes one.

        Parameters
        ----------
        line : str
            A printed line without its break.

        Returns
        -------
        tuple of str, or None
            What stands before ``[('loss', 0.1), ('step', 5)]``, and that list.
        """
        begin = _BEGIN.search(line) if "(" in line and len(line) < _MOST_CHARACTERS else None
        if begin is not None:
            self._lines = [line[begin.start() :]]
            self._before = line[: begin.start()]
        elif self._lines and line.lstrip().startswith("("):
            self._lines.append(line)
        else:
            self._lines = []
        if not self._lines or len(self._lines) > _MOST_LINES or sum(map(len, self._lines)) > _MOST_CHARACTERS:
            self._lines = []
            return None
        if ")]" not in line:
            return None
        text = " ".join(self._lines)
        self._lines = []
        return self._before, text[: text.rfind(")]") + 2]
