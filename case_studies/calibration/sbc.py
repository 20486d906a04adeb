"""Simulation-based calibration and interval coverage (Talts et al. 2018) of the shipped models.

Parameters are drawn from the prior of a run of given length, rewards from the model, and the posterior ranks of the
true values must be uniform; equal-tailed 90 % intervals must hold the truth in 90 % of replicates.
"""

import argparse
import csv
import json
from itertools import cycle, islice
from pathlib import Path

import numpy as np
import xarray as xr
from scipy.stats import chi2

import bayes_grpo
from bayes_grpo.inference.evaluate import evaluator, recorded
from bayes_grpo.inference.layout import prepare
from bayes_grpo.inference.posterior import draw_posterior
from bayes_grpo.inference.prior import draw_prior
from bayes_grpo.inference.progress import use_compilation_cache
from bayes_grpo.inference.sampler_settings import METHODS, Sampler
from bayes_grpo.runs.dataset import combine, make_run
from case_studies.trl_lab.laws import KNOWN

RANKS = 100
FACTS = {"momentum": 0.9, "logging_window": 1, "reward_lower": 0, "reward_upper": 1, "prompts_per_step": 16}
#: Runs of a model that pools, over and over: group sizes, peak learning rates and model sizes that its predictors need.
POOL = [(2, 1e-6, 1e8), (4, 2e-6, 1e9), (8, 1e-6, 1e9), (16, 2e-6, 1e8)]


def blank_runs(rows: int, pool: int = 0, known: bool = False) -> xr.Dataset:
    """One run whose rewards do not matter, or so many for a model that pools.

    The learning rate warms up and decays, and rollouts are used several times, so that clock and lag count. With
    ``known``, the KL weight and the rewards of reference, wrong and right answers are stated, as in the laboratory.
    """
    steps = np.arange(1, rows + 1)
    shape = np.minimum(1, steps / (0.1 * rows)) * (1 - 0.5 * steps / rows)
    stated = KNOWN if known else {}
    runs = []
    for i, (group, rate, size) in enumerate(islice(cycle(POOL), pool) if pool else POOL[2:3]):
        columns = {
            "optimizer_step": steps,
            "reward": np.linspace(0.2, 0.8 - 0.01 * i, rows),
            "learning_rate": rate * shape,
        }
        facts = FACTS | {"planned_steps": rows, "group_size": group, "model_size": size, "refresh_interval": 4}
        runs.append(make_run(f"run{i}", columns, facts | stated))
    return combine(runs)


def ranks(
    model: str, replicates: int, blank: xr.Dataset, seed: int, start: int = 0, method: str = "auto"
) -> dict[str, np.ndarray]:
    """Rank (0..RANKS-1) of the true value among thinned posterior draws, for each parameter, shape (replicates,).

    Rewards are not clipped to the bounds: the laws under test are not either. Of runs fitted together the first one's
    parameters are ranked, beside the population's. ``blank`` is from `blank_runs`, and ``method`` that of
    `bayes_grpo.fit`; the entry ``fallback`` is 1 where importance sampling could not be trusted, so that NUTS follows
    with the method ``auto``.
    """
    spec = bayes_grpo.load_model(model)
    prepared = prepare(blank, spec)
    data, functions = prepared.data, evaluator(spec)
    out: dict[str, list[int]] = {name: [] for name in (*recorded(spec), "fallback")}
    for replicate in range(start, start + replicates):
        rng = np.random.default_rng([seed, replicate])
        truth = draw_prior(spec, data, 1, rng)
        logged = functions.simulate(truth, data, rng)[1][0]
        value = np.where(data.run.grid.observed > 0, logged, 0.0)
        simulated = data._replace(run=data.run._replace(grid=data.run.grid._replace(value=value)))
        sampler = Sampler(method, seed=replicate, draws=500, tune=600)
        posterior = draw_posterior(spec, prepared._replace(data=simulated), sampler)
        for name in recorded(spec):
            # Thin to nearly independent draws: 99 of at least 2,000, over all chains.
            drawn = posterior.values[name].reshape(-1, *posterior.values[name].shape[2:])
            thinned = drawn[np.linspace(0, len(drawn) - 1, RANKS - 1).round().astype(int)].reshape(RANKS - 1, -1)
            out[name].append(int((thinned[:, 0] < np.ravel(truth[name])[0]).sum()))
        out["fallback"].append(int(posterior.quality is not None and bool(posterior.quality.failures())))
    return {name: np.array(values) for name, values in out.items()}


