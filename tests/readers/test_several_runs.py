"""Several runs in one file or folder: appended ones, rows that are completions, folders that tell runs apart."""

import json
from pathlib import Path

import numpy as np
import pytest

from bayes_grpo import InputError, read_run, read_runs
from bayes_grpo.readers import read_log

N = 20
REWARDS = [round(0.3 + 0.02 * i, 3) for i in range(N)]


def lines(path: Path, rows: list[dict]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def rows(rewards: list[float] = REWARDS, first: int = 1, spacing: int = 1, **more) -> list[dict]:
    return [{"step": first + spacing * i, "reward": r, **more} for i, r in enumerate(rewards)]


@pytest.mark.parametrize("form", ["jsonl", "console"])
def test_appended_runs_are_listed_and_chosen(form: str, tmp_path: Path) -> None:
    parts = [rows(REWARDS[:6], 10, 10), rows(REWARDS[2:], 10, 10), rows(REWARDS, 5, 10)]
    path = lines(tmp_path / "log.jsonl", [row for part in parts for row in part])
    if form == "console":
        path = tmp_path / "train.log"
        path.write_text(
            "starting\n" + "\n".join(f"Step {row['step']} | Reward: {row['reward']}" for part in parts for row in part)
        )
    with pytest.raises(
        InputError,
        match=r"take one by --run N or --run last \(1: 6 rows, steps 10 to 60; 2: 18 rows, steps 10 to 180; 3: 20",
    ):
        read_run(path)
    for appended, expected in ((1, REWARDS[:6]), ("2", REWARDS[2:]), (3, REWARDS), ("last", REWARDS)):
        run = read_run(path, appended=appended)
        assert run["reward"].values[0].tolist() == expected
        assert "of 3 in one file was taken" in run["notes"].item()
    for wrong in ("4", "0", "first"):
        with pytest.raises(InputError, match="--run: expected a number from 1 to 3 or last"):
            read_run(path, appended=wrong)


def test_a_single_run_is_the_first_and_the_last(tmp_path: Path) -> None:
    path = lines(tmp_path / "log.jsonl", rows())
    for appended in ("", "1", "last"):
        assert read_run(path, appended=appended)["reward"].values[0].tolist() == REWARDS
    with pytest.raises(InputError, match="from 1 to 1 or last, found '2'"):
        read_run(path, appended=2)


def test_means_that_are_repeated_for_each_completion_stand_once(tmp_path: Path) -> None:
    every = [row | {"completion_id": j} for row in rows(learning_rate=1e-6) for j in range(8)]
    for name, drop in (("ids.jsonl", ()), ("bare.jsonl", ("completion_id",))):
        run = read_run(lines(tmp_path / name, [{k: v for k, v in row.items() if k not in drop} for row in every]))
        assert run["reward"].values[0].tolist() == REWARDS and run["optimizer_step"].values[0].tolist() == list(
            range(1, N + 1)
        )
        assert "each value stands in 8 rows of its step" in run["notes"].item()


def test_rows_that_are_completions_are_averaged(tmp_path: Path) -> None:
    draws = np.random.default_rng(0).random((N, 16)) < 0.5
    every = [
        {"step": i + 1, "prompt": f"q{j // 4}", "completion": "text", "reward": float(r)}
        for i, row in enumerate(draws)
        for j, r in enumerate(row)
    ]
    run = read_run(lines(tmp_path / "log.jsonl", every))
    np.testing.assert_allclose(run["reward"].values[0], draws.mean(axis=1))
    assert "single completions, 16 a step" in run["notes"].item()


def test_means_of_several_rows_a_step_stay(tmp_path: Path) -> None:
    """Several rows a step that are no completions are ordinary data."""
    run = read_run(lines(tmp_path / "log.jsonl", [{"step": i // 2, "reward": r} for i, r in enumerate(REWARDS)]))
    assert run["reward"].values[0].tolist() == REWARDS


def test_runs_are_labelled_by_the_folder_that_tells_them_apart(tmp_path: Path) -> None:
    for seed, kind in ((1, "a"), (2, "a"), (2, "b")):
        lines(tmp_path / f"exp_{kind}" / f"seed{seed}" / "logs" / "metrics.jsonl", rows())
    labels = [str(run["run"].values[0]) for run in read_runs(tmp_path)]
    assert labels == ["exp_a-seed1", "exp_a-seed2", "exp_b-seed2"]
    assert [str(run["run"].values[0]) for run in read_runs(tmp_path / "exp_a")] == ["seed1", "seed2"]


def test_runs_of_other_formats_side_by_side_are_all_read(tmp_path: Path) -> None:
    """A tracker's folder stands for the text in its own folder, and not for the runs beside it."""
    state = {"log_history": rows(), "max_steps": 50}
    (tmp_path / "one").mkdir()
    (tmp_path / "one" / "trainer_state.json").write_text(json.dumps(state))
    (tmp_path / "one" / "train.log").write_text("\n".join(map(str, rows())))
    lines(tmp_path / "two" / "log.jsonl", rows())
    (tmp_path / "three").mkdir()
    (tmp_path / "three" / "out.log").write_text(
        "noise\n" * 30_000 + "\n".join(f"Step {row['step']} | Reward: {row['reward']}" for row in rows())
    )
    (tmp_path / "three" / "data.json").write_text('{"question": 1}')
    (tmp_path / "four").mkdir()
    (tmp_path / "four" / "four.log").write_text("step 1: reward 0.5\n")
    readings, faults = read_log(tmp_path)
    assert sorted(str(reading.run["run"].values[0]) for reading in readings) == ["log", "one", "out"]
    left_out = [note for reading in readings for note in reading.notes if note.kind == "left_out"]
    said = {Path(note.subject).name: note.text for note in left_out}
    assert "expected at least 5 rows" in said["four.log"] and "does not speak of rewards" in said["data.json"]
    assert not faults


def test_a_long_list_of_files_left_out_is_cut(tmp_path: Path) -> None:
    for i in range(80):
        (tmp_path / f"sample_{i}.json").write_text('{"question": 1}')
    lines(tmp_path / "log.jsonl", rows())
    readings, _ = read_log(tmp_path)
    left_out = [note for note in readings[0].notes if note.kind == "left_out"]
    assert len(left_out) == 51 and left_out[-1].text == "and 30 more files not read as logs"


def test_rewards_of_all_completions_in_a_list_are_averaged(tmp_path: Path) -> None:
    every = [{"step": i + 1, "rewards": [r, r + 0.5, 0.25], "lengths": [10, 20, 30]} for i, r in enumerate(REWARDS)]
    run = read_run(lines(tmp_path / "log.jsonl", every))
    np.testing.assert_allclose(run["reward"].values[0], [(2 * r + 0.75) / 3 for r in REWARDS])
    assert run["completion_length"].values[0].tolist() == [20] * N


def test_a_count_of_updates_is_a_step_and_no_planned_length(tmp_path: Path) -> None:
    run = read_run(
        lines(tmp_path / "log.jsonl", [{"num_updates": 3 * i, "mean_reward": r} for i, r in enumerate(REWARDS)])
    )
    assert "planned_steps" not in run and run["optimizer_step"].values[0].tolist() == [3 * i for i in range(N)]
