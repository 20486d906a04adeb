"""What trackers and people export: tidy tables, Markdown, columns as lists, ClearML's, MLflow's and SwanLab's files."""

import csv
import json
import os
import random
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest

from bayes_grpo import InputError, read_run
from bayes_grpo.readers import Reading, read_log
from tests.readers.files import write_swanlab

N = 30
REWARDS = [round(0.2 + 0.4 * i / N + 0.013 * (i % 3), 4) for i in range(N)]
LENGTHS = [100.0 + i for i in range(N)]


def one(path: Path, **options) -> Reading:
    readings, faults = read_log(path, **options)
    assert not faults and len(readings) == 1
    return readings[0]


def values(reading: Reading, name: str) -> list[float]:
    return reading.run[name].values[0].tolist()


def long_rows(
    first: int = 1, spacing: int = 1, reward: str = "train/reward", length: str = "train/mean_completion_length"
) -> list[tuple[str, int, float]]:
    steps = [first + spacing * i for i in range(N)]
    return [(reward, s, r) for s, r in zip(steps, REWARDS, strict=True)] + [
        (length, s, v) for s, v in zip(steps, LENGTHS, strict=True)
    ]


TIDY = {
    # header, the cells of a point, and the delimiter: Comet's, Neptune's, Aim's, ClearML's tables and people's own
    "comet": (["experimentKey", "metricName", "metricValue", "timestamp", "step", "epoch", "runContext"], lambda m, s, v: ["k1", m, v, 1700000000000 + s, s, "", "train"], ","),
    "neptune": (["run_id", "attribute_path", "attribute_type", "step", "timestamp", "float_value"], lambda m, s, v: ["RUN-1", m, "float_series", f"{s}.0", "2026-01-01T00:00:00", v], ","),
    "aim": (["run.hash", "metric.name", "metric.context", "idx", "value", "epoch", "step"], lambda m, s, v: ["8f2a", m, "{'subset': 'train'}", s - 1, v, 0, s], ","),
    "semicolons": (["Step", "Tag", "Value"], lambda m, s, v: [s, m, v], ";"),
    "tabs, value first": (["value", "key", "global_step"], lambda m, s, v: [v, m, s], "\t"),
    "iterations": (["series", "iteration", "y"], lambda m, s, v: [m, s, v], ","),
}  # fmt: skip


@pytest.mark.parametrize("layout", TIDY)
@pytest.mark.parametrize("order", ["by metric", "by step", "shuffled"])
def test_tidy_tables_in_any_order_and_naming(layout: str, order: str, tmp_path: Path) -> None:
    header, cells, mark = TIDY[layout]
    rows = [cells(*row) for row in long_rows(first=3, spacing=2)]
    if order == "by step":
        rows = [row for pair in zip(rows[:N], rows[N:], strict=True) for row in pair]
    elif order == "shuffled":
        random.Random(1).shuffle(rows)
    path = tmp_path / "export.csv"
    with path.open("w", newline="") as file:
        csv.writer(file, delimiter=mark).writerows([header, *rows])
    reading = one(path)
    assert reading.format == "tidy table" and reading.columns["reward"] == "train/reward"
    assert values(reading, "reward") == REWARDS and values(reading, "completion_length") == LENGTHS
    assert values(reading, "optimizer_step") == [3 + 2 * i for i in range(N)]


@pytest.mark.parametrize("form", ["jsonl", "list"])
def test_tidy_json_as_comets_api_gives_it(form: str, tmp_path: Path) -> None:
    rows = [
        {"metricName": m, "metricValue": str(v), "timestamp": 1, "step": s, "runContext": None}
        for m, s, v in long_rows()
    ]
    path = tmp_path / "metrics.json"
    path.write_text(json.dumps(rows) if form == "list" else "".join(json.dumps(row) + "\n" for row in rows))
    assert values(one(path), "reward") == REWARDS


