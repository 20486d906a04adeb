"""What `threshold` says of other refresh intervals from one run, beside what those intervals then gave.

``python -m case_studies.trl_lab.other_intervals`` fits five seeds of one refresh interval of each family of settings,
with all stated that a user can state, and compares with the family's other refresh intervals.
"""

import csv
from dataclasses import replace
from pathlib import Path

import xarray as xr

import bayes_grpo
from bayes_grpo.analysis.stability.reuse_summary import reuse_summary
from bayes_grpo.inference.progress import use_compilation_cache
from case_studies.trl_lab.compare import FOLDER, by_name
from case_studies.trl_lab.lab import Trial
from case_studies.trl_lab.law_error import reference
from case_studies.trl_lab.laws import BOUNDS
from case_studies.trl_lab.sweeps import SWEEPS

#: Family: the sweep that has it, the trial that is fitted, and the laws that are fitted.
FAMILIES = {
    "AdamW": ("reuse", SWEEPS["reuse"][1], ("oscillator", "balance_overdamped")),
    "SGD": ("sgd", SWEEPS["sgd"][1], ("oscillator",)),
    "second task": ("graded", SWEEPS["graded"][8], ("oscillator",)),
    "second task from K = 8": ("graded", SWEEPS["graded"][9], ("oscillator",)),
}
COLUMNS = (
    "family",
    "model",
    "seed",
    "limit",
    "limit_lower",
    "limit_upper",
    "own",
    "K",
    "called",
    "lower",
    "upper",
    "trl",
)


def measured(sweep: str, fitted: Trial) -> dict[int, float]:
    """What each refresh interval of the same family gave: settings that differ from the fitted one in nothing else."""
    table = by_name(FOLDER / "compared" / f"{sweep}.csv")
    alike = [
        t
        for t in SWEEPS[sweep]
        if replace(t, refresh_interval=1, updates=1) == replace(fitted, refresh_interval=1, updates=1)
    ]
    return {t.refresh_interval: float(table[t.name.replace("-seed0", "")]["trl"]) for t in alike}


def stated(run: xr.Dataset, trial: Trial) -> xr.Dataset:
    """The run with what its user knows."""
    known = {
        "kl_weight": trial.kl,
        "reference_reward": trial.error + (1 - 2 * trial.error) * reference(trial),
        "wrong_reward": trial.error,
        "right_reward": 1 - trial.error,
        "clip_range": trial.clip,
    }
    return run.assign({name: ("run", [value]) for name, value in (known | BOUNDS).items()})


def main() -> None:
    use_compilation_cache()
    laboratories = [bayes_grpo.read_run(FOLDER / name) for name in ("lab.nc", "second_lab.nc")]
    with (Path(FOLDER) / "compared" / "other_intervals.csv").open("w", newline="", encoding="utf-8") as file:
        table = csv.writer(file, lineterminator="\n")
        table.writerow(COLUMNS)
        for family, (sweep, trial, models) in FAMILIES.items():
            seen = measured(sweep, trial)
            for model in models:
                for seed in range(5):
                    name = replace(trial, seed=seed).name
                    runs = next(runs for runs in laboratories if name in runs["run"].values)
                    run = stated(runs.sel(run=[name]).dropna("step", how="all"), trial)
                    fit = bayes_grpo.fit(run, model, seed=1)
                    summary = reuse_summary(fit, bayes_grpo.threshold(fit))
                    limit = [
                        summary["limit"]["starvation"][key] or float("inf") for key in ("median", "lower", "upper")
                    ]
                    for row in summary["intervals"]:
                        if (interval := row["refresh_interval"]) in seen:
                            called = [row["plateau"][key] for key in ("median", "lower", "upper")]
                            figures = [*limit, trial.refresh_interval, interval, *called, seen[interval]]
                            table.writerow((family, model, seed, *(f"{value:.4g}" for value in figures)))
                            file.flush()


if __name__ == "__main__":
    main()
