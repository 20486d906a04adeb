"""Which law foretells the rest of a public run: exact leave-future-out by blocks.

    python -m case_studies.comparison.forward ../shared/data --out forward.csv
    python -m case_studies.comparison.forward --report --out forward.csv

A run is cut at four origins. At each the law is fitted to the rewards so far alone, and the filter goes on over the
rewards up to the next origin: their joint density is the mean over the posterior draws of the product of their one-step
densities, p(block | earlier rewards). The blocks multiply to p(all rewards after the first origin | those before), so
nothing is approximated but the draws. Nothing falls back to Markov chains; a fit that misses a limit of importance
sampling is counted. The study goes on where it stopped.
"""

import argparse
import csv
from collections import defaultdict
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

from bayes_grpo.analysis.comparison.crossval import masked
from bayes_grpo.errors import InputError
from bayes_grpo.inference.evaluate import evaluator
from bayes_grpo.inference.layout import observed_of, prepare
from bayes_grpo.inference.posterior import draw_posterior, settled
from bayes_grpo.inference.progress import use_compilation_cache
from bayes_grpo.inference.sampler_settings import Sampler
from bayes_grpo.models.files import load_model
from benchmarks.curves.series import Series, training_series
from case_studies.common.table import Table

#: Shares of the rewards after which a law is fitted; the last block ends with the run.
ORIGINS = (0.2, 0.4, 0.6, 0.8)
#: Runs of a repository at most, spread evenly over those that it has.
MOST_RUNS = 8
#: Laws of one run that need nothing that most logs do not hold. `population` is left out: it has seen these runs.
LAWS = (
    *("s_curve", "overdamped", "power_law", "bounded_overdamped", "oscillator", "bounded"),
    *("wandering_level", "random_walk", "exponential", "sigmoid"),
)
COLUMNS = ("key", "run", "repository", "law", "block", "rewards", "log_density", "ess", "settled")
DRAWS, CHAINS = 500, 2


def chosen(data: Path) -> list[Series]:
    """Public training runs, at most `MOST_RUNS` of a repository."""
    groups: dict[str, list[Series]] = defaultdict(list)
    for series in training_series(data):
        if series.kind != "laboratory":
            groups[series.repository].append(series)
    places = {name: np.unique(np.linspace(0, len(g) - 1, MOST_RUNS).round().astype(int)) for name, g in groups.items()}
    return [groups[name][i] for name in groups for i in places[name]]


def blocks_of(run: xr.Dataset, law: str, seed: int) -> list[tuple[int, float, float, bool]]:
    """Of each block: rewards, log density given all before it, effective draws in the mean, whether the fit settled."""
    spec = load_model(law)
    prepared = prepare(run, spec, rows=run.sizes["step"])
    position = observed_of(prepared).position
    edges = [*(max(round(share * position.size), 10) for share in ORIGINS), position.size]
    rows = []
    for first, last in pairwise(edges):
        past = prepared._replace(data=masked(prepared, np.arange(first, position.size)))
        posterior = draw_posterior(spec, past, Sampler("importance", seed=seed, draws=DRAWS, chains=CHAINS))
        draws = {name: value.reshape(-1) for name, value in posterior.values.items()}
        joint = evaluator(spec).pointwise(draws, prepared.data)[:, position[first:last]].sum(1)
        weight = np.exp(joint - joint.max())
        density = float(joint.max() + np.log(weight.mean()))
        rows.append((last - first, density, float(weight.sum() ** 2 / (weight**2).sum()), settled(posterior)))
    return rows


def sweep(data: Path, table: Table) -> None:
    """Score every law on every run."""
    use_compilation_cache()
    done = {row["key"].rsplit("|", 1)[0] for row in table.rows()}
    for number, series in enumerate(chosen(data)):
        for law in LAWS:
            key = f"{series.label}|{law}"
            if key in done:
                continue
            try:
                rows = blocks_of(series.run, law, number)
            except InputError as error:
                print(key, error.faults[0][:100], flush=True)
                continue
            for block, row in enumerate(rows):
                table.add(f"{key}|{block}", series.label, series.repository, law, block, *row)
            print(key, " ".join(f"{row[1]:.1f}" for row in rows), flush=True)


