"""A table that a study goes on from after an interruption: one CSV file, a row a finished part."""

import csv
from collections.abc import Iterator
from pathlib import Path


class Table:
    """Rows by their key, the first column, appended as they are finished.

    Parameters
    ----------
    path : Path
        The file; made with its folder if it is not there.
    columns : tuple of str
        The key, then the other columns.
    """

    def __init__(self, path: Path, columns: tuple[str, ...]) -> None:
        self.path, self.columns = path, columns
        path.parent.mkdir(parents=True, exist_ok=True)
        if not path.exists():
            path.write_text(",".join(columns) + "\n", encoding="utf-8")

    def rows(self) -> list[dict[str, str]]:
        """What is finished."""
        with self.path.open(encoding="utf-8", newline="") as file:
            return list(csv.DictReader(file))

    def missing(self, keys: list[str]) -> Iterator[str]:
        """The keys that are not finished, one after the other."""
        done = {row[self.columns[0]] for row in self.rows()}
        yield from (key for key in keys if key not in done)

    def add(self, *values: object) -> None:
        """Append a finished part."""
        with self.path.open("a", encoding="utf-8", newline="") as file:
            csv.writer(file).writerow([f"{value:.6g}" if isinstance(value, float) else value for value in values])
