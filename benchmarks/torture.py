"""Kill the package at random moments: is a file ever half, is anything lost that was finished?

``python -m benchmarks.torture --kills 100`` kills (SIGKILL) at random moments

- ``save``: a process that writes runs over an older file again and again; the file must always be whole;
- ``fit``: `bayes-grpo fit` over an older fit; the fit must be the old one or the new one, and load;
- ``batch``: `bayes-grpo batch`; rows that were on disk must be there when the same command has ended, unchanged;
- ``watch``: `bayes-grpo watch --serve --json` of a log that grows; lines must be whole, the page too, and the next
  watcher must say the same;
- ``record``: a TRL training with the recorder (the extra `train`); every finished step but the last must have its row.

It prints a line for each kind, and exits with 1 where something was lost. The seed makes the moments, not what the
machine does in them.
"""

import argparse
import contextlib
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path

import numpy as np

from bayes_grpo import make_run, read_run, save_runs
from bayes_grpo.errors import InputError
from benchmarks.torture_training import record, watch

COMMAND = [sys.executable, "-c", "import sys; from bayes_grpo.cli import main; sys.exit(main())"]
#: Rows of the runs that are written: some hundred kilobytes, so that a write takes a while.
ROWS = 20_000


def writer(path: Path) -> None:
    """Write two runs over each other until killed."""
    rewards = np.random.default_rng(0).random((2, ROWS))
    runs = [make_run("run", {"optimizer_step": np.arange(ROWS), "reward": reward}) for reward in rewards]
    while True:
        for run in runs:
            save_runs(run, path)


def save(folder: Path, kills: int, rng: random.Random) -> list[str]:
    """Kill a writer; what it leaves is a whole file."""
    path = folder / "runs.nc"
    faults: list[str] = []
    wholes: set[float] = set()
    code = f"from pathlib import Path; from benchmarks.torture import writer; writer(Path({str(path)!r}))"
    for _ in range(kills):
        before = path.stat().st_ino if path.exists() else 0
        with subprocess.Popen([sys.executable, "-c", code]) as running:
            while running.poll() is None and (not path.exists() or path.stat().st_ino == before):
                time.sleep(0.01)
            time.sleep(rng.uniform(0, 0.2))
            running.kill()
        try:
            wholes.add(float(read_run(path)["reward"].values[0, 0]))
        except InputError as error:
            faults.append(f"save: {error}")
    if len(wholes) < (2 if kills > 20 else 1):
        faults.append(f"save: expected both runs to be met, found {len(wholes)}: the test shows nothing")
    return faults


def write_log(path: Path, seed: int) -> Path:
    """A small log."""
    rng = np.random.default_rng(seed)
    reward = 0.7 - 0.5 * np.exp(-np.arange(40) / 15) + 0.04 * rng.normal(size=40)
    path.write_text("step,reward\n" + "".join(f"{i + 1},{value:.4f}\n" for i, value in enumerate(reward)))
    return path


def killed(arguments: list[str], folder: Path, seconds: float | None) -> None:
    """Run the command, and kill it with all its processes after some seconds; or let it end."""
    running = subprocess.Popen(
        [*COMMAND, *arguments], cwd=folder, start_new_session=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        running.wait(seconds)
    except subprocess.TimeoutExpired:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(running.pid, signal.SIGKILL)
        running.wait()


def longest(arguments: list[str], folder: Path) -> float:
    """Seconds that a command takes from beginning to end, its programs compiled."""
    killed(arguments, folder, None)
    began = time.monotonic()
    killed(arguments, folder, None)
    return time.monotonic() - began


def fit(folder: Path, kills: int, rng: random.Random) -> list[str]:
    """Kill a fit that replaces an older one."""
    from bayes_grpo import load_fit

    logs = [write_log(folder / f"log{i}.csv", i) for i in range(2)]
    arguments = [["fit", log.name, "--model", "exponential", "--draws", "50", "--out", "fit.nc"] for log in logs]
    whole, faults, runs = longest(arguments[0], folder), [], set()
    for kill in range(kills):
        # Half of the kills fall into the last fifth, where the file is written.
        killed(arguments[kill % 2], folder, rng.uniform(*rng.choice([(0, 0.8), (0.8, 1.05)])) * whole)
        try:
            runs.add(load_fit(folder / "fit.nc").attrs["run"])
        except InputError as error:
            faults.append(f"fit: {error}")
    left = {path.name for path in folder.iterdir() if not path.name.startswith(".")}
    return faults if left == {"log0.csv", "log1.csv", "fit.nc"} else [*faults, f"fit: left {left}"]


def batch(folder: Path, kills: int, rng: random.Random) -> list[str]:
    """Kill batches until each is done; rows that were on disk stay as they were."""
    from bayes_grpo.report.batch.table import Store

    faults, left, number = [], kills, 0
    whole = None
    while left > 0:
        number += 1
        place = folder / str(number)
        place.mkdir()
        logs = [write_log(place / f"log{i}.csv", i).name for i in range(12)]
        arguments = ["batch", *logs, "--out", "table", "--workers", "2", "--model", "exponential", "--draws", "50"]
        whole = whole or longest([*arguments[:-6], "--workers", "2", *arguments[-4:]], place)
        known: dict[str, dict] = {}
        if number == 1:
            continue  # this one was made to the end, to learn how long it takes
        for _ in range(min(left, 4)):
            left -= 1
            killed(arguments, place, rng.uniform(0.2, 1.0) * whole)
            try:
                now = Store(place / "table").finished()
            except InputError as error:
                faults.append(f"batch: {error}")
                continue
            faults += [f"batch: lost {key}" for key in known if now.get(key) != known[key]]
            known |= now
        killed(arguments, place, None)
        table = Store(place / "table").finished()
        faults += [f"batch: lost {key}" for key in known if table.get(key) != known[key]]
        if len(table) != len(logs):
            faults.append(f"batch: {len(table)} of {len(logs)} rows")
    return faults


KINDS: dict[str, Callable[[Path, int, random.Random], list[str]]] = {
    "save": save,
    "fit": fit,
    "batch": batch,
    "watch": watch,
    "record": record,
}


def main() -> int:
    """Torture; 1 where something was lost."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("kinds", nargs="*", default=list(KINDS), help=f"any of {', '.join(KINDS)} (default: all)")
    parser.add_argument("--kills", type=int, default=100, help="of each kind (default: 100)")
    parser.add_argument("--seed", type=int, default=0, help="default: 0")
    options = parser.parse_args()
    every = []
    for kind in options.kinds:
        if kind == "record" and find_spec("trl") is None:
            print("record: left out, the extra `train` is not installed", flush=True)
            continue
        with tempfile.TemporaryDirectory() as folder:
            faults = KINDS[kind](Path(folder), options.kills, random.Random(options.seed))
        print(f"{kind}: {options.kills} kills, {len(faults)} faults", flush=True)
        every += faults
    for fault in every:
        print(fault, file=sys.stderr)
    return 1 if every else 0


if __name__ == "__main__":
    sys.exit(main())
