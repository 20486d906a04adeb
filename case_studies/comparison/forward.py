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
    prepared = prepare(run, spec)
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
    """What a law is ahead of another in each run that both could be fitted to, in nats.

    Parameters
    ----------
    rows : list of dict
        Lines of the table.
    """

    def __init__(self, rows: list[dict[str, str]]) -> None:
        self.total: dict[tuple[str, str], float] = defaultdict(float)
        self.rewards: dict[str, int] = defaultdict(int)
        self.repository = {row["run"]: row["repository"] for row in rows}
        for row in rows:
            self.total[row["run"], row["law"]] += float(row["log_density"])
            self.rewards[row["run"]] += int(row["rewards"]) * (row["law"] == LAWS[0])

    def runs(self, law: str) -> list[str]:
        """The runs of a law."""
        return [run for run in self.repository if (run, law) in self.total]

    def ahead(self, law: str, other: str) -> tuple[np.ndarray, np.ndarray]:
        """Nats that a law is ahead of another in each run, and the run's repository."""
        both = [run for run in self.runs(law) if (run, other) in self.total]
        ahead = np.array([self.total[run, law] - self.total[run, other] for run in both])
        return ahead, np.array([self.repository[run] for run in both])


def _error(terms: np.ndarray) -> float:
    """Standard error of a sum of independent terms."""
    return float(np.sqrt(terms.size) * terms.std(ddof=1))


def report(rows: list[dict[str, str]]) -> str:
    """A table in Markdown: what each law is behind the default, and how many of its blocks are not to be believed."""
    all_runs = Differences(rows)
    rewards, repositories = sum(all_runs.rewards.values()), set(all_runs.repository.values())
    lines = [
        f"{len(all_runs.repository)} runs of {len(repositories)} repositories, {rewards} rewards.",
        "",
        f"| law | runs | behind `{LAWS[0]}` (nats) | se over runs | se over repositories | without the run that "
        "differs most | median a run | ahead on | fits not settled | blocks with ESS below 20 |",
        "|---" * 10 + "|",
    ]
    told = []
    for law in LAWS:
        behind, home = all_runs.ahead(LAWS[0], law)
        sums = np.array([behind[home == name].sum() for name in np.unique(home)])
        rest = np.delete(behind, np.abs(behind).argmax())
        of_law = [row for row in rows if row["law"] == law]
        cells: list[Any] = [f"`{law}`", behind.size, f"{behind.sum():.0f}", f"{_error(behind):.0f}"]
        cells += [f"{_error(sums):.0f}", f"{rest.sum():.0f} (se {_error(rest):.0f})", f"{np.median(behind):.1f}"]
        cells += [int((behind < 0).sum()), sum(row["settled"] == "False" for row in of_law)]
        told.append((behind.sum(), [*cells, sum(float(row["ess"]) < 20 for row in of_law)]))
    lines += ["| " + " | ".join(map(str, cells)) + " |" for _, cells in sorted(told, key=lambda pair: pair[0])]
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
