"""Readers on small logs of every format, and on everything that can be wrong with a log."""

import json
import pickle
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from bayes_grpo import InputError, combine, make_run, read_run, save_fit, save_runs
from tests.readers.files import PEAK

N = 12
REWARDS = [round(0.1 + 0.05 * i, 3) for i in range(N)]


def trl_rows(spacing: int = 1, **more) -> list[dict]:
    return [
        {
            "step": spacing * (i + 1),
            "reward": r,
            "reward_std": 0.3,
            "learning_rate": 1e-6,
            "completions/mean_length": 5.0,
            **more,
        }
        for i, r in enumerate(REWARDS)
    ]


def write_state(folder: Path, rows: list[dict], **more) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "trainer_state.json"
    path.write_text(json.dumps({"max_steps": 500, "logging_steps": 1, "log_history": rows, **more}))
    return path


def lines(path: Path, rows: list[dict]) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def values(run, name: str) -> list[float]:
    return run[name].values[0].tolist()


@pytest.mark.parametrize("place", ["file", "checkpoint", "output", "root"])
def test_trl_state_from_file_checkpoint_or_output_folder(tmp_path: Path, place: str) -> None:
    output = tmp_path / "my_run"
    if place == "root":
        write_state(output, trl_rows())
    else:
        write_state(output / "checkpoint-9", trl_rows()[:6])
        write_state(output / "checkpoint-10", trl_rows())
    paths = {"file": output / "checkpoint-10/trainer_state.json", "checkpoint": output / "checkpoint-10"}
    run = read_run(paths.get(place, output))
    assert values(run, "reward") == REWARDS
    assert run["planned_steps"].item() == 500
    assert run["logging_window"].item() == 1
    assert run["reward_spread"].attrs["spread"] == "unknown"


def test_trl_old_and_new_names_strings_and_rows_without_reward(tmp_path: Path) -> None:
    rows = [
        {
            "step": str(i + 1),
            "reward": str(r),
            "learning_rate": "1e-06",
            "frac_reward_zero_std": "0.5",
            "completions/mean_length": "7.5",
            "clip_ratio/region_mean": "nan",
            "grad_norm": "None",
        }
        for i, r in enumerate(REWARDS)
    ]
    rows.insert(4, {"step": 4, "eval_reward": 0.9, "eval_loss": 1.0})
    rows.insert(6, {"step": 5.5, "learning_rate": 5e-7, "loss": 0.1})
    rows.append({"step": 12, "train_runtime": 3.0, "train_loss": 0.1})
    run = read_run(write_state(tmp_path, rows))
    reward = np.array(values(run, "reward"))
    assert reward[np.isfinite(reward)].tolist() == REWARDS
    assert values(run, "completion_length")[0] == 7.5
    assert values(run, "zero_spread_share")[0] == 0.5
    assert np.nanmin(values(run, "learning_rate")) == 5e-7
    at = values(run, "optimizer_step").index(4.0)
    assert values(run, "evaluation_reward")[at] == 0.9
    assert "clip_ratio" not in run and "grad_norm" not in run


def test_trl_window_is_the_spacing_of_rows(tmp_path: Path) -> None:
    run = read_run(write_state(tmp_path, trl_rows(spacing=5)))
    assert run["logging_window"].item() == 5
    assert "means over 5 steps" in run["notes"].item()
    table = lines(tmp_path / "plain.jsonl", [{"step": 5 * i, "reward": r} for i, r in enumerate(REWARDS)])
    assert "logging_window" not in read_run(table)


@pytest.mark.parametrize("form", ["json", "jsonl", "verl", "csv", "tsv"])
def test_lists_and_tables(tmp_path: Path, form: str) -> None:
    path = tmp_path / f"log.{form}"
    if form == "json":
        path.write_text(json.dumps(trl_rows()))
    elif form == "jsonl":
        lines(path, trl_rows())
    elif form == "verl":
        lines(
            path, [{"step": i + 1, "data": {"critic/rewards/mean": r, "actor/lr": 1e-6}} for i, r in enumerate(REWARDS)]
        )
    else:
        mark = "," if form == "csv" else "\t"
        body = "".join(f"{i + 1}{mark}{r}{mark}\n" for i, r in enumerate(REWARDS))
        path.write_text(mark.join(("Step", "avg_reward", "kl")) + "\n" + body)
    run = read_run(path)
    assert values(run, "optimizer_step") == list(range(1, N + 1))
    assert values(run, "reward") == REWARDS
    if form == "csv":
        assert "took column 'avg_reward' as reward" in run["notes"].item()


def test_event_logs_keep_evaluations_apart_and_find_the_optimizer_step(tmp_path: Path) -> None:
    rows: list[dict] = [{"type": "eval", "optimizer_step": 0, "reward": 0.0}]
    for i, r in enumerate(REWARDS):
        rows.append({"type": "rollout", "grpo_step": i + 1, "reward": r})
        rows += [
            {"type": "train", "grpo_step": i + 1, "optimizer_step": 2 * i + j, "learning_rate": 1e-5} for j in (1, 2)
        ]
    rows.append({"type": "eval", "optimizer_step": 2 * N, "reward": 0.99})
    run = read_run(lines(tmp_path / "metrics.jsonl", rows))
    step, reward = np.array(values(run, "optimizer_step")), np.array(values(run, "reward"))
    assert step[np.isfinite(reward)].tolist() == [2 * i + 1 for i in range(N)]
    assert reward[np.isfinite(reward)].tolist() == REWARDS
    assert values(run, "evaluation_reward")[-1] == 0.99


