"""One real file of every format, each holding the same short run; written with the formats' own packages.

`EXAMPLES` maps each module of `bayes_grpo.readers.formats` to a function that writes its example into a folder and
returns the path. A new format needs one here: the contract test says so.
"""

import json
import os
import sqlite3
import struct
import subprocess
import sys
import zlib
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import numpy as np

from bayes_grpo import make_run, save_runs

N = 12
STEPS = list(range(1, N + 1))
REWARDS = [round(0.1 + 0.05 * i + 0.01 * (i % 3), 3) for i in range(N)]
RATES = [1e-6 * (1 - i / 20) for i in range(N)]


def trl_rows() -> list[dict]:
    return [
        {"step": s, "reward": r, "reward_std": 0.3, "learning_rate": lr, "completions/mean_length": 5.0, "loss": 0.1}
        for s, r, lr in zip(STEPS, REWARDS, RATES, strict=True)
    ]


def verl_rows() -> list[dict]:
    return [
        {"critic/rewards/mean": r, "actor/lr": lr, "actor/pg_loss": 0.1, "response_length/mean": 5.0}
        for r, lr in zip(REWARDS, RATES, strict=True)
    ]


def in_process(code: str, folder: Path, **environment: str) -> None:
    """Run Python elsewhere, so that a tracker's threads, hooks and warnings stay out of the tests."""
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", code],
        cwd=folder,
        env=os.environ | {"WANDB_MODE": "offline", "WANDB_SILENT": "true", "TRACKIO_DIR": str(folder)} | environment,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr[-2000:]


#: Code that gives the most memory a process has held, in MB; resource's figure is inherited from the parent.
PEAK = (
    "import pathlib, re, resource\n"
    "def peak():\n"
    "    status = pathlib.Path('/proc/self/status')\n"
    "    if status.exists(): return int(re.search(r'VmHWM:\\s+(\\d+)', status.read_text())[1]) // 1024\n"
    "    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024\n"
)


def own(folder: Path) -> Path:
    run = make_run("own", {"optimizer_step": STEPS, "reward": REWARDS, "learning_rate": RATES})
    return save_runs(run, folder / "run.nc")


