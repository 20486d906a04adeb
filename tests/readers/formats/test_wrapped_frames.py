"""Frames that pandas printed in blocks below each other: put together, cut, quoted, with a named index."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from tests.readers.formats.test_pasted import CELLS, LAYOUTS, REWARDS, STEPS
from tests.readers.reading import read, values

N = len(STEPS)
FRAME = pd.DataFrame(
    {
        "loss": [0.001 * i for i in range(N)],
        "completions/mean_length": [100.5 + i for i in range(N)],
        "grad_norm": [np.nan if i % 4 == 1 else 0.5 + i for i in range(N)],
        "reward_std": [0.25] * N,
        "step": STEPS,
        "learning_rate": [1e-6 * (1 - i / 20) for i in range(N)],
        "reward": REWARDS,
        "kl": [float(row[3]) for row in CELLS],
    }
)


def printed(frame: pd.DataFrame, width: int) -> str:
    with pd.option_context("display.width", width, "display.max_columns", None, "display.max_rows", None):
        return str(frame)


@pytest.mark.parametrize("width", [28, 45, 60, 200])
@pytest.mark.parametrize("index", ["", "step"])
@pytest.mark.parametrize("form", ["as it is", "quoted", "stripped", "no blank lines"])
def test_blocks_are_put_side_by_side(width: int, index: str, form: str, tmp_path: Path) -> None:
    text = printed(FRAME.set_index(index) if index else FRAME, width)
    assert ("\\\n" in text) == (width < 200)
    if form == "quoted":
        text = "\n".join(f"> {line}" for line in text.splitlines())
    if form == "stripped":
        text = "\n".join(line.rstrip() for line in text.splitlines())
    if form == "no blank lines":
        text = "\n".join(line for line in text.splitlines() if line.strip())
    reading = read(tmp_path / "issue.txt", f"I see this:\n\n{text}\n\nIs that normal?\n")
    assert values(reading, "optimizer_step") == STEPS and values(reading, "reward") == REWARDS
    np.testing.assert_array_equal(values(reading, "grad_norm"), FRAME["grad_norm"])
    assert reading.columns["learning_rate"] == "learning_rate" and reading.columns["kl"] == "kl"


def test_a_block_that_was_cut(tmp_path: Path) -> None:
    """Rows that its end lacks keep what the blocks above say."""
    frame = FRAME[["step", "reward", "kl", "grad_norm"]]
    lines = printed(frame, 24).splitlines()
    reading = read(tmp_path / "issue.txt", "\n".join(lines[:-3]))
    assert values(reading, "optimizer_step") == STEPS and values(reading, "reward") == REWARDS
    assert np.isnan(values(reading, "grad_norm")[-3:]).all()


@pytest.mark.parametrize(
    "command", ["python train.py \\\n  --lr 1e-6 \\\n  --steps 100", "python train.py \\\n --lr 1 \\"]
)
def test_a_command_with_backslashes_is_no_frame(command: str, tmp_path: Path) -> None:
    reading = read(tmp_path / "issue.txt", "\n".join(["I ran", command, "", *LAYOUTS["spaces"]]))
    assert values(reading, "optimizer_step") == STEPS and values(reading, "reward") == REWARDS
