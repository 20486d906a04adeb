"""What trackers write, by their own packages: TensorBoard, W&B offline, trackio; and W&B's exports."""

import json
import os
import shutil
import sqlite3
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from bayes_grpo import InputError, read_run
from bayes_grpo.readers import read_log, read_runs
from tests.readers.files import REWARDS, STEPS, N, in_process, trackio, trl_rows, wandb_run, write_events

ARGUMENTS = {
    "num_generations": 8,
    "adam_beta1": 0.95,
    "gradient_accumulation_steps": 4,
    "steps_per_generation": 8,
    "generation_batch_size": 256,
    "num_iterations": 2,
    "max_steps": 50,
    "logging_steps": 1,
    "beta": 0.0,
    "output_dir": "out",
}
#: What ARGUMENTS mean: 256 completions in 8 micro-batches, 4 of them a step, each used twice.
KNOWN = {
    "group_size": 8,
    "momentum": 0.95,
    "prompts_per_step": 16,
    "refresh_interval": 4,
    "planned_steps": 50,
    "logging_window": 1,
}


def known_of(run) -> dict[str, float]:
    return {name: float(run[name][0]) for name in KNOWN if name in run}


def rows(count: int = N, start: int = 1) -> list[tuple[int, dict[str, float]]]:
    return [(s, {"reward": s / 100, "kl": 0.1}) for s in range(start, start + count)]


@pytest.fixture(scope="module")
def wandb_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An offline W&B run with TRL's keys and config."""
    return wandb_run(tmp_path_factory.mktemp("wandb"))


def test_tensorboard_keeps_every_point_and_takes_the_arguments(tmp_path: Path) -> None:
    """More points than EventAccumulator keeps by default; transformers logs its arguments as text."""
    many = [(s, {"reward": (s % 97) / 97, "completions/mean_length": 5.0}) for s in range(1, 12_001)]
    write_events(tmp_path / "tb", many, {"args": json.dumps(ARGUMENTS)})
    run = read_run(tmp_path / "tb")
    assert run.sizes["step"] == 12_000
    np.testing.assert_allclose(run["reward"].values[0], [row["reward"] for _, row in many], rtol=1e-6)
    assert known_of(run) == KNOWN


def test_tensorboard_agrees_with_its_own_accumulator(tmp_path: Path) -> None:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    folder = write_events(tmp_path / "tb", rows(40))
    accumulator = EventAccumulator(str(folder), size_guidance={"scalars": 0, "tensors": 0})
    accumulator.Reload()
    theirs = [(event.step, event.value) for event in accumulator.Scalars("train/reward")]
    run = read_run(folder)
    assert theirs == list(zip(run["optimizer_step"].values[0], run["reward"].values[0], strict=True))


def test_tensorboard_resumed_runs_in_several_files(tmp_path: Path) -> None:
    """A resumed run begins a new file and logs steps 8 to 10 again: the later values hold."""
    first = write_events(tmp_path / "a", rows(10))
    second = write_events(tmp_path / "b", [(s, {"reward": 1 - s / 100}) for s in range(8, 16)])
    folder = tmp_path / "tb"
    folder.mkdir()
    shutil.copy(next(first.iterdir()), folder / "events.out.tfevents.100.host.1.0")
    shutil.copy(next(second.iterdir()), folder / "events.out.tfevents.200.host.2.0")
    run = read_run(folder)
    assert run["optimizer_step"].values[0].tolist() == list(range(1, 16))
    expected = [s / 100 for s in range(1, 8)] + [1 - s / 100 for s in range(8, 16)]
    np.testing.assert_allclose(run["reward"].values[0], expected, rtol=1e-6)
    assert "2 event files" in run["notes"].item() and "logged again" in run["notes"].item()
    assert np.isnan(run["kl"].values[0][10:]).all()


