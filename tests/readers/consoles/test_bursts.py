"""Steps of rows that carry none: bars that go on while standard output is buffered, resumed bars, evaluations between."""

from pathlib import Path

import numpy as np
import pytest

from tests.readers.consoles.test_dialects import read, values


def bar(at: int, total: int) -> str:
    return f"\r {100 * at // total:3}%|{'#' * 5}| {at}/{total} [01:25<44:18:27, 85.12s/it]"


def row(i: int, window: int, total: int, schedule: str, rounding: int = 2) -> str:
    step = window * i
    rate = {"linear": 1e-6 * (1 - step / total), "cosine": 5e-7 * (1 + np.cos(np.pi * step / total)), "constant": 1e-6}[
        schedule
    ]
    content = {
        "loss": 0.01,
        "learning_rate": rate,
        "reward": round(0.3 + 0.4 * step / total, 6),
        "epoch": round(step / total, rounding),
    }
    return str(content)


@pytest.mark.parametrize("schedule", ["linear", "cosine", "constant"])
@pytest.mark.parametrize(
    ("window", "total", "burst"), [(10, 400, 20), (5, 300, 7), (1, 120, 30), (25, 1000, 3), (2, 90, 44)]
)
def test_bursts_are_placed_by_the_bar(window: int, total: int, burst: int, schedule: str, tmp_path: Path) -> None:
    """Rows come out so many together; the bar is at the newest of them, or a little further."""
    rows = [row(i, window, total, schedule) for i in range(1, total // window + 1)]
    text, at = bar(0, total), 0
    for begin in range(0, len(rows), burst):
        piece = rows[begin : begin + burst]
        end = min(total, window * (begin + len(piece)) + window // 3)
        text += "".join(bar(b, total) for b in range(at + 1, end + 1)) + "\n".join(piece) + "\n"
        at = end
    reading = read(tmp_path / "train.log", text + "{'train_runtime': 3.0, 'train_loss': 0.1, 'epoch': 1.0}\n")
    assert values(reading, "optimizer_step") == [window * i for i in range(1, len(rows) + 1)]
    assert reading.run["planned_steps"].item() == total
    note = next(str(note) for note in reading.notes if "burst" in str(note))
    assert f"{window}, {2 * window}, ..." in note and ("learning rate agrees" in note) == (schedule == "linear")


@pytest.mark.parametrize("spacing", [1, 10])
def test_bars_between_rows_give_their_steps(spacing: int, tmp_path: Path) -> None:
    text = "".join(
        f"{bar(spacing * i, 500)}\n{row(i, spacing, 500, 'linear')}\n"
        + ("{'eval_reward': 0.5}\n" if i % 7 == 0 else "")
        for i in range(1, 31)
    )
    reading = read(tmp_path / "train.log", text)
    assert values(reading, "optimizer_step") == [spacing * i for i in range(1, 31)]
    evaluated = np.array(values(reading, "evaluation_reward"))
    assert np.flatnonzero(np.isfinite(evaluated)).tolist() == [6, 13, 20, 27]


def test_a_row_that_a_bar_breaks_in_two_is_joined(tmp_path: Path) -> None:
    text = ""
    for i in range(1, 31):
        whole = row(i, 10, 400, "linear")
        cut = 15 + i % 20
        text += whole[:cut] + bar(10 * i, 400) + whole[cut:] + "\n"
    reading = read(tmp_path / "train.log", text)
    assert values(reading, "optimizer_step") == [10 * i for i in range(1, 31)]


def test_bars_of_other_work_are_passed_over(tmp_path: Path) -> None:
    other = "Map: 100%|###| 7473/7473 [00:01<00:00, 5.1 examples/s]\nLoading checkpoint shards:  50%|##| 2/4 [00:01<00:01]\n"
    text = other + "".join(
        f"{bar(3 * i, 90)}\nProcessed prompts: 100%|#| 64/64 [00:01<00:00]\n{row(i, 3, 90, 'linear')}\n"
        for i in range(1, 21)
    )
    assert values(read(tmp_path / "train.log", text), "optimizer_step") == [3 * i for i in range(1, 21)]