class Differences:
    """Sums over runs of what a law is ahead of another, in nats, with their standard errors.

    Parameters
    ----------
    rows : list of dict
        Lines of the table.
    """

    def __init__(self, rows: list[dict[str, str]]) -> None:
        self.total: dict[tuple[str, str], float] = defaultdict(float)
        self.rewards: dict[str, int] = defaultdict(int)
        self.repository = {row["run"]: row["repository"] for row in rows}
        blocks: dict[tuple[str, str], int] = defaultdict(int)
        for row in rows:
            self.total[row["run"], row["law"]] += float(row["log_density"])
            self.rewards[row["run"]] += int(row["rewards"]) * (row["law"] == LAWS[0])
            blocks[row["run"], row["law"]] += 1
        self.laws = [law for law in LAWS if any(law == name for _, name in blocks)]
        self.runs = [run for run in self.repository if all(blocks[run, law] == len(ORIGINS) for law in self.laws)]

    def ahead(self, law: str, other: str) -> np.ndarray:
        """Nats that a law is ahead of another in each run."""
        return np.array([self.total[run, law] - self.total[run, other] for run in self.runs])

    def told(self, law: str, other: str) -> tuple[float, float, float]:
        """The sum over runs, its standard error over runs, and that over repositories."""
        ahead = self.ahead(law, other)
        home = np.array([self.repository[run] for run in self.runs])
        sums = np.array([ahead[home == name].sum() for name in np.unique(home)])
        return float(ahead.sum()), _error(ahead), _error(sums)


def _error(terms: np.ndarray) -> float:
    """Standard error of a sum of independent terms."""
    return float(np.sqrt(terms.size) * terms.std(ddof=1))


def report(rows: list[dict[str, str]]) -> str:
    """Two tables in Markdown: each law against the default, and what is not to be believed."""
    runs = Differences(rows)
    rewards = sum(runs.rewards[run] for run in runs.runs)
    lines = [
        f"{len(runs.runs)} runs of {len({runs.repository[run] for run in runs.runs})} repositories, {rewards} rewards.",
        "",
        f"| law | behind `{LAWS[0]}` (nats) | se over runs | se over repositories | median a run | best on | "
        "blocks not settled | ESS of a block below 20 |",
        "|---|---|---|---|---|---|---|---|",
    ]
    best = [max(runs.laws, key=lambda law: runs.total[run, law]) for run in runs.runs]
    for law in sorted(runs.laws, key=lambda law: -sum(runs.total[run, law] for run in runs.runs)):
        of_law = [row for row in rows if row["law"] == law]
        total, error, wide = runs.told(LAWS[0], law) if law != LAWS[0] else (0.0, 0.0, 0.0)
        cells: list[Any] = [f"`{law}`", f"{total:.0f}", f"{error:.0f}", f"{wide:.0f}"]
        cells += [f"{np.median(runs.ahead(LAWS[0], law)):.1f}", best.count(law)]
        cells += [sum(row["settled"] == "False" for row in of_law), sum(float(row["ess"]) < 20 for row in of_law)]
        lines.append("| " + " | ".join(map(str, cells)) + " |")
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path, nargs="?", help="folder of public runs; not for --report")
    parser.add_argument("--out", type=Path, default=Path("forward.csv"))
    parser.add_argument("--report", action="store_true", help="only print the tables of --out")
    options = parser.parse_args()
    table = Table(options.out, COLUMNS)
    if not options.report:
        if options.data is None:
            parser.error("name the data folder")
        sweep(options.data, table)
    print(report(list(csv.DictReader(options.out.open(encoding="utf-8")))))


if __name__ == "__main__":
    main()
