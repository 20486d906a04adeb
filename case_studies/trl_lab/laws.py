"""The balance law against the overdamped law on the laboratory's runs, by expected log predictive density. Resumable.

Two seeds of every setting of the first task, by importance sampling alone: where it cannot be trusted, ``converged`` is
0, and the run is left out of the sums. ``python -m case_studies.trl_lab.laws --criterion lfo`` scores each reward given
those before it, instead of given all others.
"""

import argparse
import csv
from dataclasses import replace
from pathlib import Path

import numpy as np
import xarray as xr

import bayes_grpo
from bayes_grpo.inference.progress import use_compilation_cache
from case_studies.trl_lab.lab import Trial
from case_studies.trl_lab.sweeps import SWEEPS

#: What is known of every run of the first task: the weight of the KL term, and what answers and the uniform start
#: earn.
KNOWN = {"kl_weight": 0.4, "reference_reward": 0.2 + 0.6 / 11, "wrong_reward": 0.2, "right_reward": 0.8}
BOUNDS = {"reward_lower": 0.0, "reward_upper": 1.0}
MODELS = ("overdamped", "balance_overdamped")
SEEDS = (0, 1)
FOLDER = Path(__file__).parent
COLUMNS = ("sweep", "run", "rewards", "overdamped", "balance", "difference", "se", "plateau", "lower", "upper")
COLUMNS += ("balance_plateau", "balance_lower", "balance_upper", "max_khat", "converged")


def trials() -> list[tuple[str, Trial]]:
    """The settings of the first task, each once, with the sweep that it is of."""
    first = [(name, trial) for name, sweep in SWEEPS.items() for trial in sweep if trial.task == "copy"]
    reused = [
        ("first", replace(Trial(), refresh_interval=k, clip=c)) for k in (2, 4, 8, 16, 32, 64) for c in (0.2, 1e6)
    ]
    unique: dict[str, tuple[str, Trial]] = {}
    for name, trial in [*first, *reused]:
        unique.setdefault(trial.name, (name, trial))
    return list(unique.values())


def stated(run: xr.Dataset, trial: Trial) -> xr.Dataset:
    """The run with what is known of it."""
    known = KNOWN | BOUNDS | {"kl_weight": trial.kl, "clip_range": trial.clip}
    return run.assign({name: ("run", [value]) for name, value in known.items()})


def row(run: xr.Dataset, criterion: str) -> dict[str, float]:
    """Scores of both laws, their difference with its standard error, and the plateaus."""
    plateaus = {}

    def keep(fit: xr.DataTree) -> None:
        summary = bayes_grpo.summarise(fit)["parameters"]["plateau"]
        plateaus[fit.attrs["model"]] = [summary[key] for key in ("median", "lower", "upper")]

    comparison = bayes_grpo.compare(run, MODELS, criterion=criterion, on_fit=keep, method="importance", seed=1)
    before, after = (comparison.scores(model).elpd for model in MODELS)
    gap = after - before
    figures = (gap.size, before.sum(), after.sum(), gap.sum(), gap.std() * gap.size**0.5)
    quality = (float(comparison.table["max_khat"].max()), int(comparison.converged))
    return dict(zip(COLUMNS[2:], (*figures, *(v for m in MODELS for v in plateaus[m]), *quality), strict=True))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--criterion", choices=("loo", "lfo"), default="loo")
    parser.add_argument("--sweeps", nargs="+", choices=list(SWEEPS), default=list(SWEEPS))
    parser.add_argument("--seeds", type=int, nargs="+", default=SEEDS)
    options = parser.parse_args()
    out = FOLDER / ("laws.csv" if options.criterion == "loo" else "laws_lfo.csv")
    use_compilation_cache()
    laboratories = [bayes_grpo.read_run(FOLDER / name) for name in ("second_lab.nc", "lab.nc")]
    done = {entry[1] for entry in csv.reader(out.open())} if out.exists() else set()
    with out.open("a", newline="", encoding="utf-8") as file:
        table = csv.writer(file, lineterminator="\n")
        if not done:
            table.writerow(COLUMNS)
        for seed in options.seeds:
            for sweep, setting in trials():
                trial = replace(setting, seed=seed)
                held = [runs for runs in laboratories if trial.name in runs["run"].values]
                if trial.name in done or sweep not in options.sweeps or not held:
                    continue
                figures = row(stated(held[0].sel(run=[trial.name]), trial), options.criterion)
                table.writerow((sweep, trial.name, *(f"{value:.5g}" for value in figures.values())))
                file.flush()
    report(out)


def report(file: Path) -> None:
    """The differences in sum, with the standard error from their scatter between runs, and the worst runs."""
    every = list(csv.DictReader(file.open(encoding="utf-8")))
    rows = [entry for entry in every if entry["converged"] == "1"]
    print(f"{len(every) - len(rows)} of {len(every)} runs are left out: a fit of theirs did not converge")
    for sweep in (None, *dict.fromkeys(entry["sweep"] for entry in rows)):
        mine = [entry for entry in rows if sweep in (None, entry["sweep"])]
        gaps = np.array([float(entry["difference"]) for entry in mine])
        error = gaps.std() * gaps.size**0.5
        print(f"{sweep or 'all':10s} {gaps.size:3d} runs  {gaps.sum():+7.1f} (se {error:.1f}) nats")
    worse = [entry for entry in rows if float(entry["difference"]) < -2 * max(float(entry["se"]), 0.5)]
    print("worse by more than 2 se:", ", ".join(f"{entry['run']} {entry['difference']}" for entry in worse) or "none")


if __name__ == "__main__":
    main()
