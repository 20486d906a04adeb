"""What stands beside a training, killed at random moments: the watcher with its page, and TRL's recorder."""

import json
import multiprocessing
import os
import random
import signal
import subprocess
import sys
import threading
import time
import urllib.request
from contextlib import suppress
from pathlib import Path
from typing import Any

from bayes_grpo import read_run
from bayes_grpo.errors import InputError

#: Rows of the log when the watcher starts.
ROWS = 40
#: Steps of the last training of a log: fewer rows than five are no run for the reader.
LEAST = 8
#: Seconds after which a process that should have ended, or said something, is given up.
LIMIT = 3600


class Watched:
    """The watcher with its page, as a process: what it prints goes to a file."""

    def __init__(self, log: Path, out: Path, cache: Path, *more: str) -> None:
        code = "import sys; from bayes_grpo.cli import main; sys.exit(main())"
        options = ["--json", "--model", "exponential", "--every", "0.05", "--serve", *more]
        self.out = out
        with out.open("w") as file:
            self.process = subprocess.Popen(
                [sys.executable, "-c", code, "watch", str(log), *options], stdout=file, stderr=subprocess.PIPE,
                text=True, start_new_session=True, env=os.environ | {"JAX_COMPILATION_CACHE_DIR": str(cache)},
            )  # fmt: skip
        assert self.process.stderr is not None
        said = self.process.stderr.readline()
        self.url = said[said.index("http://") :].strip() if "http://" in said else ""
        self.fault = "" if self.url else said

    def kill(self) -> list[dict]:
        """Kill it; the lines that it printed, which are whole or raise ValueError."""
        with suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.communicate()
        text = self.out.read_text()
        if text and not text.endswith("\n"):
            raise ValueError(f"half a line: {text[-80:]!r}")
        return [json.loads(line) for line in text.splitlines()]