def test_columns_named_or_ambiguous(tmp_path: Path) -> None:
    path = tmp_path / "two.csv"
    path.write_text("step,a_reward,b_reward\n" + "".join(f"{i},{r},{1 - r}\n" for i, r in enumerate(REWARDS)))
    with pytest.raises(InputError, match=r"by --reward-column: a_reward \(0.1 to 0.65\); b_reward \(0.35 to 0.9\)"):
        read_run(path)
    assert values(read_run(path, reward_column="b_reward"), "reward")[0] == 0.9
    with pytest.raises(InputError, match="no column 'c'"):
        read_run(path, reward_column="c")
    path.write_text(
        "step,eval_reward,reward_max,my_reward\n" + "".join(f"{i},2,3,{r}\n" for i, r in enumerate(REWARDS))
    )
    assert values(read_run(path), "reward") == REWARDS
    path.write_text("step,eval_reward,reward_max\n" + "".join(f"{i},{r},3\n" for i, r in enumerate(REWARDS)))
    only = read_run(path)
    assert values(only, "reward") == REWARDS and "evaluation_reward" not in only
    assert "the evaluation 'eval_reward' is taken as the reward" in only["notes"].item()
    path.write_text("step,reward_max\n" + "".join(f"{i},{r}\n" for i, r in enumerate(REWARDS)))
    with pytest.raises(InputError, match="expected a column with the mean reward, found step, reward_max"):
        read_run(path)


def test_thousands_separators(tmp_path: Path) -> None:
    path = tmp_path / "log.tsv"
    path.write_text("step\treward\n" + "".join(f'"{1000 + i:,}"\t{r}\n' for i, r in enumerate(REWARDS)))
    assert values(read_run(path), "optimizer_step") == [1000.0 + i for i in range(len(REWARDS))]


def test_long_tables_hold_several_runs(tmp_path: Path) -> None:
    path = tmp_path / "long.csv"
    rows = [f"{name},{i},{r}\n" for name in ("x", "y") for i, r in enumerate(REWARDS)]
    path.write_text("label,step,reward\n" + "".join(rows))
    with pytest.raises(InputError, match="--run-column"):
        read_run(path)
    run = read_run(path, run_column="label")
    assert run["run"].values.tolist() == ["x", "y"]


def test_a_sidecar_of_endless_brackets_is_refused(tmp_path: Path) -> None:
    (tmp_path / "log.csv").write_text("step,reward\n" + "".join(f"{i},0.5\n" for i in range(1, 21)))
    depth = 2 * sys.getrecursionlimit()  # importing PyMC raises it to 10,000
    (tmp_path / "hyperparameters.toml").write_text("group_size = " + "[" * depth + "]" * depth + "\n")
    with pytest.raises(
        InputError, match=r"hyperparameters\.toml: expected TOML, found lists or tables nested too deeply"
    ):
        read_run(tmp_path)


def test_sidecar_and_stated_values(tmp_path: Path) -> None:
    log = lines(tmp_path / "log.jsonl", trl_rows())
    (tmp_path / "hyperparameters.toml").write_text('group_size = 4\nmomentum = 0.5\ntrl_version = "0.15.2"\n')
    run = read_run(log, hyperparameters={"group_size": 16})
    assert (run["group_size"].item(), run["momentum"].item()) == (16, 0.5)
    assert run["reward_spread"].attrs["spread"] == "within_group"
    other = tmp_path / "other.json"
    other.write_text('{"group_size": 2, "trl_version": "1.16.0"}')
    run = read_run(log, hyperparameters_file=other)
    assert run["group_size"].item() == 2
    assert run["reward_spread"].attrs["spread"] == "batch"
    stated = {"trl_version": "0.15.2", "name": "stated", "x_mine": 1}
    run = read_run(log, hyperparameters=stated, hyperparameters_file=other)
    assert run["reward_spread"].attrs["spread"] == "within_group" and run["run"].item() == "stated"
    with pytest.raises(InputError, match="hyperparameters: spread: expected one of within_group, batch"):
        read_run(log, hyperparameters={"spread": "wide"})
    with pytest.raises(InputError, match="unknown hyperparameter 'grup_size'"):
        read_run(log, hyperparameters={"grup_size": 4})
    (tmp_path / "hyperparameters.toml").write_text("grup_size = 4\n")
    with pytest.raises(InputError, match=r"unknown key 'grup_size'; known are group_size"):
        read_run(log)


