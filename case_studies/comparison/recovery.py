"""Is a law that made the data ever beaten? Runs simulated from each law, all laws compared on each.

For every law and replicate the outcome is 'won' (all other laws count as worse by the rules of
`bayes_grpo.analysis.differences`), 'lost' (some other law counts as better) or 'tied'. Resumable: a replicate that
stands in the table is not made again.
"""

import argparse
import csv
import time
from collections import Counter
from pathlib import Path

import numpy as np
import xarray as xr
from scipy.stats import beta

import bayes_grpo
from bayes_grpo.analysis.comparison.compare import Comparison
from bayes_grpo.inference.evaluate import evaluator
from bayes_grpo.inference.layout import prepare
from bayes_grpo.inference.progress import use_compilation_cache

#: A clear case of each law: the rise takes a fifth of 200 steps, and noise hides neither the rise nor the fluctuation.
RELAXING = {"plateau": 0.5, "initial_reward": 0.2, "stiffness": 1 / 40, "observation_sd": 0.02}
DRIVEN = RELAXING | {"fluctuation": 0.06}
RINGING = DRIVEN | {"initial_velocity": 1.0, "damping": 0.3}
SLOW = {"plateau": 0.9, "initial_reward": 0.04, "stiffness": 1 / 12, "observation_sd": 0.02, "fluctuation": 0.04}
MIXED = {"initial_reward": 0.2, "stiffness": 1 / 20, "observation_sd": 0.03, "correlation_time": 10.0}
LAWS: dict[str, dict[str, float]] = {
    "exponential": RELAXING | {"observation_sd": 0.04},
    "sigmoid": {"plateau": 0.5, "initial_reward": 0.2, "midpoint": 60.0, "steepness": 4.0, "observation_sd": 0.04},
    "overdamped": DRIVEN,
    "oscillator": RINGING,
    "oscillator_free": RINGING | {"mass": 40.0},
    "delayed_oscillator": DRIVEN | {"initial_velocity": 1.0, "lag_share": 0.7},
    "random_walk": {"initial_reward": 0.4, "step_sd": 0.02, "observation_sd": 0.02},
    "bounded": SLOW | {"initial_velocity": 1.0, "damping": 0.8},
    "bounded_overdamped": SLOW,
    "power_law": MIXED | {"plateau": 0.6, "difficulty_spread": 2.0, "fluctuation": 0.02},
    "s_curve": MIXED | {"rise": 0.4, "difficulty_spread": 1.0, "initial_drive": 0.03, "noise_ratio": 0.7},
    "population": {"rise": 0.3, "initial_reward": 0.2, "stiffness": 1 / 40, "noise_ratio": 1.0, "observation_sd": 0.03},
    "wandering_level": {"initial_reward": 0.4, "step_sd": 0.02, "observation_sd": 0.02},
}
FACTS = {
    "group_size": 8,
    "prompts_per_step": 16,
    "momentum": 0.9,
    "logging_window": 1,
    "reward_lower": 0,
    "reward_upper": 1,
}
#: Of the delayed oscillator, which without lag is the oscillator with unit damping.
LAG = {"refresh_interval": 81}


def simulate(law: str, rows: int, seed: int) -> xr.Dataset:
    """One run made by a law. Rewards are not clipped to their bounds, as the linear laws know none."""
    spec = bayes_grpo.load_model(law)
    columns = {"optimizer_step": np.arange(1, rows + 1), "reward": np.linspace(0.2, 0.8, rows)}
    run = bayes_grpo.make_run(f"{law}-{seed}", columns, FACTS | LAG | {"planned_steps": rows})
    prepared = prepare(run, spec)
    values = {name: np.array([LAWS[law][name]]) for name in spec.parameters}
    _, logged = evaluator(spec).simulate(values, prepared.data, np.random.default_rng(seed))
    return run.assign(reward=run["reward"].copy(data=np.asarray(logged)[:, prepared.rows[0]]))


def outcome(comparison: Comparison, truth: str) -> str:
    """Whether the law that made the data won, tied or lost."""
    others = [str(name) for name in comparison.table.index if name != truth]
    if any(comparison.difference(other, truth).clear for other in others):
        return "lost"
    return "won" if all(comparison.difference(truth, other).clear for other in others) else "tied"


def study(laws: list[str], models: list[str], seeds: range, rows: int, criterion: str, **settings: int):
    """Law, seed, outcome and the comparison of each simulated run."""
    for seed in seeds:
        for law in laws:
            comparison = bayes_grpo.compare(simulate(law, rows, seed), models, criterion=criterion, **settings)
            yield law, seed, outcome(comparison, law), comparison


def report(path: Path) -> str:
    """Outcomes by law as a Markdown table, with the share that did not lose and its 95 % interval (Clopper-Pearson)."""
    counts: dict[str, Counter[str]] = {}
    for row in csv.DictReader(path.open(encoding="utf-8")):
        counts.setdefault(row["law"], Counter())[row["outcome"]] += 1
    lines = ["| law | runs | won | tied | lost | not lost, 95 % interval |", "|---|---|---|---|---|---|"]
    total = sum(counts.values(), Counter())
    for law, count in (*counts.items(), ("all", total)):
        n, kept = count.total(), count.total() - count["lost"]
        low = beta.ppf(0.025, kept, n - kept + 1) if kept else 0.0
        high = beta.ppf(0.975, kept + 1, n - kept) if kept < n else 1.0
        lines.append(f"| {law} | {n} | {count['won']} | {count['tied']} | {count['lost']} | {low:.2f} to {high:.2f} |")
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=Path("recovery.csv"))
    parser.add_argument("--laws", default=",".join(LAWS))
    parser.add_argument(
        "--models", default=",".join(LAWS), help="compared with each other; the law of the data among them"
    )
    parser.add_argument("--replicates", type=int, default=10)
    parser.add_argument("--rows", type=int, default=200)
    parser.add_argument("--criterion", default="loo")
    parser.add_argument("--draws", type=int, default=1000)
    parser.add_argument("--tune", type=int, default=1000)
    parser.add_argument("--report", action="store_true", help="only print the outcomes in --out")
    options = parser.parse_args()
    if not options.report:
        run(options)
    print(report(options.out))


def run(options: argparse.Namespace) -> None:
    use_compilation_cache()
    fields = ("law", "seed", "outcome", "best", "behind_best", "error", "converged", "max_khat", "seconds")
    done = set()
    if options.out.exists():
        done = {(row["law"], int(row["seed"])) for row in csv.DictReader(options.out.open(encoding="utf-8"))}
    with options.out.open("a", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, fields)
        if not done:
            writer.writeheader()
        settings = {"draws": options.draws, "tune": options.tune}
        for seed in range(options.replicates):
            for law in [law for law in options.laws.split(",") if (law, seed) not in done]:
                began = time.perf_counter()
                models = list(dict.fromkeys([law, *options.models.split(",")]))
                ((_, _, found, comparison),) = study(
                    [law], models, range(seed, seed + 1), options.rows, options.criterion, **settings
                )
                best = str(comparison.table.index[0])
                gap = comparison.difference(best, law)
                values = (law, seed, found, best, round(gap.nats, 2), round(gap.error, 2), comparison.converged)
                values += (round(float(comparison.table["max_khat"].max()), 2), round(time.perf_counter() - began, 1))
                writer.writerow(dict(zip(fields, values, strict=True)))
                file.flush()
                print(*values, flush=True)


if __name__ == "__main__":
    main()
