"""What a fit costs against the number of rows of a run, and a batch against the number of runs.

Rows: one run of each length, importance sampling, processor seconds of draws (warm) and the memory of the process.
Runs: `bayes_grpo.batch` on simulated logs with each engine and number of workers, by the clock and the processors.

    python -m benchmarks.scale --rows 100 1000 10000 100000 --runs 10 100 1000 --figure benchmarks/scale.png
"""

import argparse
import json
import resource
import tempfile
import time
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np

import bayes_grpo
from bayes_grpo.inference.layout import prepare
from bayes_grpo.inference.posterior import draw_posterior
from bayes_grpo.inference.progress import use_compilation_cache
from bayes_grpo.inference.sampler_settings import Sampler
from bayes_grpo.report.batch.engines.choose import ENGINES
from benchmarks.posterior import memory, simulated


def cost_of_rows(model: str, rows: int) -> dict[str, float]:
    """Processor seconds of a warm fit's draws."""
    spec = bayes_grpo.load_model(model)
    prepared = prepare(simulated(rows, 0), spec)
    seconds = []
    for seed in range(3):
        began = time.process_time()
        draw_posterior(spec, prepared, Sampler("importance", seed=seed))
        seconds.append(time.process_time() - began)
    return {"rows": rows, "seconds": float(np.median(seconds[1:])), "memory_mb": memory()}


def write_logs(folder: Path, count: int) -> None:
    """Logs of 200 to 500 rows, CSV."""
    rng = np.random.default_rng(0)
    for i in range(count):
        rows = int(rng.integers(200, 501))
        steps = np.arange(1, rows + 1)
        rise = 1 - np.exp(-steps * 5 / rows * rng.uniform(0.5, 2))
        reward = rng.uniform(0.1, 0.3) + rng.uniform(0.2, 0.5) * rise + rng.normal(0, 0.05, rows)
        lines = [f"{step},{value:.4f}" for step, value in zip(steps, reward.clip(0, 1), strict=True)]
        (folder / f"run{i:05}.csv").write_text("\n".join(["step,reward", *lines]) + "\n", encoding="utf-8")


def cost_of_runs(model: str, count: int, workers: int, engine: str) -> dict[str, Any]:
    """Seconds of a batch, by the clock and, where its workers are children of this process, of the processors."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "logs").mkdir()
        write_logs(folder / "logs", count)
        began, before = time.perf_counter(), _children()
        settings = {"group_size": 8, "prompts_per_step": 16, "reward_lower": 0, "reward_upper": 1}
        table = bayes_grpo.batch(
            [folder / "logs"],
            folder / "out",
            model=model,
            engine=engine,
            workers=workers,
            reading={"hyperparameters": settings},
        )
        clock = time.perf_counter() - began
        peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024
    assert len(table) == count and not table["error"].notna().any()
    return {
        "engine": engine,
        "runs": count,
        "workers": workers,
        "seconds": clock,
        "processor_seconds": _children() - before,
        "fallback": float((table["method"] == "nuts").mean()),
        "worker_mb": peak,
    }


def _children() -> float:
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime + time.process_time()


def plot(rows: list[dict[str, float]], runs: list[dict[str, Any]], path: Path) -> None:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(8.5, 3.2), layout="constrained")
    left, right = figure.subplots(1, 2)
    if rows:
        left.loglog([row["rows"] for row in rows], [row["seconds"] for row in rows], "o-")
    left.set(xlabel="rows of the run", ylabel="processor seconds of a fit")
    for engine, workers in sorted({(row["engine"], row["workers"]) for row in runs}):
        mine = [row for row in runs if (row["engine"], row["workers"]) == (engine, workers)]
        label = f"{engine}, {workers} worker{'s' if workers > 1 else ''}"
        right.loglog([row["runs"] for row in mine], [row["seconds"] for row in mine], "o-", label=label)
    right.set(xlabel="runs", ylabel="seconds of the batch")
    if runs:
        right.legend(frameon=False)
    figure.savefig(path, dpi=100)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", default="overdamped")
    parser.add_argument("--rows", type=int, nargs="*", default=[100, 1000, 10000])
    parser.add_argument("--runs", type=int, nargs="*", default=[10, 100])
    parser.add_argument("--workers", type=int, nargs="*", default=[1, 2])
    parser.add_argument("--engines", nargs="*", default=["local"], choices=ENGINES)
    parser.add_argument("--figure", type=Path)
    options = parser.parse_args()
    use_compilation_cache()
    by_rows, by_runs = [], []
    for rows in options.rows:
        by_rows.append(cost_of_rows(options.model, rows))
        print(json.dumps(by_rows[-1]), flush=True)
    for engine, workers, count in product(options.engines, options.workers, options.runs):
        by_runs.append(cost_of_runs(options.model, count, workers, engine))
        print(json.dumps(by_runs[-1]), flush=True)
    if options.figure:
        plot(by_rows, by_runs, options.figure)


if __name__ == "__main__":
    main()
