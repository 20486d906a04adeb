"""Tables in a frame, as they are pasted into issues and model cards or drawn in a terminal, among any other text."""

from collections.abc import Iterable

from bayes_grpo.readers.framed_tables import framed_headers, framed_tables, has_sides
from bayes_grpo.readers.log import Log, Source
from bayes_grpo.readers.text import lines_of, open_text, text_head
from bayes_grpo.readers.text_tables import longest_of, names_a_log

NAME = "Markdown table"
ORDER = 73

#: Longer files hold more than tables.
_LARGEST = 1 << 27


def recognises(source: Source) -> bool:
    """A header with a step and a reward over a line of dashes."""
    if source.is_folder or source.address or not has_sides(text_head(source)):
        return False
    if _has_table(text_head(source).splitlines()):
        return True
    if source.path.stat().st_size > _LARGEST or source.path.suffix.lower() not in (".md", ".markdown"):
        return False
    with open_text(source.path, errors="replace") as file:
        return _has_table(file)


def read(source: Source) -> list[Log]:
    """The rows of the longest table with a reward."""
    with open_text(source.path, errors="replace") as file:
        return [longest_of(framed_tables(lines_of(file, source.path)))]


def _has_table(lines: Iterable[str]) -> bool:
    return any(names_a_log(names) for names in framed_headers(lines))
