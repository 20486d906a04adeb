"""Rows in Parquet files: parts while the work goes on, one table at its end."""

import hashlib
import io
import os
from collections.abc import Sequence
from pathlib import Path

import pandas as pd
import pyarrow as pa

from bayes_grpo.errors import InputError
from bayes_grpo.report.batch.rows import Row
from bayes_grpo.runs.files import write_atomically

#: The table, and the folder of parts, in the folder of a batch.
TABLE, PARTS = "batch.parquet", "parts"

#: Columns that come first and are always there, and what they hold.
FIRST = {name: pa.string() for name in ("source", "run", "error", "model", "method")}
FIRST |= {"converged": pa.bool_(), "rows": pa.int64(), "last_step": pa.float64()}

_DTYPES = {pa.int64(): pd.Int64Dtype(), pa.bool_(): pd.BooleanDtype(), pa.string(): pd.StringDtype()}


class Store:
    """The rows of a batch on disk: what is finished stays, whatever happens after.

    Parameters
    ----------
    folder : Path
        Folder of the batch.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def finished(self) -> dict[str, Row]:
        """Rows that are there already, by their key.

        Raises
        ------
        InputError
            If a file is not what was written.
        """
        rows: dict[str, Row] = {}
        for path in (self.folder / TABLE, *sorted((self.folder / PARTS).glob("*.parquet"))):
            if not path.exists():
                continue
            try:
                part = pd.read_parquet(path)
            except Exception as error:
                raise InputError(
                    str(path), f"cannot be read ({error}); remove it, and its runs are done again"
                ) from error
            for record in part.to_dict("records"):
                row = {str(name): value for name, value in record.items() if not _absent(value)}
                if "key" in row:
                    rows[str(row["key"])] = row
        return rows

    def add(self, rows: Sequence[Row]) -> Path | None:
        """Keep rows, whole or not at all; the part that holds them."""
        if not rows:
            return None
        names = "".join(str(row["key"]) for row in rows)
        path = self.folder / PARTS / f"{hashlib.sha256(names.encode()).hexdigest()[:24]}.parquet"
        self._write(rows, path)
        return path

    def finish(self, rows: Sequence[Row], others: Sequence[Row]) -> pd.DataFrame:
        """The table of all rows, on disk too; the parts are dropped, for it holds them.

        Rows of ``others``, which were finished when something else was asked, stay as a part.
        """
        parts = set((self.folder / PARTS).glob("*.parquet"))
        kept = self.add(others)
        table = self._write(rows, self.folder / TABLE)
        for part in parts - {kept}:
            os.unlink(part)
        return table

    def _write(self, rows: Sequence[Row], path: Path) -> pd.DataFrame:
        table = frame(rows)
        content = io.BytesIO()
        table.to_parquet(content, index=False)
        path.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(path, content.getvalue())
        return table


def frame(rows: Sequence[Row]) -> pd.DataFrame:
    """Rows as a table: columns that every table has first, then the others as they come up, the key last."""
    names = dict.fromkeys(name for row in rows for name in row)
    order = [*FIRST, *(name for name in names if name not in (*FIRST, "key", "seconds"))]
    order += [name for name in ("seconds", "key") if name in names]
    columns = {name: pa.array([row.get(name) for row in rows]) for name in order}
    for name in FIRST:
        if pa.types.is_null(columns[name].type):
            columns[name] = columns[name].cast(FIRST[name])
    # Where a value is missing, whole numbers stay whole numbers, and truth values stay truth values.
    return pa.table(columns).to_pandas(types_mapper=_DTYPES.get)


def _absent(value: object) -> bool:
    return value is None or value is pd.NA or (isinstance(value, float) and value != value)
