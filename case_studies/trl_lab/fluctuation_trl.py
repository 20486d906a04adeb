"""Long runs of the real GRPOTrainer at G = 8 and 64 under SGD and AdamW: the twin's fluctuation, confirmed or not.

Resumable: a finished run is not made again. ``--workers`` runs side by side, seed by seed; no run is begun after
``--minutes``. Needs the extra `train`.
"""

import argparse
import csv
import os
import shutil
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

import numpy as np

from case_studies.trl_lab.lab import Trial, build_trainer
from case_studies.trl_lab.moments import moments_of

SIZES = (8, 64)
RATES = {"sgd": 2e-3, "adamw_torch": 1e-3}  # both with momentum 0.9, as `fluctuation_twin.RATES`
UPDATES, SETTLED = 3_000, 1_000
SEEDS = range(12)
FOLDER = Path(__file__).parent


def trials() -> list[Trial]:
    """All runs, seed by seed, the slow ones of a seed first."""
    return [
        Trial(group_size=size, optimizer=optimizer, learning_rate=rate, prompts=4, updates=UPDATES, seed=seed)
        for seed in SEEDS
        for size in sorted(SIZES, reverse=True)
        for optimizer, rate in RATES.items()
    ]


def make(trial: Trial, root: Path, until: float) -> str:
    """Train and keep the path of the expected reward, unless that is done or the time is up."""
    from transformers import TrainerCallback

    kept = root / f"{trial.name}.npy"
    if kept.exists() or time.time() > until:
        return f"{trial.name}: {'there' if kept.exists() else 'not begun'}"
    path: list[float] = []

    class KeepPath(TrainerCallback):
        def on_log(self, args, state, control, logs=None, **_):
            if "expected_reward" in (logs or {}):
                path.append(float(logs["expected_reward"]))

    began = time.perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        trainer = build_trainer(trial, Path(folder), trial.updates)
        trainer.add_callback(KeepPath())
        trainer.train()
        shutil.rmtree(folder, ignore_errors=True)
    with kept.with_suffix(".part").open("wb") as file:
        np.save(file, np.array(path, np.float32))
    os.replace(kept.with_suffix(".part"), kept)
    return f"{trial.name}: {1e3 * (time.perf_counter() - began) / trial.updates:.0f} ms an update"


def collect(root: Path, out: Path) -> None:
    """The table of all finished runs."""
    rows = []
    for trial in trials():
        kept = root / f"{trial.name}.npy"
        if kept.exists():
            row = {"optimizer": trial.optimizer, "momentum": trial.momentum, "group_size": trial.group_size}
            rows.append(row | {"seed": trial.seed} | moments_of(np.load(kept)[SETTLED:].astype(float)))
    with out.open("w", newline="", encoding="utf-8") as file:
        table = csv.DictWriter(file, list(rows[0]), lineterminator="\n")
        table.writeheader()
        table.writerows({k: f"{v:.5g}" if isinstance(v, float) else v for k, v in row.items()} for row in rows)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=Path, default=Path("fluctuation_runs"), help="folder for the runs")
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--minutes", type=float, default=1e6)
    parser.add_argument("--out", type=Path, default=FOLDER / "compared" / "fluctuation.csv")
    options = parser.parse_args()
    options.runs.mkdir(parents=True, exist_ok=True)
    until = time.time() + 60 * options.minutes
    with ProcessPoolExecutor(options.workers, mp_context=get_context("spawn")) as pool:
        for future in [pool.submit(make, trial, options.runs, until) for trial in trials()]:
            print(future.result(), flush=True)
    collect(options.runs, options.out)


if __name__ == "__main__":
    main()
