"""Steps of rows that carry none: bars that go on while standard output is buffered, resumed bars, evaluations between."""

from pathlib import Path

import numpy as np
import pytest

from bayes_grpo import InputError, read_run
from tests.readers.reading import read, values


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


def test_a_run_begins_where_the_epoch_falls_or_after_the_summary(tmp_path: Path) -> None:
    """Printed rows without steps, of runs that one after another were appended to a log."""
    one, two = ([row(i, 1, n, "linear", 4) for i in range(1, n + 1)] for n in (30, 40))
    bare = [[line.rpartition(", 'epoch'")[0] + "}" for line in lines] for lines in (one, two)]
    barred = [[f"{bar(i, len(lines))}\n{line}" for i, line in enumerate(lines, 1)] for lines in (one, two)]
    summary = ["{'train_runtime': 3.0, 'train_loss': 0.1, 'epoch': 1.0}"]
    path = tmp_path / "train.log"
    for first, second, end in (
        (one, two, summary),
        (one, two, []),
        (*bare, summary),
        (*barred, []),
        (*barred, summary),
    ):
        path.write_text("\n".join([*first, *end, *second, *end]))
        with pytest.raises(InputError, match=r"1: 30 rows, steps 1 to 30; 2: 40 rows, steps 1 to 40"):
            read_run(path)
        for number, rows in ((1, 30), ("last", 40)):
            assert read_run(path, appended=number)["optimizer_step"].values[0].tolist() == list(range(1, rows + 1))


def bare(i: int, total: int, spacing: int = 1, **more: float) -> list[str]:
    """A bar and the row below it, without an epoch."""
    drawn = [bar(step, total) for step in range(spacing * (i - 1) + 1, spacing * i + 1)]
    return ["".join(drawn), str({"loss": 0.01, "reward": round(0.3 + 0.4 * spacing * i / total, 6), **more})]


def lines(first: int, last: int, total: int, spacing: int = 1) -> list[str]:
    return [line for i in range(first, last + 1) for line in bare(i, total, spacing)]


@pytest.mark.parametrize("spacing", [1, 10])
@pytest.mark.parametrize("between", [["Traceback (most recent call last):", "KeyboardInterrupt", bar(0, 500)], []])
def test_a_run_begins_where_the_bar_falls_back(between: list[str], spacing: int, tmp_path: Path) -> None:
    path = tmp_path / "train.log"
    path.write_text("\n".join([*lines(1, 30, 500, spacing), *between, *lines(1, 20, 500, spacing)]))
    with pytest.raises(InputError, match=f"1: 30 rows, steps {spacing} to {30 * spacing}; 2: 20 rows"):
        read_run(path)
    run = read_run(path, appended="last")
    assert run["optimizer_step"].values[0].tolist() == [spacing * i for i in range(1, 21)]
    assert run["planned_steps"].item() == 500


@pytest.mark.parametrize("rate", [[], [3e-6, 2e-6, 1e-6]])
def test_a_bar_for_each_epoch_begins_no_run(rate: list[float], tmp_path: Path) -> None:
    """It was at its end before; but where the learning rate begins anew, too, so does a run."""
    text = [line for k in range(3) for i in range(1, 11) for line in bare(i, 10, **({"lr": rate[k]} if rate else {}))]
    assert values(read(tmp_path / "train.log", "\n".join(text)), "optimizer_step") == list(range(1, 31))
    runs = [line for _ in range(2) for i in range(1, 11) for line in bare(i, 10, lr=1e-6 * (1 - i / 11))]
    (tmp_path / "train.log").write_text("\n".join(runs))
    assert read_run(tmp_path / "train.log", appended="last")["optimizer_step"].values[0].tolist() == list(range(1, 11))


@pytest.mark.parametrize("total", [400, 500])
@pytest.mark.parametrize("first", [True, False])
def test_the_bar_of_evaluations_is_passed_over(first: bool, total: int, tmp_path: Path) -> None:
    """It moves more often than the trainer's and has no name."""
    evaluation = ["".join(bar(i, 62) for i in range(63)), "{'eval_reward': 0.25}"]
    text = [bar(0, total), *(evaluation if first else [])]
    for i in range(1, 41):
        text += [*bare(i, total, 10), *(evaluation if i % 2 == 0 else [])]
    reading = read(tmp_path / "train.log", "\n".join(text))
    assert values(reading, "optimizer_step") == [*([0] if first else []), *(10 * i for i in range(1, 41))]
    assert reading.run["planned_steps"].item() == total


@pytest.mark.parametrize("begin", [[], [bar(0, 500)]])
def test_a_bar_that_falls_back_to_a_checkpoint_goes_on_from_there(begin: list[str], tmp_path: Path) -> None:
    text = "\n".join([*lines(1, 37, 500), *begin, *lines(31, 60, 500)])
    assert values(read(tmp_path / "train.log", text), "optimizer_step") == list(range(1, 61))


def test_evaluations_before_the_first_step_are_of_the_run_that_begins(tmp_path: Path) -> None:
    rows = ["{'eval_reward': 0.25, 'epoch': 0.0}", *(row(i, 1, 30, "linear", 4) for i in range(1, 31))]
    path = tmp_path / "train.log"
    path.write_text("\n".join([*rows, "{'train_runtime': 3.0}", *rows]))
    run = read_run(path, appended="last")
    assert run["optimizer_step"].values[0].tolist() == list(range(31)) and run["evaluation_reward"].values[0, 0] == 0.25


def test_a_run_goes_on_after_a_summary_where_its_epoch_does(tmp_path: Path) -> None:
    rows = [row(i, 1, 60, "linear", 4) for i in range(1, 61)]
    text = "\n".join([*rows[:30], "{'train_runtime': 3.0, 'epoch': 0.5}", *rows[30:]])
    assert values(read(tmp_path / "train.log", text), "optimizer_step") == list(range(1, 61))


def test_a_run_that_ended_early_is_told_by_its_epoch(tmp_path: Path) -> None:
    rows = [row(i, 1, 300, "linear") for i in range(1, 31)]
    path = tmp_path / "train.log"
    path.write_text("\n".join([*rows[:3], *rows]))
    assert read_run(path, appended="last")["optimizer_step"].values[0].tolist() == list(range(1, 31))


def test_passes_over_one_batch_are_no_runs(tmp_path: Path) -> None:
    text = "\n".join(str({"epoch": i % 4, "reward": round(0.3 + 0.01 * i, 3), "loss": 0.1}) for i in range(40))
    assert values(read(tmp_path / "train.log", text), "optimizer_step") == list(range(1, 41))