def watch(folder: Path, kills: int, rng: random.Random) -> list[str]:
    """Kill a watcher: its lines are whole, the log is as it was, and the next one says the same at the same port.

    Every tenth begins with an empty cache of compiled programs, so that kills fall into its writing; the next has the
    cache that it left, and is killed only when it has answered.
    """
    faults: list[str] = []
    log, out = folder / "run" / "log.csv", folder / "lines.jsonl"
    log.parent.mkdir()
    warm = Path(os.environ.get("JAX_COMPILATION_CACHE_DIR", folder / "warm"))
    port, whole, lines, answers, asked = "0", 0.0, 0, set(), 0
    for kill in range(-1, kills):  # the first is not hurried, to learn how long an answer takes
        log.write_text(log_text(ROWS))
        cold, unhurried = kill % 10 == 4, kill == -1 or kill % 10 == 5
        cache = folder / "cold" / str(kill // 10) if cold or (unhurried and kill > 0) else warm
        watcher = Watched(log, out, cache, "--port", port)
        if watcher.fault:
            faults.append(f"watch: {watcher.fault}")
            continue
        port = watcher.url.split(":")[2].split("/")[0]
        began = time.monotonic()
        if unhurried:
            asked += 1
            while not out.stat().st_size and time.monotonic() < began + LIMIT:
                time.sleep(0.01)
            whole = whole or time.monotonic() - began
        else:
            moment = rng.uniform(0, 1.4 * whole * (4 if cold else 1))
            time.sleep(moment / 2)
            with log.open("a") as file:
                file.write(log_text(2 * ROWS)[len(log_text(ROWS)) :])
            page = urllib.request.urlopen(watcher.url, timeout=LIMIT).read().decode()
            if not page.rstrip().endswith("</html>"):
                faults.append("watch: half a page")
            time.sleep(moment / 2)
        try:
            printed = watcher.kill()
        except ValueError as error:
            faults.append(f"watch: {error}")
            continue
        lines += len(printed)
        answers |= {(line["last_step"], json.dumps(line["plateau"])) for line in printed[:1]}
        if [path.name for path in log.parent.iterdir()] != ["log.csv"] or not log_text(2 * ROWS).startswith(
            log.read_text()
        ):
            faults.append("watch: the folder of the log was changed")
    if len(answers) != len({rows for rows, _ in answers}) or lines < asked:
        faults.append(f"watch: expected one answer to as many rows, found {sorted(answers)}")
    print(f"watch: {lines} whole lines, {len(answers)} different first answers", flush=True)
    return faults


def log_text(rows: int) -> str:
    """A log of so many rows; a longer one begins with a shorter."""
    noise = random.Random(0)
    rewards = [0.7 - 0.5 * 0.935**i + noise.gauss(0, 0.04) for i in range(rows)]
    return "step,reward\n" + "".join(f"{i},{reward:.4f}\n" for i, reward in enumerate(rewards, 1))


def train(folder: str, done: Any) -> None:
    """Train without end, recorded; ``done`` counts the steps that are finished."""
    os.environ |= {"HF_HUB_OFFLINE": "1", "CUDA_VISIBLE_DEVICES": "", "TOKENIZERS_PARALLELISM": "false"}
    from tqdm import tqdm
    from transformers import TrainerCallback

    from bayes_grpo.trl.recorder import record
    from case_studies.trl_lab.lab import Trial, build_trainer

    class Count(TrainerCallback):
        def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
            done.value = state.global_step

    tqdm.set_lock(threading.RLock())  # its own lock is a semaphore, which a killed process leaves behind
    sink = os.open(os.devnull, os.O_WRONLY)
    os.dup2(sink, 1)
    os.dup2(sink, 2)
    trainer = build_trainer(Trial(group_size=4), Path(folder), 100_000)
    record(trainer)
    trainer.add_callback(Count())
    trainer.train()


def record(folder: Path, kills: int, rng: random.Random) -> list[str]:
    """Kill trainings that are recorded: every finished step but the last has its row, and a log is continued."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["bayes_grpo.trl.recorder", "case_studies.trl_lab.lab"])
    faults: list[str] = []
    rows, in_training = 0, 0
    for kill in range(kills):
        place = folder / str(kill // 10)  # ten kills a log
        log = place / "bayes_grpo.jsonl"
        before = log.read_bytes() if log.exists() else b""
        done = context.Value("l", 0, lock=False)
        process = context.Process(target=train, args=(str(place), done))
        process.start()
        end = time.monotonic() + LIMIT
        enough = LEAST if kill % 10 == 9 or kill == kills - 1 else 1  # the last of a log can be read
        while process.is_alive() and done.value < enough and time.monotonic() < end:
            time.sleep(0.005)
            if enough == 1 and kill % 4 == 0 and rng.random() < 0.002:
                break  # before the first step is finished
        time.sleep(rng.uniform(0, 1))
        process.kill()
        process.join()
        in_training += done.value > 0
        fresh, found = _rows(log, before)
        faults += found
        rows += len(fresh)
        steps = [row["optimizer_step"] for row in fresh]
        if steps != list(range(1, len(steps) + 1)) or len(steps) < done.value - 1:
            faults.append(f"record: {done.value} steps were finished, and the log has {steps[:3]} ... {steps[-3:]}")
    for log in folder.glob("*/bayes_grpo.jsonl"):
        try:
            json.loads(log.with_suffix(".hyperparameters.json").read_text())
            read_run(log, appended="last")
        except (InputError, ValueError, OSError) as error:
            faults.append(f"record: {error}")
    if in_training < kills / 2:
        faults.append(f"record: only {in_training} kills fell into a training: the test shows nothing")
    print(f"record: {rows} rows, {in_training} kills in the middle of a training", flush=True)
    return faults


def _rows(log: Path, before: bytes) -> tuple[list[dict], list[str]]:
    """The rows behind those that were there, but for a last one that is cut off; and what is wrong."""
    after = log.read_bytes() if log.exists() else b""
    if not after.startswith(before):
        return [], [f"record: {log.name} has lost rows of an earlier training"]
    lines = after[len(before) :].split(b"\n")
    try:
        return [json.loads(line) for line in lines[:-1] if line], []
    except ValueError as error:
        return [], [f"record: {error}"]