def test_a_tidy_table_of_several_runs_and_one_that_is_too_short(tmp_path: Path) -> None:
    """Metrics have clocks of their own; a run that cannot be read is no fault of the others."""
    path = tmp_path / "export.csv"
    lines = ["run_name,metric,step,value"]
    for name, spacing in (("seed 1", 1), ("seed 2", 4)):
        lines += [f"{name},{m},{s},{v}" for m, s, v in long_rows(0, spacing)]
    lines += [f"seed 3,train/reward,{s},0.5" for s in range(3)]
    path.write_text("\n".join(lines) + "\n")
    readings, faults = read_log(path)
    assert [str(reading.run["run"].values[0]) for reading in readings] == ["seed 1", "seed 2"]
    assert [values(reading, "reward") for reading in readings] == [REWARDS] * 2
    assert len(faults) == 1 and "run seed 3" in str(faults[0]) and "found 3" in str(faults[0])


def test_an_ordinary_table_with_such_columns_is_not_tidy(tmp_path: Path) -> None:
    path = tmp_path / "log.csv"
    path.write_text("step,name,value,reward\n" + "".join(f"{i},x,{i},{r}\n" for i, r in enumerate(REWARDS)))
    assert one(path).format == "table (CSV, TSV)"


MARKDOWN = {
    "bare": ("Step | Training Loss | reward | completion_length\n-- | -- | -- | --\n", "{s} | 0.000000 | {r} | {v}\n"),
    "framed": ("| step | mean_reward | avg_response_len |\n|:---|---:|:---:|\n", "| {s} | **{r}** | `{v}` |\n"),
    "in an issue": ("Hello,\n\n| a | b |\n|--|--|\n| 1 | 2 |\n\nand this: \n\n| Iteration | Reward | Output Length |\n| --- | --- | --- |\n", "| {s} | {r} | {v} |  \n"),
}  # fmt: skip


@pytest.mark.parametrize("layout", MARKDOWN)
@pytest.mark.parametrize("suffix", [".md", ".txt"])
def test_markdown_tables(layout: str, suffix: str, tmp_path: Path) -> None:
    head, row = MARKDOWN[layout]
    path = tmp_path / f"table{suffix}"
    path.write_text(
        head
        + "".join(row.format(s=5 * i + 5, r=r, v=v) for i, (r, v) in enumerate(zip(REWARDS, LENGTHS, strict=True)))
        + "\nWhat now?\n"
    )
    reading = one(path)
    assert reading.format == "Markdown table" and values(reading, "reward") == REWARDS
    assert (
        values(reading, "optimizer_step") == [5 * i + 5 for i in range(N)]
        and values(reading, "completion_length") == LENGTHS
    )


@pytest.mark.parametrize(
    "content",
    [
        {"reward_history": REWARDS, "loss_history": LENGTHS},
        {"history": {"rewards": REWARDS, "losses": LENGTHS}, "config": {"lr": 1e-6}},
        {"metrics": {"train": {"mean_reward": REWARDS, "kl": [0.1] * N}}},
        {"rewards": REWARDS},
    ],
)
def test_columns_as_lists_without_steps_are_counted(content: dict, tmp_path: Path) -> None:
    path = tmp_path / "history.json"
    path.write_text(json.dumps(content))
    reading = one(path)
    assert values(reading, "reward") == REWARDS and values(reading, "optimizer_step") == list(range(1, N + 1))
    assert any("counted 1, 2" in str(note) for note in reading.notes)


def test_columns_as_lists_with_their_steps(tmp_path: Path) -> None:
    path = tmp_path / "history.json"
    path.write_text(json.dumps({"steps": [10 * i for i in range(N)], "avg_reward": REWARDS, "kl": [0.1] * N}, indent=2))
    reading = one(path)
    assert values(reading, "optimizer_step") == [10 * i for i in range(N)] and values(reading, "kl") == [0.1] * N


