"""HTML tables: what pandas writes, and pages or issues that hold one."""

from bayes_grpo.errors import InputError
from bayes_grpo.readers.html_tables import html_tables
from bayes_grpo.readers.log import Log, Source
from bayes_grpo.readers.text import begins_like_json, open_text, text_head
from bayes_grpo.readers.text_tables import longest_of, names_a_log

NAME = "HTML table"
ORDER = 72

#: A page is held as a whole, so it may not be longer.
_LARGEST = 1 << 25


def recognises(source: Source) -> bool:
    """A table among the first lines whose header names a step and a reward."""
    if source.is_folder or source.address or begins_like_json(source):
        return False
    return any(names_a_log(table.names) for table in html_tables(text_head(source)))


def read(source: Source) -> list[Log]:
    """The rows of the longest such table."""
    if source.path.stat().st_size > _LARGEST:
        raise InputError(str(source), f"expected a page of at most {_LARGEST >> 20} MiB; export the log instead")
    with open_text(source.path, errors="replace") as file:
        return [longest_of(html_tables(file.read()))]
