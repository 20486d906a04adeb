"""The laboratory: what one and two seeds would have concluded against what five show, and settings foretold.

``seeds`` compares all pairs of settings by one and by two seeds, against the difference of the means of all five.
``plan`` foretells every setting from three runs of the base setting.
"""

import argparse
import re
from itertools import combinations
from pathlib import Path

import numpy as np
import xarray as xr

import bayes_grpo
from bayes_grpo.inference.fit import light_fit
from bayes_grpo.inference.progress import use_compilation_cache
from case_studies.common.runs import LABORATORY
from case_studies.common.table import Table

BASE = "adamw-G8-K1-clip-beta0.9-lr0.001-kl0.4-w64"
#: Steps of the end of a run that are compared, and a difference that is called settled.
LATE, SETTLED = 240, 0.95


def laboratory() -> xr.Dataset:
    """All runs, with the bounds of their rewards."""
    runs = bayes_grpo.read_run(LABORATORY)
    count = runs.sizes["run"]
    return runs.assign(reward_lower=("run", np.zeros(count)), reward_upper=("run", np.ones(count)))


def settings(runs: xr.Dataset) -> list[str]:
    """Settings with five seeds."""
    return sorted({str(label).rpartition("-seed")[0] for label in runs["run"].values})


def late_rewards(runs: xr.Dataset, setting: str) -> np.ndarray:
    """Mean reward of the last fifth of the steps, for each seed."""
    chosen = runs.sel(run=[f"{setting}-seed{seed}" for seed in range(5)])
    means: np.ndarray = chosen["reward"].where(chosen["optimizer_step"] > LATE).mean("step").values
    return means


def compare_seeds(runs: xr.Dataset, table: Table) -> None:
    """All pairs of settings, by the first seed and by the first two, on the reward at the last step."""
    names = settings(runs)
    fits = {}
    for first, second in combinations(names, 2):
        for seeds in (1, 2):
            key = f"{first}|{second}|{seeds}"
            if next(table.missing([key]), None) is None:
                continue
            for name in (first, second):
                for seed in range(seeds):
                    if (name, seed) not in fits:
                        fits[name, seed] = light_fit(runs, run=f"{name}-seed{seed}", seed=seed)
            sides = {name: [fits[name, seed] for seed in range(seeds)] for name in (first, second)}
            result = bayes_grpo.contrast(sides, any_start=True, lengths=False)
            row = bayes_grpo.summarise_contrast(result, by="reward_at_step")["differences"]["reward_at_step"]
            five = [late_rewards(runs, name) for name in (first, second)]
            error = float(np.sqrt(sum(values.var(ddof=1) / 5 for values in five)))
            table.add(key, seeds, row["probability_better"], float(five[0].mean() - five[1].mean()), error)


def report_seeds(table: Table) -> None:
    """How often a conclusion was drawn, and how often five seeds bear it out."""
    for seeds in ("1", "2"):
        rows = [row for row in table.rows() if row["seeds"] == seeds]
        chance = np.array([float(row["better"]) for row in rows])
        gap = np.array([float(row["five"]) for row in rows])
        clear = np.abs(gap) > 2 * np.array([float(row["error"]) for row in rows])
        drawn = (chance > SETTLED) | (chance < 1 - SETTLED)
        right = (chance > 0.5) == (gap > 0)
        agree, wrong = drawn & right, drawn & clear & ~right
        print(f"{seeds} seeds: {len(rows)} pairs, {clear.sum()} of them clear by five seeds")
        print(f"  concluded in {drawn.sum()}, of which {agree.sum()} agree in sign with five seeds")
        print(f"  of the clear ones concluded {(drawn & clear).sum()}, wrongly {wrong.sum()}")
        print(f"  mean P of the side that five show better {np.where(gap > 0, chance, 1 - chance).mean():.3f}")


def foretell(runs: xr.Dataset, table: Table) -> None:
    """Every setting but the base, from the base's first three seeds and from the population."""
    names = [name for name in settings(runs) if name != BASE]
    fits = [light_fit(runs, run=f"{BASE}-seed{seed}") for seed in range(3)]
    for name in table.missing(names):
        found = re.match(r"adamw-G(\d+)-K(\d+)-(\w+)-beta[\d.]+-lr([\d.]+)", name)
        assert found is not None
        size, interval, clip, rate = found.groups()
        setting = bayes_grpo.PlannedRun(
            group_size=int(size),
            refresh_interval=int(interval),
            learning_rate=float(rate),
            clip_range=0.2 if clip == "clip" else 5.0,
            kl=0.4,
            wrong=0.2,
            right=0.8,
            prompts_per_step=16,
            steps=300,
        )
        seen, answers = float(late_rewards(runs, name).mean()), []
        for earlier in (fits, []):
            result = bayes_grpo.plan(1 / 11, setting, fits=earlier).isel(option=0)
            late = result["expected_reward"].values[:, result["steps"].values > LATE].mean(1)
            answers += [float(value) for value in np.quantile(late, [0.05, 0.5, 0.95])]
        table.add(name, seen, *answers)


def report_plan(table: Table) -> None:
    """How many lie inside, and the errors."""
    for kind in ("fits", "population"):
        inside, errors = 0, []
        for row in table.rows():
            seen, low, middle, high = (float(row[name]) for name in ("seen", *(f"{kind}_{q}" for q in "lmh")))
            inside += low < seen < high
            errors.append(abs(middle - seen))
            if kind == "fits" and not low < seen < high:
                print(f"  outside: {row['key']}: seen {seen:.3f}, foretold {middle:.3f} ({low:.3f} to {high:.3f})")
        print(f"{kind}: {inside} of {len(errors)} inside, median error {np.median(errors):.4f}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("part", choices=("seeds", "plan"))
    parser.add_argument("--out", type=Path, required=True)
    options = parser.parse_args()
    use_compilation_cache()
    runs = laboratory()
    if options.part == "seeds":
        table = Table(options.out / "seeds.csv", ("key", "seeds", "better", "five", "error"))
        compare_seeds(runs, table)
        report_seeds(table)
        return
    columns = ("key", "seen", "fits_l", "fits_m", "fits_h", "population_l", "population_m", "population_h")
    table = Table(options.out / "plan.csv", columns)
    foretell(runs, table)
    report_plan(table)


if __name__ == "__main__":
    main()