def test_tensorboard_tensors_and_a_file_still_written(tmp_path: Path) -> None:
    """Scalars of TensorFlow 2 are tensors; a cut last record is left out and said."""
    from tensorboard.compat.proto.event_pb2 import Event
    from tensorboard.compat.proto.summary_pb2 import Summary
    from tensorboard.compat.proto.tensor_pb2 import TensorProto
    from tensorboard.summary.writer.event_file_writer import EventFileWriter

    writer = EventFileWriter(str(tmp_path))
    for step, reward in zip(STEPS, REWARDS, strict=True):
        content = np.float32(reward).tobytes()
        tensors = [TensorProto(dtype=1, float_val=[reward]), TensorProto(dtype=1, tensor_content=content)]
        summary = Summary(value=[Summary.Value(tag="train/reward", tensor=tensors[step % 2])])
        writer.add_event(Event(wall_time=1.0, step=step, summary=summary))
    writer.close()
    path = next(tmp_path.iterdir())
    np.testing.assert_allclose(read_run(path)["reward"].values[0], REWARDS, rtol=1e-6)
    path.write_bytes(path.read_bytes()[:-5])
    run = read_run(path)
    assert run.sizes["step"] == N - 1
    assert "still being written" in run["notes"].item()


def test_a_folder_of_runs_gives_each_by_its_name(tmp_path: Path) -> None:
    for name in ("one", "two"):
        write_events(tmp_path / "logs" / name, rows())
    (tmp_path / "logs" / "loop").symlink_to(tmp_path / "logs")
    runs = read_runs(tmp_path / "logs")
    assert [str(run["run"].values[0]) for run in runs] == ["one", "two"]


