"""What `threshold` says of other refresh intervals from one run at K = 4, beside what those intervals then gave.

``python -m case_studies.trl_lab.other_intervals`` fits the five seeds of K = 4 with each of two laws.
"""

import csv
from dataclasses import replace
from pathlib import Path

import bayes_grpo
from bayes_grpo.analysis.stability.reuse_summary import reuse_summary
from bayes_grpo.inference.progress import use_compilation_cache
from case_studies.trl_lab.compare import FOLDER, by_name
from case_studies.trl_lab.lab import Trial
from case_studies.trl_lab.laws import BOUNDS, KNOWN
from case_studies.trl_lab.sweeps import SWEEPS

MODELS = ("oscillator", "balance_overdamped")


def main() -> None:
    use_compilation_cache()
    measured = {
        trial.refresh_interval: float(row["trl"])
        for trial, row in zip(SWEEPS["reuse"], by_name(FOLDER / "compared" / "reuse.csv").values(), strict=True)
    }
    runs = bayes_grpo.read_run(FOLDER / "lab.nc")
    with (Path(FOLDER) / "compared" / "other_intervals.csv").open("w", newline="", encoding="utf-8") as file:
        table = csv.writer(file, lineterminator="\n")
        table.writerow(("model", "seed", "limit", "limit_lower", "limit_upper", "K", "called", "lower", "upper", "trl"))
        for model in MODELS:
            for seed in range(5):
                run = runs.sel(run=[replace(Trial(refresh_interval=4), seed=seed).name])
                for key, value in (KNOWN | BOUNDS | {"clip_range": 0.2}).items():
                    run[key] = ("run", [value])
                fit = bayes_grpo.fit(run, model, seed=1)
                summary = reuse_summary(fit, bayes_grpo.threshold(fit))
                limit = [summary["limit"]["starvation"][key] for key in ("median", "lower", "upper")]
                for row in summary["intervals"]:
                    interval = row["refresh_interval"]
                    if interval in measured:
                        called = [row["plateau"][key] for key in ("median", "lower", "upper")]
                        figures = [f"{value:.4g}" for value in (*limit, interval, *called, measured[interval])]
                        table.writerow((model, seed, *figures))
                        file.flush()


if __name__ == "__main__":
    main()
