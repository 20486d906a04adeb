"""Tables whose cells pipes without a rule, Jira's markup or LaTeX's ampersands part, among other text."""

from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from bayes_grpo import InputError
from bayes_grpo.readers import read_run
from bayes_grpo.readers.parted_cells import with_tabs
from tests.readers.formats.test_pasted import CELLS, REWARDS, STEPS
from tests.readers.reading import read, values

NAMES = ["step", "loss", "reward", "kl"]
KL = [float(row[3]) for row in CELLS]


def _rows(row: Callable[[Sequence[str]], str]) -> list[str]:
    return [row(cells) for cells in CELLS]


def _latex(names: str, end: str, row: Callable[[Sequence[str]], str], above: str = "") -> list[str]:
    return [above + names, *(f"{row(cells)}{end}" for cells in CELLS)]


TABLES: dict[str, list[str]] = {
    "pipes around": ["| " + " | ".join(NAMES) + " |", *_rows(lambda c: "| " + " | ".join(c) + " |")],
    "pipes between": [" | ".join(NAMES), *_rows(" | ".join)],
    "pipes in columns": ["step | loss   | reward | kl", *_rows(lambda c: f"{c[0]:>4} | {c[1]:>6} | {c[2]:>6} | {c[3]}")],
    "bold names": ["| " + " | ".join(f"**{n}**" for n in NAMES) + " |", *_rows(lambda c: "|" + "|".join(c) + "|")],
    "quoted": ["> | " + " | ".join(NAMES) + " |", *_rows(lambda c: "> | " + " | ".join(c) + " |")],
    "Jira": ["||" + "||".join(NAMES) + "||", *_rows(lambda c: "|" + "|".join(c) + "|")],
    "Jira with spaces": ["|| " + " || ".join(NAMES) + " ||", *_rows(lambda c: "| " + " | ".join(c) + " |")],
    "LaTeX": [
        *("\\begin{tabular}{rrrr}", "\\toprule", " & ".join(NAMES) + " \\\\", "\\midrule"),
        *(*_rows(lambda c: " & ".join(c) + " \\\\"), "\\bottomrule", "\\end{tabular}"),
    ],
    "LaTeX with lines": [
        *("\\hline", " & ".join(f"\\textbf{{{n.capitalize()}}}" for n in NAMES) + " \\\\ \\hline"),
        *_rows(lambda c: f"{c[0]}&{c[1]}&$\\mathbf{{{c[2]}}}$&{c[3]}\\\\[2pt] % a row"),
    ],
    "LaTeX with commands before": [
        "\\hline " + " & ".join(NAMES) + " \\\\ \\cmidrule(lr){1-4}",
        *_rows(lambda c: "\\hline\\textit{" + "} & \\textit{".join(c) + "} \\\\"),
    ],
}  # fmt: skip


@pytest.mark.parametrize("name", TABLES)
@pytest.mark.parametrize("around", [("", ""), ("I ran it with lr = 1e-6 | beta = 0:\n\n", "\nIs | that & normal?\n")])
def test_tables_in_markup_without_a_rule(name: str, around: tuple[str, str], tmp_path: Path) -> None:
    reading = read(tmp_path / "issue.txt", around[0] + "\n".join(TABLES[name]) + "\n" + around[1])
    assert values(reading, "optimizer_step") == STEPS and values(reading, "reward") == REWARDS
    assert values(reading, "kl") == KL


def test_empty_cells_keep_their_place(tmp_path: Path) -> None:
    rows = [f"| {c[0]} | | {c[2]} | {c[3]} |" for c in CELLS]
    reading = read(tmp_path / "issue.txt", "\n".join(["| step | loss | reward | kl |", *rows]))
    assert values(reading, "reward") == REWARDS and values(reading, "kl") == KL


def test_lines_with_keys_and_pipes_are_no_table(tmp_path: Path) -> None:
    text = "\n".join(f"| step | {c[0]} |\n| reward | {c[2]} |" for c in CELLS)
    assert values(read(tmp_path / "train.log", f"| step | reward |\n{text}\n"), "reward") == REWARDS


def test_a_table_without_a_step_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "issue.txt"
    path.write_text("\n".join(["| loss | reward |", *(f"| {c[1]} | {c[2]} |" for c in CELLS)]))
    with pytest.raises(InputError):
        read_run(path)


@pytest.mark.parametrize(
    ("line", "cells"),
    [
        (r"10 & 12\% & a\_b \\ \hline", ["10", "12%", "a_b"]),
        (r"\midrule 10 & \textbf{\textit{0.4}} & $-0.1$ \\", ["10", "0.4", "-0.1"]),
        (r"R\&D & 1 \\", ["R&D", "1"]),
        ("||a||b||", ["a", "b"]),
        ("no table & no row", ["no table & no row"]),
    ],
)
def test_cells(line: str, cells: list[str]) -> None:
    assert with_tabs(line).split("\t") == cells