def test_wandb_offline_needs_no_login_and_carries_its_config(
    wandb_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("WANDB_API_KEY", raising=False)
    readings, _ = read_log(wandb_folder)
    run = readings[0].run
    assert str(run["run"].values[0]) == "one"
    assert known_of(run) == KNOWN | {"momentum": 0.9}
    assert readings[0].trainer == "TRL"
    assert run["kl_weight"].item() == 0 and "config/weight_decay" in readings[0].unused
    assert {readings[0].origins[name] for name in KNOWN} == {"the run's config"}
    stated = read_run(wandb_folder, hyperparameters={"group_size": 2})
    assert stated["group_size"].item() == 2


def test_wandb_folder_file_and_parent_are_the_same_run(wandb_folder: Path) -> None:
    for path in (next(wandb_folder.glob("*.wandb")), wandb_folder.parent, wandb_folder.parent.parent):
        assert read_run(path)["reward"].values[0].tolist() == REWARDS


def test_wandb_versions_of_trl_tell_the_spread(wandb_folder: Path, tmp_path: Path) -> None:
    for version, meaning in (("0.26.2", "within_group"), ("1.16.0", "batch")):
        copy = tmp_path / version / wandb_folder.name
        shutil.copytree(wandb_folder, copy)
        (copy / "files" / "requirements.txt").write_text(f"numpy==2.5.0\ntrl=={version}\n")
        assert read_run(copy)["reward_spread"].attrs["spread"] == meaning


def test_wandb_resumed_runs_in_several_folders(wandb_folder: Path, tmp_path: Path) -> None:
    """Two folders of one run id are one run; the second logs steps 9 to 12 again."""
    shutil.copytree(wandb_folder, tmp_path / "wandb" / "offline-run-20260101_000000-abc")
    later = [{"train/reward": 0.9, "train/global_step": s, "train/completions/mean_length": 4.0} for s in range(9, 16)]
    in_process(
        f"import wandb\nr = wandb.init(project='p', name='one', id='abc')\nfor row in {later!r}: r.log(row)\nr.finish()",
        tmp_path,
    )
    runs = read_runs(tmp_path / "wandb")
    assert len(runs) == 1
    assert runs[0]["optimizer_step"].values[0].tolist() == list(range(1, 16))
    assert runs[0]["reward"].values[0].tolist() == [*REWARDS[:8], *[0.9] * 7]


def test_wandb_damage_in_the_middle_keeps_what_came_before(wandb_folder: Path, tmp_path: Path) -> None:
    source = next(wandb_folder.glob("*.wandb"))
    content = bytearray(source.read_bytes())
    at = content.rfind(b"train/reward") - 200
    content[at] ^= 0xFF
    path = tmp_path / source.name
    path.write_bytes(content)
    run = read_run(path)
    assert 5 <= run.sizes["step"] < N
    assert run["reward"].values[0].tolist() == REWARDS[: run.sizes["step"]]
    assert "damaged record" in run["notes"].item()


def test_wandb_addresses_need_a_key(tmp_path: Path) -> None:
    """Without a key, and with a malformed address: one error, no prompt, no traceback."""
    environment = {k: v for k, v in os.environ.items() if not k.startswith("WANDB") and k != "NETRC"}
    environment |= {"HOME": str(tmp_path), "WANDB_SILENT": "true"}
    for address, said in (
        ("wandb:entity/project/run", "needs a key"),
        ("wandb:run", "expected wandb:ENTITY/PROJECT/RUN"),
    ):
        done = subprocess.run(
            [Path(sys.executable).parent / "bayes-grpo", "inspect", address],
            env=environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=60,
        )
        assert done.returncode == 2 and said in done.stderr and "Traceback" not in done.stderr


def test_wandb_api_runs_are_scanned_whole() -> None:
    """What the API's run object must offer: scan_history, not the sample that history() gives; a nested config."""
    from bayes_grpo.readers.formats import wandb_api
    from bayes_grpo.readers.log import Options
    from bayes_grpo.readers.understand_log import understand

    class Run:
        name, id = "far", "abc"

        def __init__(self) -> None:
            self.config = {"actor_rollout_ref": {"rollout": {"n": 8}}, "data": {"train_batch_size": 64}}

        def scan_history(self):
            return (
                {"_step": s, "critic/rewards/mean": s / 2000, "critic": {"score": {"mean": 0.1}}}
                for s in range(1, 1001)
            )

    log = wandb_api.log_of(Run(), "wandb:a/b/c")
    reading = understand("wandb:a/b/c", [log], log.label, Options(), {}, {})[0][0]
    assert reading.run.sizes["step"] == 1000 and reading.trainer == "verl"
    assert reading.run["group_size"].item() == 8
    assert "critic/score/mean" in reading.unused and "config/data/train_batch_size" in reading.unused


def test_trackio_runs_configs_and_text_values(tmp_path: Path) -> None:
    log = [
        {"train/reward": s / 100, "train/grad_norm": float("inf") if s == 3 else float("nan"), "train/global_step": s}
        for s in range(1, 11)
    ]
    in_process(
        f"import trackio\nfrom math import nan, inf\nfor name, size in (('a', 4), ('b', 16)):\n"
        f"    trackio.init(project='p', name=name, config={{'num_generations': size, 'adam_beta1': 0.5}})\n"
        f"    for row in {log!r}: trackio.log(row)\n    trackio.finish()",
        tmp_path,
    )
    run = read_run(next(tmp_path.glob("*.db")))
    assert run["run"].values.tolist() == ["a", "b"]
    assert run["group_size"].values.tolist() == [4, 16] and run["momentum"].values.tolist() == [0.5, 0.5]
    np.testing.assert_allclose(run["reward"].values, [[s / 100 for s in range(1, 11)]] * 2)
    assert "grad_norm" not in run


def test_trackio_locked_broken_and_foreign_databases(tmp_path: Path) -> None:
    foreign = tmp_path / "foreign.db"
    with sqlite3.connect(foreign) as database:
        database.execute("CREATE TABLE pages (x)")
        database.execute(
            "CREATE VIEW metrics AS WITH RECURSIVE t(n) AS (SELECT 1 UNION ALL SELECT n+1 FROM t) SELECT n FROM t"
        )
    database.close()
    with pytest.raises(InputError, match=r"expected a table of metrics of trackio or MLflow, found pages"):
        read_run(foreign)
    locked = tmp_path / "locked.db"
    writer = sqlite3.connect(locked, isolation_level=None)
    writer.execute("CREATE TABLE metrics (run_name TEXT, step INTEGER, metrics TEXT)")
    for step, reward in zip(STEPS, REWARDS, strict=True):
        writer.execute("INSERT INTO metrics VALUES ('r', ?, ?)", (step, json.dumps({"reward": reward})))
    writer.execute("BEGIN EXCLUSIVE")
    try:
        with pytest.raises(InputError, match=r"locked by a program that writes it; try again"):
            read_run(locked)
    finally:
        writer.execute("COMMIT")
        writer.close()
    assert read_run(locked)["reward"].values[0].tolist() == REWARDS


def test_trackio_is_read_while_it_is_written(tmp_path: Path) -> None:
    """A write-ahead log with rows that are not yet in the database itself."""
    path = trackio(tmp_path)
    writer = sqlite3.connect(path, isolation_level=None)
    writer.execute("PRAGMA wal_autocheckpoint = 0")
    columns = "run_id, timestamp, run_name, step, metrics"
    writer.execute(
        f"INSERT INTO metrics ({columns}) SELECT run_id, timestamp, run_name, 99, ? FROM metrics LIMIT 1",
        (json.dumps({"train/reward": 0.5, "train/global_step": N + 1}),),
    )
    run = read_run(path)
    writer.close()
    assert run.sizes["step"] == N + 1 and run["reward"].values[0][-1] == 0.5


def test_wandb_exports_wide_long_and_json(tmp_path: Path) -> None:
    names = ["first - train/reward", "second - train/reward"]
    header = ["Step", *(f"{name}{end}" for name in names for end in ("", "__MIN", "__MAX"))]
    lines = [",".join(f'"{name}"' for name in header)]
    for step, reward in zip(STEPS, REWARDS, strict=True):
        cells = [step, reward, reward, reward, *([1 - reward] * 3 if step > 4 else [""] * 3)]
        lines.append(",".join(f'"{cell}"' for cell in cells))
    wide = tmp_path / "wide.csv"
    wide.write_text("\n".join(lines))
    runs = read_runs(wide)
    assert [str(run["run"].values[0]) for run in runs] == ["first", "second"]
    assert runs[0]["reward"].values[0].tolist() == REWARDS
    assert runs[1]["optimizer_step"].values[0].tolist() == STEPS[4:]
    long = tmp_path / "long.csv"
    long.write_text(
        "run,_step,train/global_step,train/reward\n"
        + "".join(f"{name},{s - 1},{s},{r}\n" for name in ("x", "y") for s, r in zip(STEPS, REWARDS, strict=True))
    )
    assert read_run(long, run_column="run")["run"].values.tolist() == ["x", "y"]
    history = [{"_step": s - 1, "train/global_step": s, "train/reward": r} for s, r in zip(STEPS, REWARDS, strict=True)]
    forms = {
        "records": history,
        "columns": {k: {str(i): row[k] for i, row in enumerate(history)} for k in history[0]},
        "lists": {k: [row[k] for row in history] for k in history[0]},
        "split": {
            "columns": list(history[0]),
            "data": [list(row.values()) for row in history],
            "index": list(range(N)),
        },
        "wrapped": {"history": history, "config": {"num_generations": 4}},
    }
    for name, content in forms.items():
        path = tmp_path / f"{name}.json"
        path.write_text(json.dumps(content))
        run = read_run(path)
        assert run["optimizer_step"].values[0].tolist() == STEPS, name
        assert run["reward"].values[0].tolist() == REWARDS, name


def test_packages_that_are_missing_are_named(wandb_folder: Path, tmp_path: Path) -> None:
    """An import that fails: the extra is named, and formats that do not need it still work."""
    paths = [write_events(tmp_path / "tb", rows()), wandb_folder, tmp_path / "log.json"]
    paths[2].write_text(json.dumps(trl_rows()))
    code = (
        "import sys\n"
        "for name in ('tensorboard', 'wandb', 'pyarrow'): sys.modules[name] = None\n"
        "from bayes_grpo import read_run, InputError\n"
        "for path in sys.argv[1:]:\n"
        "    try: print(read_run(path).sizes['step'])\n"
        "    except InputError as error: print(error)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, *map(str, paths)], capture_output=True, text=True, check=True, timeout=60
    )
    events, wandb, plain = done.stdout.splitlines()
    assert "package tensorboard, which is missing: pip install 'bayes_grpo[trackers]'" in events
    assert "package wandb, which is missing" in wandb
    assert plain == str(N)
