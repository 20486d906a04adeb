"""Regret of chosen evaluations against evaluating all checkpoints: simulated runs, and public runs with both curves.

Of simulated runs the true evaluation curve is known. Of public runs the logged evaluations stand for it: they are
withheld, and given one by one where they are asked for. Regret is then against the highest logged value, itself a noisy
one, so that it is overstated for all ways alike.
"""

import argparse
from pathlib import Path

import numpy as np
import xarray as xr

import bayes_grpo
from bayes_grpo.inference.progress import use_compilation_cache
from case_studies.common.runs import runs
from case_studies.common.table import Table

STEPS, EVERY, NOISE = np.arange(1, 101), 5, 0.02
COLUMNS = ("key", "budget", "checkpoints", "chosen", "even", "last", "all")


def simulated(seed: int) -> tuple[xr.Dataset, np.ndarray, np.ndarray]:
    """A run, the true evaluation curve and its noisy values at the checkpoints; half of the runs fall at the end."""
    rng = np.random.default_rng(seed)
    rise = rng.uniform(0.1, 0.5) * (1 - np.exp(-STEPS / rng.uniform(5, 60)))
    fall = rng.uniform(0, 0.3) / (1 + np.exp(-(STEPS - rng.uniform(50, 90)) / 6)) if seed % 2 else 0.0
    expected = 0.3 + rise - fall
    covariance = 0.03**2 * np.exp(-np.abs(STEPS[:, None] - STEPS) / 50)
    truth = expected - 0.1 + rng.multivariate_normal(np.zeros(STEPS.size), covariance)
    facts = {"group_size": 8, "logging_window": 1, "planned_steps": 100, "reward_lower": 0, "reward_upper": 1}
    rewards = np.clip(expected + 0.05 * rng.normal(size=STEPS.size), 0, 1)
    run = bayes_grpo.make_run("run", {"optimizer_step": STEPS, "reward": rewards}, facts)
    at = truth[EVERY - 1 :: EVERY]
    return run, at, at + NOISE * rng.normal(size=at.size)


def regrets(
    run: xr.Dataset, steps: np.ndarray, truth: np.ndarray, seen: np.ndarray, budget: int, noise: float
) -> tuple[float, float, float, float]:
    """How far below the best one ends: with chosen evaluations, even ones, the last checkpoint, all evaluated."""
    first = bayes_grpo.checkpoint(run, steps=steps.tolist(), noise=noise, evaluate=budget)
    places = [int(np.abs(steps - step).argmin()) for step in first["next_step"].values]
    values = {float(steps[place]): float(seen[place]) for place in places}
    after = bayes_grpo.checkpoint(run, steps=steps.tolist(), noise=noise, evaluated=values)
    best = bayes_grpo.summarise_checkpoint(after)["best"]
    even = np.linspace(0, steps.size - 1, budget + 1).round().astype(int)[1:]
    chosen = (int(np.abs(steps - best).argmin()), int(even[seen[even].argmax()]), -1, int(seen.argmax()))
    a, b, c, d = (float(truth.max() - truth[place]) for place in chosen)
    return a, b, c, d


def public(folder: Path, table: Table, budget: int) -> None:
    """Public runs with eight evaluations or more."""
    for label, dataset, name in runs(folder):
        if "evaluation_reward" not in dataset or next(table.missing([f"{label}:{budget}"]), None) is None:
            continue
        single = dataset.sel(run=[name])
        values, steps = (single[key].values[0] for key in ("evaluation_reward", "optimizer_step"))
        there = np.isfinite(values)
        steps, first = np.unique(steps[there], return_index=True)
        values = values[there][first]
        logged = single["optimizer_step"].values[0][np.isfinite(single["reward"].values[0])]
        inside = (steps >= logged[0]) & (steps <= logged[-1])
        steps, values = steps[inside], values[inside]
        if steps.size < max(8, 2 * budget) or np.ptp(values) == 0:
            continue
        noise = max(float(np.sqrt(np.mean(np.diff(values) ** 2) / 2)), 0.005)
        without = single.drop_vars("evaluation_reward")
        try:
            answer = regrets(without, steps, values, values, budget, noise)
        except bayes_grpo.InputError as error:
            print(f"{label}: {error.faults[0][:80]}")
            continue
        table.add(f"{label}:{budget}", budget, int(steps.size), *answer)


def report(table: Table) -> None:
    """Mean regrets, by budget."""
    for budget in sorted({row["budget"] for row in table.rows()}):
        rows = [row for row in table.rows() if row["budget"] == budget]
        parts = []
        for name in COLUMNS[3:]:
            values = np.array([float(row[name]) for row in rows])
            parts.append(f"{name} {values.mean():.4f} ({values.std(ddof=1) / np.sqrt(values.size):.4f})")
        count = np.median([int(row["checkpoints"]) for row in rows])
        print(f"{len(rows)} runs, {budget} of {count:g} evaluations, mean regret (error): {', '.join(parts)}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--runs", type=int, default=200, help="simulated runs")
    parser.add_argument("--data", type=Path, help="a folder of public runs")
    options = parser.parse_args()
    use_compilation_cache()
    table = Table(options.out / "simulated.csv", COLUMNS)
    steps = STEPS[EVERY - 1 :: EVERY].astype(float)
    for key in table.missing([f"{seed}:{budget}" for seed in range(options.runs) for budget in (2, 4, 8)]):
        seed, budget = map(int, key.split(":"))
        run, truth, seen = simulated(seed)
        table.add(key, budget, steps.size, *regrets(run, steps, truth, seen, budget, NOISE))
    report(table)
    if options.data is not None:
        table = Table(options.out / "public.csv", COLUMNS)
        for budget in (2, 4):
            public(options.data, table, budget)
        report(table)


if __name__ == "__main__":
    main()
