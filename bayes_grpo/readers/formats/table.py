"""Tables with a header: CSV, TSV, semicolons; as pandas, spreadsheets and notebooks write them."""

import csv
import re
from collections.abc import Iterator
from pathlib import Path

from bayes_grpo.errors import InputError, Note
from bayes_grpo.readers.column_words import reward_rank, step_rank
from bayes_grpo.readers.keys import words
from bayes_grpo.readers.log import Log, Row, Source, reading_note
from bayes_grpo.readers.text import check_text, open_text, text_head
from bayes_grpo.readers.text_tables import (
    decimal_commas_note,
    have_decimal_commas,
    is_shortened,
    shortened_note,
    with_point,
)
from bayes_grpo.readers.values import is_number

NAME = "table (CSV, TSV)"
ORDER = 90
ANYTHING = True

_LONGEST_CELL = 1 << 24
#: What a column may be called.
_NAME = re.compile(r"[^={}<>\x1b]{0,120}")
#: A progress bar, which no table begins with.
_BAR = re.compile(r"\d%\|")
#: Rows in which the meaning of a comma is looked for.
_LOOKED_AT = 200
#: Words of the column with the values of a tidy table.
_VALUES = frozenset({"value", "y"})


def delimiter_of(header: str) -> str:
    """The delimiter that the header has most of."""
    return max("\t;,", key=header.count)


def recognises(source: Source) -> bool:
    """Text whose first line has a delimiter, or a single word over numbers."""
    if source.is_folder or source.address:
        return False
    lines = text_head(source).lstrip("\r\n ").splitlines()
    if not lines or lines[0].lstrip()[:1] in ("{", "[") or _BAR.search(lines[0]):
        return False
    mark = delimiter_of(lines[0])
    cells = lines[0].count(mark)
    if cells:
        return len(lines) < 2 or lines[1].count(mark) >= 1
    single = re.fullmatch(r"\s*\"?[\w /.-]{1,80}\"?\s*", lines[0]) is not None
    return single and len(lines) > 1 and is_number(lines[1].strip().strip('"'))


def read(source: Source) -> list[Log]:
    """Its rows."""
    check_text(source)
    return [Log(table_rows(source.path))]


def looks_like_table(source: Source) -> bool:
    """Whether a file begins with a header that names a step or a reward, and numbers below it."""
    lines = [line for line in text_head(source).splitlines()[:20] if line.strip() and not line.startswith("#")]
    if len(lines) < 2:
        return False
    mark = delimiter_of(lines[0])
    header, row = lines[0].split(mark), lines[1].split(mark)
    if len(header) < 2 or len(row) < len(header) - 1:
        return False
    names = [cell.strip(" \"'") for cell in header]
    if not all(_NAME.fullmatch(name) for name in names):
        return False
    steps = any((rank := step_rank(name)) is not None and rank < 100 for name in names)
    known = steps and any(reward_rank(name) is not None or words(name) & _VALUES for name in names)
    return known and any(is_number(cell.strip(" \"'")) for cell in row)


def table_rows(path: Path) -> Iterator[Row | Note]:
    """Rows of a table; comments before it are passed.

    A last line that was cut within a row, rows of dots, and the header where it is repeated are left out and noted.
    """
    csv.field_size_limit(_LONGEST_CELL)
    headers = shortened = 0
    commas = _has_decimal_commas(path)
    try:
        with open_text(path, newline="") as file:
            header = file.readline(_LONGEST_CELL)
            while header and (not header.strip() or header.startswith("#")):
                header = file.readline(_LONGEST_CELL)
            reader = csv.reader(file, delimiter=delimiter_of(header))
            names = _names_in(path, next(csv.reader([header], delimiter=delimiter_of(header))))
            step = next((at for at, name in enumerate(names) if step_rank(name) is not None), 0)
            held: list[str] | None = None
            for cells in reader:
                if commas:
                    cells = list(map(with_point, cells))
                if held:
                    yield dict(zip(names, held, strict=False))
                held = cells
                if not cells or _may_be_number(cells, step):
                    continue
                if _is_header(cells, names):
                    names, held, headers = _names_in(path, cells), None, headers + 1
                    step = next((at for at, name in enumerate(names) if step_rank(name) is not None), 0)
                elif is_shortened(cells):
                    held, shortened = None, shortened + 1
    except csv.Error as error:
        raise InputError(str(path), f"expected a CSV table, found {error}") from error
    if held and len(held) < len(names) and not _ends_with_break(path):
        yield reading_note("", "the last line is cut off and was left out")
    elif held:
        yield dict(zip(names, held, strict=False))
    if commas:
        yield decimal_commas_note()
    if headers:
        yield reading_note("", f"the header is repeated, as where a run is appended or resumed: {headers} times")
    if shortened:
        yield shortened_note(shortened)


def _has_decimal_commas(path: Path) -> bool:
    """Whether the numbers of a table that semicolons or tabs part have decimal commas, as its first rows tell."""
    with open_text(path, newline="") as file:
        lines = [line for _ in range(_LOOKED_AT) if (line := file.readline(_LONGEST_CELL))]
    mark = delimiter_of(next((line for line in lines if line.strip() and not line.startswith("#")), ""))
    if mark == ",":
        return False
    return have_decimal_commas([cell.strip(' "\r\n') for line in lines for cell in line.split(mark)])


def _may_be_number(cells: list[str], at: int) -> bool:
    """Whether a cell begins as numbers do, so that the row is of numbers."""
    return at < len(cells) and cells[at][:1].isdigit()


def _is_header(cells: list[str], names: list[str]) -> bool:
    """Whether a row is the header again; another one may have columns more or fewer, or the same in another order."""
    again, before = set(filter(None, _names_of(cells))), set(filter(None, names))
    alike = again == before or (len(again & before) > 1 and (again < before or again > before))
    return alike and not any(map(is_number, again))


def _names_of(cells: list[str]) -> list[str]:
    names = [name.strip() for name in cells]
    return [names[0] or "Unnamed: 0", *names[1:]]  # the index that pandas writes


def _names_in(path: Path, cells: list[str]) -> list[str]:
    names = _names_of(cells)
    _check_names(path, names)
    return names


def _check_names(path: Path, names: list[str]) -> None:
    twice = sorted({name for name in names if name and names.count(name) > 1}) if len(names) < 10_000 else []
    if twice:
        raise InputError(
            str(path),
            f"expected column names that differ, found {', '.join(twice[:5])} more than once; rename or remove one",
        )


def _ends_with_break(path: Path) -> bool:
    with path.open("rb") as file:
        file.seek(-1, 2)
        return file.read(1) in (b"\n", b"\r", b"\0")