def uniformity_p_value(values: np.ndarray, bins: int = 8) -> float:
    """Chi-square p-value of uniform ranks."""
    counts, _ = np.histogram(values, bins=bins, range=(-0.5, RANKS - 0.5))
    expected = np.diff(np.floor(np.linspace(0, RANKS, bins + 1) + 1e-9)) / RANKS * values.size
    return float(chi2.sf(((counts - expected) ** 2 / expected).sum(), bins - 1))


def coverage(values: np.ndarray) -> float:
    """Share of replicates whose central 90 % interval holds the truth."""
    return float(((values >= 0.05 * RANKS) & (values < 0.95 * RANKS)).mean())


def plot(results: dict[str, dict[str, np.ndarray]], path: Path) -> None:
    from matplotlib.figure import Figure

    widest = max(len(r) for r in results.values())
    figure = Figure(figsize=(2.1 * widest, 2.2 * len(results)), layout="constrained")
    axes = figure.subplots(len(results), widest, squeeze=False)
    for row, (model, found) in zip(axes, results.items(), strict=True):
        for axis in row[len(found) :]:
            axis.axis("off")
        for axis, (name, values) in zip(row, found.items(), strict=False):
            n = values.size
            grid = np.arange(RANKS) / RANKS
            ecdf = np.searchsorted(np.sort(values), np.arange(RANKS)) / n
            axis.axhspan(-1.36 / np.sqrt(n), 1.36 / np.sqrt(n), color="0.9")
            axis.step(grid, ecdf - grid, color="#1f5fa8", lw=1.2)
            axis.set(title=f"{name}\n{coverage(values):.0%} in 90 %", xticks=[0, 1], ylim=(-0.2, 0.2))
            axis.title.set_fontsize(8)
            axis.tick_params(labelsize=7)
        row[0].set_ylabel(f"{model}\nECDF of ranks\nminus uniform", fontsize=8)
    figure.savefig(path, dpi=100)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--models", nargs="+", default=["oscillator", "overdamped"])
    parser.add_argument("--replicates", type=int, default=200)
    parser.add_argument("--rows", type=int, default=60)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--method", choices=METHODS, default="auto")
    parser.add_argument("--pool", type=int, default=len(POOL), help="runs that a model that pools is given")
    parser.add_argument("--known", action="store_true", help="what the balance law is given is stated")
    parser.add_argument("--out", type=Path, default=Path("calibration"))
    options = parser.parse_args()
    use_compilation_cache()
    options.out.mkdir(parents=True, exist_ok=True)
    results: dict[str, dict[str, np.ndarray]] = {}
    fallbacks: dict[str, float] = {}
    for model in options.models:
        label = f"{model}-known" if options.known else model
        pool = options.pool if bayes_grpo.load_model(model).pooled else 0
        blank = blank_runs(options.rows, pool, options.known)
        kept = options.out / f"{label}.json"
        found = {name: list(values) for name, values in json.loads(kept.read_text()).items()} if kept.exists() else {}
        done = len(next(iter(found.values()), []))
        for start in range(done, options.replicates, 10):
            count = min(10, options.replicates - start)
            more = ranks(model, count, blank, options.seed, start, options.method)
            found = {name: [*found.get(name, []), *values.tolist()] for name, values in more.items()}
            kept.write_text(json.dumps(found))
            print(f"{label}: {start + 10} of {options.replicates}", flush=True)
        results[label] = {name: np.array(values) for name, values in found.items()}
        fallbacks[label] = float(results[label].pop("fallback").mean())
    with (options.out / "calibration.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(("model", "parameter", "replicates", "coverage_of_90", "p_value", "share_of_nuts"))
        for model, found in results.items():
            for name, values in found.items():
                found_out = (f"{coverage(values):.3f}", f"{uniformity_p_value(values):.3f}", f"{fallbacks[model]:.3f}")
                writer.writerow((model, name, values.size, *found_out))
    plot(results, options.out / "calibration.png")
    print((options.out / "calibration.csv").read_text())


if __name__ == "__main__":
    main()