def recorder(folder: Path) -> Path:
    rows = [
        {"optimizer_step": s, "reward": r, "learning_rate": lr} for s, r, lr in zip(STEPS, REWARDS, RATES, strict=True)
    ]
    (folder / "bayes_grpo.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    (folder / "bayes_grpo.hyperparameters.json").write_text('{"group_size": 4, "spread": "within_group"}')
    return folder


def trainer_state(folder: Path) -> Path:
    path = folder / "trainer_state.json"
    path.write_text(json.dumps({"log_history": trl_rows(), "max_steps": 50, "global_step": N}, indent=2))
    return path


def completions(folder: Path) -> Path:
    """Batches of 8 prompts x 4 completions whose mean rewards are those of the run."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    (folder / "completions").mkdir()
    for step, reward in zip(STEPS, REWARDS, strict=True):
        offsets = np.linspace(-0.1, 0.1, 4)
        table = {
            "step": [step] * 32,
            "prompt": [f"prompt {step} {i // 4}" for i in range(32)],
            "completion": ["x"] * 32,
            "accuracy": [reward + offsets[i % 4] for i in range(32)],
            "advantage": [float(offsets[i % 4]) for i in range(32)],
        }
        pq.write_table(pa.table(table), folder / "completions" / f"completions_{step:05d}.parquet")
    return folder / "completions"


def trackio(folder: Path) -> Path:
    rows = [
        {f"train/{k}": v for k, v in row.items() if k != "step"} | {"train/global_step": row["step"]}
        for row in trl_rows()
    ]
    in_process(
        f"import trackio\nr = trackio.init(project='p', name='one', config={{'num_generations': 8}})\n"
        f"for row in {rows!r}: trackio.log(row)\ntrackio.finish()",
        folder,
    )
    return next(folder.glob("*.db"))


def wandb_run(folder: Path) -> Path:
    rows = [
        {f"train/{k}": v for k, v in row.items() if k != "step"} | {"train/global_step": row["step"]}
        for row in trl_rows()
    ]
    config = {
        "num_generations": 8,
        "adam_beta1": 0.9,
        "gradient_accumulation_steps": 4,
        "steps_per_generation": 8,
        "generation_batch_size": 256,
        "num_iterations": 2,
        "max_steps": 50,
        "logging_steps": 1,
        "beta": 0.0,
        "weight_decay": 0.1,
    }
    in_process(
        f"import wandb\nr = wandb.init(project='p', name='one', id='abc', config={config!r})\n"
        f"for row in {rows!r}: r.log(row | {{'h': wandb.Histogram([1, 2])}})\nr.finish()",
        folder,
    )
    return next(folder.glob("wandb/offline-run-*"))


def tfevents(folder: Path) -> Path:
    write_events(folder / "events", [(row.pop("step"), row) for row in trl_rows()])
    return folder / "events"


def write_events(
    folder: Path, rows: list[tuple[int, dict[str, float]]], text: dict[str, str] | None = None, suffix: str = ""
) -> Path:
    """Scalars with TensorBoard's own writer, one event each."""
    from tensorboard.compat.proto.event_pb2 import Event
    from tensorboard.compat.proto.summary_pb2 import Summary, SummaryMetadata
    from tensorboard.compat.proto.tensor_pb2 import TensorProto
    from tensorboard.summary.writer.event_file_writer import EventFileWriter

    writer = EventFileWriter(str(folder), filename_suffix=suffix)
    for tag, content in (text or {}).items():
        metadata = SummaryMetadata(plugin_data=SummaryMetadata.PluginData(plugin_name="text"))
        value = Summary.Value(
            tag=f"{tag}/text_summary", tensor=TensorProto(dtype=7, string_val=[content.encode()]), metadata=metadata
        )
        writer.add_event(Event(wall_time=0.0, step=0, summary=Summary(value=[value])))
    for step, row in rows:
        for tag, number in row.items():
            name = tag if "/" in tag else f"train/{tag}"
            writer.add_event(
                Event(
                    wall_time=float(step),
                    step=step,
                    summary=Summary(value=[Summary.Value(tag=name, simple_value=number)]),
                )
            )
    writer.close()
    return folder


def notebook(folder: Path) -> Path:
    names = ("Step", "Training Loss", "reward", "reward_std", "completions / mean_length")
    rows = "".join(
        f"<tr><td>{s}</td><td>0.1</td><td>{r}</td><td>0.3</td><td>5.0</td></tr>"
        for s, r in zip(STEPS, REWARDS, strict=True)
    )
    head = "".join(f"<th>{name}</th>" for name in names)
    html = f"<div><progress value='12'></progress></div><table border='1'><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table>"
    cell = {
        "cell_type": "code",
        "source": [],
        "outputs": [{"output_type": "display_data", "data": {"text/html": [html]}}],
    }
    path = folder / "train.ipynb"
    path.write_text(json.dumps({"cells": [cell], "nbformat": 4, "nbformat_minor": 5, "metadata": {}}))
    return path


def console(folder: Path) -> Path:
    """As verl prints, through Ray and with colours."""
    lines = ["\x1b[32mloading\x1b[0m the model", "{'not': a dict"]
    for step, row in zip(STEPS, verl_rows(), strict=True):
        cells = " - ".join(f"{k}:np.float64({v!r})" if "rewards" in k else f"{k}:{v!r}" for k, v in row.items())
        lines.append(f"\x1b[36m(TaskRunner pid=12)\x1b[0m step:{step} - {cells}")
        lines.append(f"Training Progress: {step}%|\u2588   | {step}/50 [00:01<00:10, 1.0s/it]")
    path = folder / "console.log"
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def twinkle(folder: Path) -> Path:
    events: list[dict] = []
    for step, (reward, rate) in enumerate(zip(REWARDS, RATES, strict=True), 1):
        common = {"ts": float(step), "partition_id": f"train_{step}", "policy_version": step - 1}
        for spread in (0.3, 0.5):
            metrics = {
                "group_count": 1,
                "group_reward_std_mean": spread,
                "zero_advantage_group_ratio": 0.0,
                "sample_count": 4,
            }
            events.append({**common, "event": "advantage_done", "phase": "advantage", "metrics": metrics})
        rollout = {
            **common,
            "event": "rollout_partition_done",
            "phase": "rollout",
            "metrics": {"completion_length_mean": 5.0},
        }
        trained = {
            "reward": reward,
            "learning rate(param group 1)": f"{rate:.9e}",
            "optimizer_step": step,
            "policy_version_gap_mean": 1.0,
        }
        train = {**common, "event": "train_step_done", "phase": "train", "metrics": trained}
        events += [train, rollout] if step % 2 else [rollout, train]
    path = folder / "metrics.jsonl"
    path.write_text("".join(json.dumps(event) + "\n" for event in events))
    return path


def jsonl(folder: Path) -> Path:
    path = folder / "verl.jsonl"
    path.write_text(
        "".join(json.dumps({"step": s, "data": row}) + "\n" for s, row in zip(STEPS, verl_rows(), strict=True))
    )
    return path


def json_rows(folder: Path) -> Path:
    path = folder / "history.json"
    path.write_text(json.dumps(trl_rows()))
    return path


def wandb_table(folder: Path) -> Path:
    name = "my - run - train/reward"
    lines = [f'"Step","{name}","{name}__MIN","{name}__MAX"']
    lines += [f'"{s}","{r}","{r}","{r}"' for s, r in zip(STEPS, REWARDS, strict=True)]
    path = folder / "panel.csv"
    path.write_text("\n".join(lines) + "\n")
    return path


def table(folder: Path) -> Path:
    path = folder / "log.csv"
    path.write_text(
        "step,reward,lr\n" + "".join(f"{s},{r},{lr}\n" for s, r, lr in zip(STEPS, REWARDS, RATES, strict=True))
    )
    return path


def mlflow(folder: Path) -> Path:
    """The tables of MLflow's SQLite store that hold metrics, as its migrations lay them out."""
    path = folder / "mlflow.db"
    with closing(sqlite3.connect(path)) as database, database:
        database.execute(
            "CREATE TABLE metrics (key VARCHAR(250), value FLOAT, timestamp BIGINT, run_uuid VARCHAR(32), step BIGINT, is_nan BOOLEAN)"
        )
        database.execute("CREATE TABLE params (key VARCHAR(250), value VARCHAR(8000), run_uuid VARCHAR(32))")
        database.execute("CREATE TABLE runs (run_uuid VARCHAR(32), name VARCHAR(250))")
        database.execute("INSERT INTO runs VALUES ('u1', 'one')")
        database.execute("INSERT INTO params VALUES ('num_generations', '8', 'u1')")
        for row in trl_rows():
            step = row.pop("step")
            for key, value in row.items():
                database.execute(
                    "INSERT INTO metrics VALUES (?, ?, ?, 'u1', ?, 0)", (key, value, 1_700_000_000_000 + step, step)
                )
    return path


def write_swanlab(folder: Path, rows: list[dict], config: str = "") -> Path:
    """A run's folder of SwanLab 0.10: records in LevelDB's log format, the messages put together by hand."""

    def varint(value: int) -> bytes:
        out = b""
        while value > 127:
            out, value = out + bytes([value & 127 | 128]), value >> 7
        return out + bytes([value])

    def field(number: int, content: int | float | bytes) -> bytes:
        if isinstance(content, float):
            return varint(number << 3 | 1) + struct.pack("<d", content)
        if isinstance(content, int):
            return varint(number << 3) + varint(content)
        return varint(number << 3 | 2) + varint(len(content)) + content

    payloads = [field(1, 1) + field(10, field(1, b"project") + field(4, b"one") + field(10, b"r1"))]
    for row in rows:
        for key, value in row.items():
            if key != "step":
                scalar = field(1, key.encode()) + field(2, row["step"]) + field(5, field(1, float(value)))
                payloads.append(field(1, len(payloads)) + field(13, scalar))
    file = bytearray(b":SWL\xd6\xe1\x02")
    for payload in payloads:
        begin = True
        while begin or payload:
            left = 32768 - len(file) % 32768
            if left < 7:
                file += bytes(left)
                continue
            part, payload = payload[: left - 7], payload[left - 7 :]
            kind = 1 if begin and not payload else 2 if begin else 3 if payload else 4
            crc = zlib.crc32(part, zlib.crc32(bytes([kind])))
            file += struct.pack("<IHB", crc, len(part), kind) + part
            begin = False
    run = folder / "swanlog" / "run-20261126_105341-r1"
    (run / "files").mkdir(parents=True)
    (run / "run-r1.swanlab").write_bytes(bytes(file))
    (run / "files" / "config.yaml").write_text(config or "num_generations:\n  desc: ''\n  sort: 0\n  value: 8\n")
    return run


def swanlab(folder: Path) -> Path:
    return write_swanlab(folder, trl_rows())


def clearml(folder: Path) -> Path:
    rows = trl_rows()
    series = {
        key: {"name": key, "x": [row["step"] for row in rows], "y": [row[key] for row in rows]}
        for key in rows[0]
        if key != "step"
    }
    path = folder / "scalars.json"
    path.write_text(json.dumps({"train": series}))
    return path


def markdown(folder: Path) -> Path:
    path = folder / "issue.md"
    lines = ["I train with GRPO, and see this:", "", "| Step | reward | learning_rate |", "|---:|:--|--|"]
    lines += [f"| {s} | **{r}** | {lr} |" for s, r, lr in zip(STEPS, REWARDS, RATES, strict=True)]
    path.write_text("\n".join([*lines, "", "Is that normal?"]))
    return path


def pasted(folder: Path) -> Path:
    path = folder / "issue.txt"
    lines = ["[12/500 1:00:00, Epoch 1/1]", "Step\treward\tlearning_rate"]
    lines += [f"{s}\t{r}\t{lr}" for s, r, lr in zip(STEPS, REWARDS, RATES, strict=True)]
    path.write_text("\n".join([*lines, "", "Is that normal?"]))
    return path


def html(folder: Path) -> Path:
    path = folder / "table.html"
    rows = [("step", "reward", "learning_rate"), *zip(STEPS, REWARDS, RATES, strict=True)]
    path.write_text(
        "<table>" + "".join(f"<tr>{''.join(f'<td>{c}</td>' for c in row)}</tr>" for row in rows) + "</table>"
    )
    return path


def tidy(folder: Path) -> Path:
    path = folder / "export.csv"
    rows = [f"{key},{row['step']},{row[key]}" for key in ("reward", "learning_rate") for row in trl_rows()]
    path.write_text("metric,step,value\n" + "\n".join(rows) + "\n")
    return path


EXAMPLES: dict[str, Callable[[Path], Path]] = {
    "own": own,
    "recorder": recorder,
    "trainer_state": trainer_state,
    "completions": completions,
    "trackio": trackio,
    "wandb_run": wandb_run,
    "tfevents": tfevents,
    "mlflow": mlflow,
    "swanlab": swanlab,
    "clearml": clearml,
    "markdown": markdown,
    "pasted": pasted,
    "html": html,
    "tidy": tidy,
    "notebook": notebook,
    "console": console,
    "twinkle": twinkle,
    "jsonl": jsonl,
    "json_rows": json_rows,
    "wandb_table": wandb_table,
    "table": table,
}

#: Formats that are no files.
NO_FILES = {"wandb_api"}