@pytest.mark.parametrize("nested", [True, False])
def test_clearml_scalars(nested: bool, tmp_path: Path) -> None:
    """As task.get_reported_scalars() gives them, with further series on a clock of their own; and a list of series."""
    steps = [4 * i for i in range(N)]
    points = {
        "mean_reward": {"name": "mean_reward", "x": steps, "y": REWARDS},
        "length": {"name": "length", "x": steps[::3], "y": LENGTHS[::3]},
    }
    path = tmp_path / "scalars.json"
    path.write_text(
        json.dumps(
            {"GRPO": points, ":monitor:gpu": {"gpu_0": {"x": [0, 1], "y": [5, 6]}}}
            if nested
            else {"series": list(points.values()), "other": {"x": [1], "y": []}},
            indent=1,
        )
    )
    reading = one(path)
    assert reading.format == "ClearML scalars (JSON)" and values(reading, "reward") == REWARDS
    assert values(reading, "optimizer_step")[:3] == [0, 4, 8]
    assert np.flatnonzero(np.isfinite(values(reading, "completion_length"))).tolist() == list(range(0, N, 3))


def store(folder: Path, name: str, group: int) -> Path:
    run = folder / name
    (run / "metrics" / "completions").mkdir(parents=True)
    (run / "params").mkdir()
    (run / "tags").mkdir()
    (run / "meta.yaml").write_text(
        f"artifact_uri: file:///x/{name}\nrun_id: {name}\nrun_name: 'run of {name}'\nstatus: 3\n"
    )
    (run / "params" / "num_generations").write_text(str(group))
    for key, column in (("reward", REWARDS), ("completions/mean_length", LENGTHS)):
        lines = [f"17000000000{i:02} {value} {2 * i}" for i, value in enumerate(column)]
        (run / "metrics" / key).write_text("\n".join(lines) + "\n")
    return run


def test_mlflow_folders(tmp_path: Path) -> None:
    for name, group in (("abc", 8), ("def", 16)):
        store(tmp_path / "mlruns" / "0", name, group)
    (tmp_path / "mlruns" / "0" / "meta.yaml").write_text("experiment_id: '0'\n")
    with (tmp_path / "mlruns" / "0" / "abc" / "metrics" / "reward").open("a") as file:
        file.write("1700000000099 0.\n1700")
    readings, faults = read_log(tmp_path / "mlruns")
    assert not faults and [str(reading.run["run"].values[0]) for reading in readings] == ["run of abc", "run of def"]
    assert [reading.run["group_size"].item() for reading in readings] == [8, 16]
    assert values(readings[1], "reward") == REWARDS and values(readings[1], "completion_length") == LENGTHS
    assert values(readings[1], "optimizer_step") == [2 * i for i in range(N)]
    assert values(readings[0], "reward")[:N] == REWARDS and any("left out" in str(note) for note in readings[0].notes)


@pytest.mark.parametrize("form", ["folders", "a table"])
def test_a_run_without_a_reward_is_left_out_where_others_have_one(form: str, tmp_path: Path) -> None:
    """Such as that of a supervised training in the same experiment; alone it is refused."""
    if form == "folders":
        for name in ("abc", "def", "sft"):
            store(tmp_path / "mlruns" / "0", name, 8)
        (tmp_path / "mlruns" / "0" / "sft" / "metrics" / "reward").rename(
            tmp_path / "mlruns" / "0" / "sft" / "metrics" / "loss"
        )
        path, alone = tmp_path / "mlruns", tmp_path / "mlruns" / "0" / "sft"
    else:
        path, alone = tmp_path / "panel.csv", tmp_path / "sft.csv"
        names = {"abc": "reward", "def": "reward", "sft": "loss"}
        for file, runs in ((path, ["abc", "def", "sft"]), (alone, ["sft"])):
            header = ",".join(f"{run} - {names[run]}{end}" for run in runs for end in ("", "__MIN", "__MAX"))
            body = [",".join([str(s), *([str(r)] * 3 * len(runs))]) for s, r in enumerate(REWARDS, 1)]
            file.write_text("\n".join([f"Step,{header}", *body]) + "\n")
    readings, faults = read_log(path)
    assert not faults and len(readings) == 2
    note = next(note for note in readings[0].notes if note.kind == "left_out")
    assert "sft" in note.text and "expected a column with the mean reward" in note.text
    with pytest.raises(InputError, match="expected a column with the mean reward"):
        read_run(alone)


