"""Tables as people paste them: from notebooks and pandas, quoted, shortened, as grids and as HTML, among other text."""

from pathlib import Path

import pytest

from bayes_grpo import InputError, read_run
from tests.readers.reading import read, values

N = 12
REWARDS = [round(0.2 + 0.03 * i + 0.01 * (i % 3), 4) for i in range(N)]
STEPS = [10 * i + 10 for i in range(N)]
CELLS = [[str(s), "0.000000", f"{r:.6f}", f"{-0.1 + 0.02 * i:.4f}"] for i, (s, r) in enumerate(zip(STEPS, REWARDS, strict=True))]  # fmt: skip
NAMES = ["Step", "Training Loss", "reward", "kl"]
TABLE = [NAMES, *CELLS]


def piped(rows: list[list[str]]) -> list[str]:
    return [f"| {' | '.join(row)} |" for row in rows]


def markdown(rows: list[list[str]]) -> list[str]:
    lines = piped(rows)
    return [lines[0], "| --- | ---: | :---: | --- |", *lines[1:]]


def printed(rows: list[list[str]]) -> list[str]:
    """As pandas prints a frame, with its index."""
    return [
        f"{'' if i == 0 else i - 1!s:<3}{row[0]:>6}{row[1]:>15}{row[2]:>10}{row[3]:>8}" for i, row in enumerate(rows)
    ]


def grid(rows: list[list[str]], corner: str, between: bool) -> list[str]:
    lines = piped(rows)
    edge = "+------+------+------+----+"
    body = [line for row in lines[1:] for line in ((row, edge) if between else (row,))]
    return [edge, lines[0], f"{corner}======+======+======+===={corner}".replace("=", "=" if between else "-"), *body, "" if between else edge]  # fmt: skip


def html(rows: list[list[str]]) -> list[str]:
    cells = [
        "".join(f"<{tag}>{cell}</{tag}>" for cell in row)
        for row, tag in zip(rows, ["th", *["td"] * len(rows)], strict=False)
    ]
    return ['<table border="1" class="dataframe">', *(f"<tr>{row}</tr>" for row in cells), "</table>"]


LAYOUTS = {
    "tabs": ["\t".join(row) for row in TABLE],
    "tabs under a bar": ["[120/400 1:00:00 < 2:20:00, 0.03 it/s, Epoch 1/1]", *("\t".join(row) for row in TABLE)],
    "tabs, quoted": ["> " + "\t".join(row) for row in TABLE],
    "spaces": ["   ".join(row) for row in TABLE],
    "aligned, with an index": printed(TABLE),
    "aligned, blank lines between": [line for row in printed(TABLE) for line in (row, "")],
    "Markdown, quoted": [f"> {line}" for line in markdown(TABLE)],
    "Markdown, quoted twice": [f">> {line}" for line in markdown(TABLE)],
    "grid": grid(TABLE, "+", True),
    "psql": grid(TABLE, "|", False),
    "HTML": html(TABLE),
}  # fmt: skip


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("around", [False, True])
def test_pasted_tables(layout: str, around: bool, tmp_path: Path) -> None:
    lines = LAYOUTS[layout]
    if around:
        lines = ["The reward goes up, at which step does it end?", "", *lines, "", "[12 rows x 4 columns]", "Thanks!"]
    for ending in ("\n", "\r\n"):
        reading = read(tmp_path / "issue.txt", ending.join(lines) + ending)
        assert values(reading, "optimizer_step") == STEPS and values(reading, "reward") == REWARDS
        assert values(reading, "kl") == [float(row[3]) for row in CELLS]


@pytest.mark.parametrize("layout", ["tabs", "printed", "Markdown", "HTML"])
@pytest.mark.parametrize("dots", ["...", "…", ".."])
def test_a_row_of_dots_is_left_out_and_noted(layout: str, dots: str, tmp_path: Path) -> None:
    table = [*TABLE[:5], [dots] * 4, *TABLE[9:]]
    forms = {"tabs": ["\t".join(row) for row in table], "printed": printed(table), "Markdown": markdown(table)}
    reading = read(tmp_path / "issue.txt", "\n".join(forms.get(layout) or html(table)))
    assert values(reading, "optimizer_step") == [*STEPS[:4], *STEPS[8:]]
    assert any("rows of dots" in str(note) for note in reading.notes)


def test_of_several_pasted_tables_the_longest_is_taken(tmp_path: Path) -> None:
    tabs = LAYOUTS["tabs"]
    text = "\n".join(["before:", *tabs[:6], "after the change:", *tabs, "", "other:", "name\tvalue", "a\t1"])
    reading = read(tmp_path / "issue.md", text)
    assert values(reading, "reward") == REWARDS and any("the longest was taken" in str(note) for note in reading.notes)


def test_printed_lines_are_no_pasted_table(tmp_path: Path) -> None:
    """Keys and values that spaces part; a table of one row at each step."""
    text = "\n".join(f"Step {s}  Reward {r}  KL 0.01" for s, r in zip(STEPS, REWARDS, strict=True))
    assert read(tmp_path / "train.log", text).format == "console output"
    with pytest.raises(InputError, match="text without log rows"):
        (tmp_path / "prose.txt").write_text("the step and the reward\nare  both  fine\nso  it  is\n")
        read_run(tmp_path / "prose.txt")


@pytest.mark.parametrize("layout", ["tabs", "spaces", "Markdown"])
@pytest.mark.parametrize("parts", [2, 6])
def test_tables_that_go_on_are_one(layout: str, parts: int, tmp_path: Path) -> None:
    """As a program prints the header anew with each table, or someone pastes two pieces."""
    size = N // parts
    tables = [[NAMES, *CELLS[at : at + size]] for at in range(0, N, size)]
    if layout != "Markdown" and parts > 4:
        return  # fewer than three rows below a header make no pasted table
    form = {
        "tabs": lambda t: ["\t".join(r) for r in t],
        "spaces": lambda t: ["   ".join(r) for r in t],
        "Markdown": markdown,
    }
    text = "\n".join(line for table in tables for line in ["and then", *form[layout](table), ""])
    reading = read(tmp_path / "issue.txt", text)
    assert values(reading, "optimizer_step") == STEPS and values(reading, "reward") == REWARDS
    assert any("taken as one" in str(note) for note in reading.notes)


@pytest.mark.parametrize("layout", ["spaces", "Markdown"])
def test_decimal_commas_of_pasted_tables(layout: str, tmp_path: Path) -> None:
    rows = [[row[0], "0,5", f"{1 + float(row[2]):.3f}".replace(".", ","), "0,25"] for row in CELLS]
    table = [NAMES, *rows]
    text = "\n".join(["   ".join(row) for row in table] if layout == "spaces" else markdown(table))
    reading = read(tmp_path / "issue.txt", f"I see\n\n{text}\n")
    assert values(reading, "reward") == [round(1 + r, 3) for r in REWARDS] and values(reading, "kl") == [0.25] * N
