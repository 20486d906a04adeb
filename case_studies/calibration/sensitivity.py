"""How much each posterior depends on its prior: power-scaling sensitivity (Kallioinen et al. 2024) on real runs.

Models of one run are fitted to the bundled run and to two of the laboratory; models that pool to eight runs of the
laboratory. Above 0.05 a posterior moves noticeably when the prior (or the likelihood) is weighted up or down.
"""

import argparse
import csv
from pathlib import Path

import xarray as xr

import bayes_grpo
from bayes_grpo.inference.progress import use_compilation_cache
from case_studies.common.runs import LABORATORY

STATED = {"reward_lower": 0.0, "reward_upper": 1.0}
BASE = "adamw-G8-K1-clip-beta0.9-lr0.001-kl0.4-w64-seed{}"
#: Group size, refresh interval, learning rate and width vary, so that every predictor and every lag does.
TOGETHER = ("G2-K1", "G16-K1", "G8-K4", "G8-K16")


def single_runs() -> dict[str, xr.Dataset]:
    """Three real runs."""
    lab = bayes_grpo.read_run(LABORATORY, hyperparameters=STATED)
    bundled = bayes_grpo.example_run()
    found = {"bundled": bundled} | {f"lab seed {i}": lab.sel(run=[BASE.format(i)]) for i in (0, 1)}
    return {name: run.isel(step=slice(0, 400)) for name, run in found.items()}


def pooled_runs() -> xr.Dataset:
    """Eight runs of the laboratory."""
    lab = bayes_grpo.read_run(LABORATORY, hyperparameters=STATED)
    names = [str(name) for name in lab["run"].values]
    varied = [next(n for n in names if f"-{part}-" in n and "-lr0.001-" in n and "-w64-" in n) for part in TOGETHER]
    others = [next((n for n in names if part in n), None) for part in ("-lr0.0005-", "-lr0.002-", "-w32-", "-w128-")]
    return lab.sel(run=[*varied, *(name for name in others if name)]).isel(step=slice(0, 300))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--models", nargs="+", default=[model.name for model in bayes_grpo.list_models()])
    parser.add_argument("--draws", type=int, default=500)
    parser.add_argument("--out", type=Path, default=Path("sensitivity.csv"))
    options = parser.parse_args()
    use_compilation_cache()
    new = not options.out.exists()
    with options.out.open("a", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        if new:
            writer.writerow(("model", "runs", "parameter", "prior", "likelihood", "converged"))
        for model in options.models:
            pooled = bayes_grpo.load_model(model).pooled
            for name, runs in ({"8 lab runs": pooled_runs()} if pooled else single_runs()).items():
                fit = bayes_grpo.fit(runs, model, seed=4, draws=options.draws, tune=options.draws)
                converged = bayes_grpo.summarise(fit)["converged"]
                for parameter, row in bayes_grpo.sensitivity(fit).iterrows():
                    cells = (f"{row['prior']:.3f}", f"{row['likelihood']:.3f}")
                    writer.writerow((model, name, parameter, *cells, converged))
                file.flush()
                print(model, name, "converged" if converged else "NOT CONVERGED", fit.attrs["seconds"], flush=True)


if __name__ == "__main__":
    main()