def test_swanlab_files_that_are_long_and_that_are_cut(tmp_path: Path) -> None:
    """Records over the edges of blocks; a file that is being written; a config with types of all kinds."""
    rows = [
        {"step": i, "critic/rewards/mean": r, "actor/lr": 1e-6, **{f"other/{'x' * 60}/{j}": j for j in range(40)}}
        for i, r in enumerate(REWARDS)
    ]
    config = "actor_rollout_ref:\n  desc: ''\n  sort: 0\n  value:\n    rollout:\n      n: 5\n      name: 'vllm'\n    actor:\n      optim:\n        betas:\n        - 0.9\n        - 0.999\n      ppo_epochs: 1\n      ppo_mini_batch_size: 16\ndata:\n  desc: x\n  sort: 1\n  value:\n    train_batch_size: 64\n    shuffle: true\n"
    run = write_swanlab(tmp_path, rows, config)
    reading = one(run)
    assert reading.trainer == "verl" and values(reading, "reward") == REWARDS
    assert {
        key: reading.run[key].item() for key in ("group_size", "refresh_interval", "momentum", "prompts_per_step")
    } == {"group_size": 5, "refresh_interval": 4, "momentum": 0.9, "prompts_per_step": 16}
    file = next(run.glob("*.swanlab"))
    file.write_bytes(file.read_bytes()[:-20])
    cut = one(file)
    assert values(cut, "reward") == REWARDS and any("cut off" in str(note) for note in cut.notes)
    assert str(one(tmp_path).run["run"].values[0]) == "one"
    file.write_bytes(b":SWL\xd6\xe1\x02" + bytes(100))
    with pytest.raises(InputError, match="expected a SwanLab run file, found a damaged record"):
        read_run(file)


#: Code that logs with a tracker's own package.
TRACKERS = {
    "swanlab": "import swanlab\nswanlab.init(project='p', experiment_name='one', config={'num_generations': 8}, logdir=FOLDER, mode='offline')\n"
    "for i, r in enumerate(ROWS, 1): swanlab.log({'reward': r, 'completions/mean_length': 5.0}, step=i)\nswanlab.finish()",
    "mlflow": "import mlflow\nmlflow.set_tracking_uri('sqlite:///' + FOLDER + '/mlflow.db')\nwith mlflow.start_run(run_name='one'):\n"
    "    mlflow.log_params({'num_generations': 8})\n    for i, r in enumerate(ROWS, 1): mlflow.log_metrics({'reward': r, 'completions/mean_length': 5.0}, step=i)",
}


def interpreter_with(package: str) -> str:
    """An interpreter that has a package: this one, or the one that TRACKERS_PYTHON names (they need older libraries than ours)."""
    if find_spec(package) is not None:
        return sys.executable
    if "TRACKERS_PYTHON" not in os.environ:
        pytest.skip(f"{package} is not installed here; TRACKERS_PYTHON may name an interpreter that has it")
    return os.environ["TRACKERS_PYTHON"]


@pytest.mark.parametrize("package", TRACKERS)
def test_files_of_the_trackers_own_packages(package: str, tmp_path: Path) -> None:
    code = f"FOLDER, ROWS = {str(tmp_path)!r}, {REWARDS!r}\n{TRACKERS[package]}"
    subprocess.run(
        [interpreter_with(package), "-W", "ignore", "-c", code],
        cwd=tmp_path,
        check=True,
        capture_output=True,
        timeout=120,
    )
    reading = one(tmp_path)
    assert values(reading, "reward") == REWARDS and values(reading, "optimizer_step") == list(range(1, N + 1))
    assert str(reading.run["run"].values[0]) == "one" and reading.run["group_size"].item() == 8
