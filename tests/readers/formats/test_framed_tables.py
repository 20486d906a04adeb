"""Tables as programs draw them: rich, polars, tabulate, DuckDB, databases; shortened, wrapped, with empty cells."""

from pathlib import Path

import numpy as np
import pytest
from rich import box
from rich.console import Console
from rich.table import Table

from bayes_grpo import InputError, read_run
from tests.readers.formats.test_pasted import CELLS, REWARDS, STEPS
from tests.readers.reading import read, values

NAMES = ["step", "loss", "reward", "kl"]
#: Each fourth row lacks its divergence.
ROWS = [[*row[:3], row[3] if at % 4 else ""] for at, row in enumerate(CELLS)]
KL = [float(row[3]) if row[3] else np.nan for row in ROWS]
TYPES = {"polars": ["i64", "f64", "f64", "f64"], "DuckDB": ["int64", "double", "double", "double"]}


def lines_of(rows: list[list[str]], sides: str, right: bool = True) -> list[str]:
    left, between, end = sides
    width = max(len(cell) for row in [NAMES, *rows] for cell in row)
    cells = [[f" {cell:>{width}} " if right else f" {cell:<{width}} " for cell in row] for row in rows]
    return [f"{left}{between.join(row)}{end}".rstrip() if end == " " else f"{left}{between.join(row)}{end}" for row in cells]  # fmt: skip


def rule(marks: str, width: int = 12) -> str:
    left, dash, between, right = marks
    return f"{left}{between.join([dash * width] * 4)}{right}".strip()


def drawn(edges: tuple[str, str, str], sides: str, between: str = "", below: list[list[str]] | None = None) -> list[str]:  # fmt: skip
    """A frame with its three edges, perhaps a line between the rows, and lines below the names."""
    head = lines_of([NAMES, *(below or [])], sides, right=False)
    body = [line for row in lines_of(ROWS, sides) for line in (row, rule(between) if between else "")]
    body = [line for line in body if line][: None if not between else -1]
    return [line for line in (rule(edges[0]), *head, rule(edges[1]), *body, rule(edges[2])) if line]


DRAWN = {
    "fancy_grid": drawn(("╒═╤╕", "╞═╪╡", "╘═╧╛"), "│││", "├─┼┤"),
    "double": drawn(("╔═╦╗", "╠═╬╣", "╚═╩╝"), "║║║"),
    "mixed_outline": drawn(("┍━┯┑", "┝━┿┥", "┕━┷┙"), "│││"),
    "polars": ["shape: (12, 4)", *drawn(("┌─┬┐", "╞═╪╡", "└─┴┘"), "│┆│", below=[["---"] * 4, TYPES["polars"]])],
    "polars, ASCII": drawn(("+-++", "+=++", "+-++"), "|||", "|-+|", [["---"] * 4, TYPES["polars"]]),
    "polars, Markdown": drawn(("    ", "|-||", "    "), "|||", below=[["---"] * 4, TYPES["polars"]]),
    "DuckDB": [*drawn(("┌─┬┐", "├─┼┤", "└─┴┘"), "│││", below=[TYPES["DuckDB"]])[:-1], "├───┴───┴───┴───┤", "│ 12 rows      4 columns │", "└───────────────┘"],
    "MySQL": drawn(("+-++", "+-++", "+-++"), "|||"),
    "psql": [*drawn(("    ", " -+ ", "    "), " | "), "(12 rows)"],
    "simple": [*("  ".join(f"{cell:>10}" for cell in row) for row in [NAMES, ["-" * 10] * 4, *ROWS])],
    "tibble": [*("  ".join(f"{cell:>8}" for cell in row) for row in [NAMES, ["<int>", "<dbl>", "<dbl>", "<dbl>"], *ROWS])],
}  # fmt: skip


@pytest.mark.parametrize("layout", DRAWN)
@pytest.mark.parametrize("mark", ["", "> "])
def test_drawn_tables(layout: str, mark: str, tmp_path: Path) -> None:
    text = "\n".join(mark + line for line in ["The log:", "", *DRAWN[layout], "", "Is that normal?"])
    reading = read(tmp_path / "issue.txt", text)
    assert values(reading, "optimizer_step") == STEPS and values(reading, "reward") == REWARDS
    np.testing.assert_array_equal(values(reading, "kl"), KL)


def rich_table(name: str, names: list[str], rows: list[list[str]], width: int, overflow: str = "ellipsis") -> str:
    table = Table(title="Training log", box=getattr(box, name))
    for column in names:
        table.add_column(column, justify="right", overflow=overflow)  # type: ignore[arg-type]
    for row in rows:
        table.add_row(*row)
    console = Console(width=width, record=True, file=None, quiet=False, force_terminal=False)
    with console.capture() as capture:
        console.print(table)
    return capture.get()


@pytest.mark.parametrize("name", [name for name in vars(box) if name.isupper() and isinstance(getattr(box, name), box.Box)])  # fmt: skip
def test_every_box_of_rich(name: str, tmp_path: Path) -> None:
    reading = read(tmp_path / "console.txt", rich_table(name, NAMES, ROWS, 100))
    assert values(reading, "optimizer_step") == STEPS and values(reading, "reward") == REWARDS
    np.testing.assert_array_equal(values(reading, "kl"), KL)


@pytest.mark.parametrize("width", [25, 30, 34, 40])
def test_cells_that_were_wrapped_are_joined(width: int, tmp_path: Path) -> None:
    """Names and numbers that a narrow terminal has broken."""
    names = ["step", "rewards/accuracy_reward/mean", "kl"]
    rows = [[row[0], f"{float(row[2]):.9f}", row[3]] for row in CELLS]
    reading = read(tmp_path / "console.txt", rich_table("HEAVY_HEAD", names, rows, width, "fold"))
    assert reading.columns["reward"] == names[1]
    assert values(reading, "optimizer_step") == STEPS and values(reading, "reward") == REWARDS


@pytest.mark.parametrize(
    ("name", "broken"),
    [("reward_std", "ellipsis 26"), ("reward_std", "fold 26"), ("rewardstd", "fold 24"), ("reward std", "fold 25")],
)
def test_what_is_left_of_a_name_is_no_reward(name: str, broken: str, tmp_path: Path) -> None:
    """A cut or broken name of the spread reads as that of a reward."""
    overflow, width = broken.split()
    rows = [[row[0], row[2][:5], row[3]] for row in CELLS]
    table = rich_table("HEAVY_HEAD", ["step", name, "kl"], rows, int(width), overflow)
    assert name not in table and "rewar" in table
    (tmp_path / "console.txt").write_text(table)
    with pytest.raises(InputError):
        read_run(tmp_path / "console.txt")


def test_columns_and_rows_of_dots_are_left_out_and_noted(tmp_path: Path) -> None:
    rows = [[*row[:3], "…"] for row in CELLS]
    rows[5] = ["…"] * 4
    table = rich_table("SQUARE", ["step", "loss", "reward", "…"], rows, 100)
    reading = read(tmp_path / "console.txt", table)
    assert values(reading, "optimizer_step") == STEPS[:5] + STEPS[6:] and "…" not in reading.unused
    assert any("names were cut" in str(note) for note in reading.notes)
    assert any("rows of dots" in str(note) for note in reading.notes)
