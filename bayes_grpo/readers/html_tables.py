"""Tables in HTML, as notebooks and pandas write them."""

from collections.abc import Iterator
from html.parser import HTMLParser
from typing import Any

from bayes_grpo.readers.text_tables import TextTable


def html_tables(html: str) -> Iterator[TextTable]:
    """The tables in HTML, each by its first row of several cells."""
    if "<table" not in html.lower():
        return
    parser = _Tables()
    parser.feed(html)
    for rows in parser.tables:
        header = next((i for i, cells in enumerate(rows) if len(cells) > 1), None)
        if header is None:
            continue
        table = TextTable([name.strip() for name in rows[header]])
        for cells in rows[header + 1 :]:
            if len(cells) == len(table.names):
                table.take(cells)
        yield table


class _Tables(HTMLParser):
    """The cells of every table."""

    def __init__(self) -> None:
        super().__init__()
        self.tables: list[list[list[str]]] = []
        self._open = False

    def handle_starttag(self, tag: str, attrs: Any) -> None:
        """Begin a table, a row or a cell."""
        if tag == "table":
            self.tables.append([])
        elif tag == "tr" and self.tables:
            self.tables[-1].append([])
        elif tag in ("td", "th") and self.tables and self.tables[-1]:
            self.tables[-1][-1].append("")
            self._open = True

    def handle_endtag(self, tag: str) -> None:
        """End a cell."""
        if tag in ("td", "th"):
            self._open = False

    def handle_data(self, data: str) -> None:
        """Text of a cell."""
        if self._open:
            self.tables[-1][-1][-1] += data.strip()
