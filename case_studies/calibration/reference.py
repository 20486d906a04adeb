"""Long posteriors of three real runs, stored as moments with their settings: what later fits must agree with."""

import argparse
import json
from pathlib import Path

import arviz_stats as az
import numpy as np
import xarray as xr

import bayes_grpo
from bayes_grpo.inference.progress import use_compilation_cache
from bayes_grpo.runs.files import write_atomically
from case_studies.common.runs import LABORATORY

#: Name of the reference: model, and how its run is found.
CASES = {
    "bundled_oscillator": ("oscillator", None),
    "lab_overdamped": ("overdamped", "adamw-G8-K1-clip-beta0.9-lr0.001-kl0.4-w64-seed0"),
    "lab_bounded_overdamped": ("bounded_overdamped", "adamw-G4-K1-clip-beta0.9-lr0.001-kl0.4-w64-seed1"),
}
#: The bounded law is slow: the rise is enough.
ROWS = {"lab_bounded_overdamped": 120}
STATED = {"reward_lower": 0.0, "reward_upper": 1.0}


def run_of(case: str) -> xr.Dataset:
    """The run of a reference: bundled with the package, or of the laboratory."""
    label = CASES[case][1]
    if label is None:
        return bayes_grpo.example_run()
    return bayes_grpo.read_run(LABORATORY, hyperparameters=STATED).sel(run=[label]).isel(step=slice(0, ROWS.get(case)))


def moments(fit: xr.DataTree) -> dict[str, dict[str, float]]:
    """Mean, sd, 5 and 95 % quantiles and the Monte-Carlo errors of mean and sd, of each parameter."""
    posterior = fit["posterior"].to_dataset()
    names = [name for name in posterior.data_vars if name in bayes_grpo.load_model(fit.attrs["model"]).parameters]
    posterior = posterior[names]
    errors = {kind: az.mcse(posterior, method=kind) for kind in ("mean", "sd")}
    return {
        str(name): {
            "mean": float(posterior[name].mean()),
            "sd": float(posterior[name].std(ddof=1)),
            "q05": float(np.quantile(posterior[name], 0.05)),
            "q95": float(np.quantile(posterior[name], 0.95)),
            "mcse_mean": float(errors["mean"][name]),
            "mcse_sd": float(errors["sd"][name]),
        }
        for name in names
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--draws", type=int, default=5000, help="a chain, of four")
    parser.add_argument("--cases", nargs="+", default=list(CASES), choices=list(CASES))
    parser.add_argument("--seed", type=int, default=2026)
    parser.add_argument("--out", type=Path, default=Path(__file__).parents[2] / "tests/inference/reference_posteriors")
    options = parser.parse_args()
    use_compilation_cache()
    for case in options.cases:
        model, label = CASES[case]
        fit = bayes_grpo.fit(run_of(case), model, seed=options.seed, draws=options.draws, tune=2000, target_accept=0.98)
        summary = bayes_grpo.summarise(fit)
        content = {
            "run": label or "bundled",
            "model": model,
            "parameters": moments(fit),
            "settings": {
                key: fit.attrs[key] for key in ("backend", "seed", "draws", "tune", "chains", "target_accept")
            },
            "versions": json.loads(fit.attrs["versions"]),
            "diagnostics": summary["diagnostics"],
        }
        write_atomically(options.out / f"{case}.json", (json.dumps(content, indent=1) + "\n").encode())
        print(case, "converged" if summary["converged"] else "NOT CONVERGED", summary["diagnostics"], flush=True)


if __name__ == "__main__":
    main()