def test_resumed_runs_drop_what_was_logged_again(tmp_path: Path) -> None:
    rows = trl_rows()
    again = [{**row, "reward": 0.99} for row in rows[8:]]
    run = read_run(lines(tmp_path / "log.jsonl", rows[:10] + again))
    assert values(run, "optimizer_step") == list(range(1, N + 1))
    assert values(run, "reward")[8:] == [0.99] * 4
    assert "2 rows that it logged again" in run["notes"].item()


def test_repeated_steps_are_kept(tmp_path: Path) -> None:
    rows = [{"step": i // 3, "reward": r} for i, r in enumerate(REWARDS)]
    assert values(read_run(lines(tmp_path / "log.jsonl", rows)), "optimizer_step") == [i // 3 for i in range(N)]


def test_a_cut_last_line_is_left_out_and_a_broken_one_is_named(tmp_path: Path) -> None:
    path = lines(tmp_path / "log.jsonl", trl_rows())
    whole = path.read_text()
    path.write_text(whole + '{"step": 13, "rew')
    run = read_run(path)
    assert run.sizes["step"] == N
    assert "cut off" in run["notes"].item()
    path.write_text(whole + '{"step": 13, "rew\n' + whole.splitlines()[-1] + "\n")
    with pytest.raises(InputError, match=f"line {N + 1}"):
        read_run(path)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "empty"),
        (b" \n\n", "empty"),
        (pickle.dumps({"step": 1}), "binary data"),
        (b'{"log_history": [{"step": 1, "rew', "line 1, column"),
        (b'{"log_history": 3}', "expected TRL's list"),
        (b"[1, 2]", "row 1: expected an object"),
        (b"step,loss\n1,2\n", "expected a column with the mean reward, found step, loss"),
        (b"reward,loss\n1,2\n", "expected a column with the optimizer step"),
        (
            b"step,reward\n" + b"".join(b"%d,abc\n" % i for i in range(9)),
            "row 1, reward: expected a number, found 'abc'",
        ),
        (
            b"step,reward\n" + b"".join(b"%d,%s\n" % (i, b"inf" if i == 4 else b"0.%d" % i) for i in range(9)),
            "found inf in row 5",
        ),
        (b"step,reward\n" + b"".join(b"%d,nan\n" % i for i in range(9)), "found none"),
        (b"step,reward\n" + b"".join(b'%d,"0,%d"\n' % (i, i) for i in range(9)), "'0,0'; decimals need a point"),
        ("step,reward\n1,0.5\u00e9\n".encode("latin-1"), "UTF-8"),
        (b"[" * 100000, "nested too deeply|break at line"),
    ],
)
def test_faulty_files_are_named_with_the_cure(tmp_path: Path, content: bytes, said: str) -> None:
    path = tmp_path / "log.json"
    path.write_bytes(content)
    with pytest.raises(InputError, match=said) as caught:
        read_run(path)
    assert str(path) in str(caught.value)


def test_missing_paths_and_folders_without_logs(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no such file"):
        read_run(tmp_path / "nothing.csv")
    with pytest.raises(InputError, match="expected trainer_state.json in the folder or in a checkpoint-N folder"):
        read_run(tmp_path)


def test_a_200_mb_log_is_read_in_bounded_memory(tmp_path: Path) -> None:
    path = tmp_path / "big.jsonl"
    padding = "x" * 100_000
    with path.open("w") as file:
        for i in range(2000):
            file.write(json.dumps({"step": i, "reward": 0.1 + (i % 7) / 10, "completion": padding}) + "\n")
    assert path.stat().st_size > 200e6
    code = (
        PEAK + "import sys; from bayes_grpo import read_run; run = read_run(sys.argv[1])\n"
        "print(run.sizes['step'], peak())"
    )
    out = subprocess.run([sys.executable, "-c", code, path], capture_output=True, text=True, check=True, timeout=120)
    rows, megabytes = map(int, out.stdout.split())
    assert rows == 2000
    assert megabytes < 400


def test_saved_runs_come_back_as_they_were(tmp_path: Path) -> None:
    facts = {"group_size": 8, "momentum": 0.9}
    one = make_run("a", {"optimizer_step": range(N), "reward": REWARDS, "entropy": np.ones(N)}, facts)
    two = make_run("b", {"optimizer_step": range(6), "reward": REWARDS[:6]}, {"group_size": 4})
    path = save_runs(combine([one, two]), tmp_path / "runs.nc")
    back = read_run(path)
    assert back["run"].values.tolist() == ["a", "b"]
    np.testing.assert_array_equal(back["reward"].values, combine([one, two])["reward"].values)
    assert back["group_size"].values.tolist() == [8, 4] and np.isnan(back["momentum"].values[1])
    assert read_run(path, hyperparameters={"group_size": 2})["group_size"].values.tolist() == [2, 2]


def test_other_netcdf_files_are_refused(tmp_path: Path, small_fit) -> None:
    with pytest.raises(InputError, match="bayes-grpo summary"):
        read_run(save_fit(small_fit, tmp_path / "fit.nc"))
    (tmp_path / "text.nc").write_text("step,reward\n1,2\n")
    with pytest.raises(InputError, match="another format"):
        read_run(tmp_path / "text.nc")
