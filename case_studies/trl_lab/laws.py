"""The balance law against the overdamped law on the laboratory's runs: expected log predictive densities. Resumable."""

import argparse
import csv
from pathlib import Path

import bayes_grpo
from bayes_grpo.inference.progress import use_compilation_cache

#: What is known of every run of the first task: the weight of the KL term, and what answers and the uniform start
#: earn.
KNOWN = {"kl_weight": 0.4, "reference_reward": 0.2 + 0.6 / 11, "wrong_reward": 0.2, "right_reward": 0.8}
BOUNDS = {"reward_lower": 0.0, "reward_upper": 1.0}
MODELS = ("overdamped", "balance_overdamped")


def wanted(names: list[str]) -> list[str]:
    """Runs with one update a batch, of all group sizes, and clipped runs that use batches again; three seeds each."""
    marks = [f"G{g}-K1-clip-beta0.9-lr0.001" for g in (2, 4, 8, 16, 32)]
    marks += [f"G8-K{k}-clip-beta0.9-lr0.001" for k in (4, 8)]
    marks += ["G8-K1-clip-beta0.9-lr0.002", "G8-K1-clip-beta0.9-lr0.0005"]
    return [name for s in range(3) for mark in marks for name in names if f"{mark}-kl0.4-w64-seed{s}" in name]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("runs", type=Path, nargs="?", default=Path(__file__).parent / "lab.nc")
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "laws.csv")
    options = parser.parse_args()
    use_compilation_cache()
    runs = bayes_grpo.read_run(options.runs)
    done = {tuple(row[:2]) for row in csv.reader(options.out.open())} if options.out.exists() else set()
    with options.out.open("a", newline="", encoding="utf-8") as file:
        table = csv.writer(file)
        if not done:
            table.writerow(("run", "model", "elpd", "se", "plateau", "lower", "upper", "failures"))
        for name in wanted([str(name) for name in runs["run"].values]):
            run = runs.sel(run=[name])
            for key, value in (KNOWN | BOUNDS).items():
                run[key] = ("run", [value])
            for model in MODELS:
                if (name, model) in done:
                    continue
                fit = bayes_grpo.fit(run, model, seed=1, draws=400, tune=400, chains=2)
                score = bayes_grpo.loo(fit)
                summary = bayes_grpo.summarise(fit)
                row = summary["parameters"]["plateau"]
                figures = (score.elpd, score.se, row["median"], row["lower"], row["upper"])
                table.writerow((name, model, *(f"{v:.5g}" for v in figures), len(summary.get("failures", []))))
                file.flush()


if __name__ == "__main__":
    main()
