"""Another learning rate, predicted from one run: the step at which it is halfway, and the reward of its last third.

The laws run by the learning rate's clock: at r times the rate everything comes r times as early, and the plateau stays.
``python -m case_studies.trl_lab.rates`` fits five seeds at 1e-3 (`overdamped`), each alone, and compares with what
`GRPOTrainer` gave at other rates (five seeds each, one update a batch).
"""

import csv
from dataclasses import replace

import numpy as np
import xarray as xr

import bayes_grpo
from bayes_grpo.analysis.intervals import interval
from bayes_grpo.inference.progress import use_compilation_cache
from case_studies.trl_lab.compare import FOLDER
from case_studies.trl_lab.lab import STEPS, Trial
from case_studies.trl_lab.laws import stated

RATES = (2.5e-4, 5e-4, 1e-3, 2e-3, 4e-3)
BASE, SEEDS = Trial(), range(5)
HALFWAY = (0.2 + 0.6 / 11 + 0.546) / 2  # between the uniform start and the balance law's plateau
WINDOW = 11  # steps of the running mean of the five seeds in which the crossing is looked for
COLUMNS = ("seed", "rate", "halfway", "halfway_lower", "halfway_upper", "halfway_seen")
COLUMNS += ("late", "late_lower", "late_upper", "late_seen")


def seen(laboratories: list[xr.Dataset], rate: float) -> tuple[float, float]:
    """Step at which the mean of the seeds is halfway, and the mean reward of the last third; rewards of rollouts."""
    curves = []
    for seed in SEEDS:
        name = replace(BASE, learning_rate=rate, seed=seed).name
        runs = next(runs for runs in laboratories if name in runs["run"].values)
        curves.append(runs.sel(run=name)["reward"].dropna("step").values[:STEPS])
    mean = np.mean(curves, axis=0)
    smooth = np.convolve(mean, np.ones(WINDOW) / WINDOW, mode="valid")
    first = int(np.argmax(smooth >= HALFWAY))
    return float(first + 1 + WINDOW // 2), float(mean[2 * STEPS // 3 :].mean())


def called(fit: xr.DataTree, rate: float) -> tuple[np.ndarray, np.ndarray]:
    """Draws of the step halfway and of the last third's mean, at another rate."""
    posterior = fit["posterior"].to_dataset()
    plateau, start, time = (posterior[n].values.ravel() for n in ("plateau", "initial_reward", "timescale"))
    time = time * BASE.learning_rate / rate
    with np.errstate(invalid="ignore", divide="ignore"):
        halfway = time * np.log((plateau - start) / (plateau - HALFWAY))
    steps = np.arange(2 * STEPS // 3, STEPS) + 1
    late = plateau + (start - plateau) * np.exp(-steps[:, None] / time).mean(0)
    return np.where(plateau > HALFWAY, halfway, np.inf), late


def main() -> None:
    use_compilation_cache()
    laboratories = [bayes_grpo.read_run(FOLDER / name) for name in ("lab.nc", "second_lab.nc")]
    truth = {rate: seen(laboratories, rate) for rate in RATES}
    with (FOLDER / "compared" / "rates.csv").open("w", newline="", encoding="utf-8") as file:
        table = csv.writer(file, lineterminator="\n")
        table.writerow(COLUMNS)
        for seed in SEEDS:
            trial = replace(BASE, seed=seed)
            run = laboratories[0].sel(run=[trial.name]).dropna("step", how="all")
            fit = bayes_grpo.fit(stated(run, trial), "overdamped", seed=1)
            for rate in RATES:
                row: list[float] = [rate]
                for draws, was in zip(called(fit, rate), truth[rate], strict=True):
                    lower, median, upper = interval(draws)
                    row += [median, lower, upper, was]
                table.writerow((seed, *(f"{value:.4g}" for value in row)))
    print((FOLDER / "compared" / "rates.csv").read_text())


if __name__ == "__main__":
    main()
