"""Importance sampling against Markov chains on real runs: how far means and interval limits lie apart.

The chains are an ensemble of walkers (`ensemble.py`), or NUTS. Public runs come from a folder beside the repository,
the laboratory's from this one. Resumable: a line of JSON a run and model. Prints the share of runs where all means
agree within 0.1 and all 5 and 95 % points within 0.15 standard deviations. A limit of 2,000 effective draws is
uncertain by 0.05 standard deviations itself, and the largest of the fourteen of a model with seven parameters by more;
so differences are also given in their own standard errors, whose root mean square is one where the methods agree.

    python -m case_studies.calibration.agreement ../shared/data --models overdamped --runs 30 --out agreement.jsonl
"""

import argparse
import json
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from itertools import chain, groupby
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from arviz_stats.base import array_stats

from bayes_grpo.errors import InputError
from bayes_grpo.inference.layout import Prepared, prepare
from bayes_grpo.inference.posterior import draw_posterior, settled
from bayes_grpo.inference.progress import use_compilation_cache
from bayes_grpo.inference.sampler_settings import Sampler
from bayes_grpo.models.files import load_model
from bayes_grpo.models.spec import ModelSpec
from benchmarks.curves.series import Series, training_series
from case_studies.calibration.ensemble import draw_ensemble

LEVELS = (0.05, 0.95)
MEAN_LIMIT, POINT_LIMIT = 0.1, 0.15
#: Warm-up and kept draws of each of four chains of NUTS.
NUTS_TUNE, NUTS_DRAWS = 500, 1500
#: Laws of one run.
LAWS = (
    "overdamped",
    "oscillator",
    "population",
    "s_curve",
    "power_law",
    "exponential",
    "sigmoid",
    "wandering_level",
    "bounded_overdamped",
    "balance_overdamped",
    "balance",
    "delayed_oscillator",
    "oscillator_free",
    "random_walk",
    "bounded",
)


def chosen(data: Path | None, count: int) -> Iterator[Series]:
    """As many public runs as laboratory runs, drawn once."""
    every = list(training_series(data))
    for laboratory in (False, True):
        group = [series for series in every if (series.kind == "laboratory") == laboratory]
        places = np.random.default_rng(0).permutation(len(group))[:count]
        yield from (group[place] for place in places)


class Reference(NamedTuple):
    """Draws of each parameter, whether they have settled, and how often one lies below a limit, with its error."""

    values: Mapping[str, np.ndarray]
    settled: bool
    share_below: Callable[[str, float], tuple[float, float]]


def by_ensemble(spec: ModelSpec, prepared: Prepared, levels: Mapping[str, np.ndarray]) -> Reference:
    """An ensemble of walkers. It has settled where no share below a limit differs by 5 errors between its halves."""
    ensemble = draw_ensemble(spec, prepared.data, seed=2)
    drifts = [ensemble.drift(name, limit) for name, limits in levels.items() for limit in limits]
    return Reference(ensemble.values, max(map(abs, drifts)) < 5, ensemble.share_below)


def by_nuts(spec: ModelSpec, prepared: Prepared, levels: Mapping[str, np.ndarray]) -> Reference:
    """NUTS with four chains."""
    posterior = draw_posterior(spec, prepared, Sampler("nuts", seed=2, tune=NUTS_TUNE, draws=NUTS_DRAWS))

    def share_below(name: str, limit: float) -> tuple[float, float]:
        below = (posterior.values[name] <= limit).astype(float)
        effective = float(array_stats.ess(below, chain_axis=0, draw_axis=1, method="mean"))
        return float(below.mean()), float(np.sqrt(below.var() / effective))

    return Reference(posterior.values, settled(posterior), share_below)


def compared(series: Series, model: str, reference: str) -> dict[str, Any]:
    """How far the two methods lie apart on a run, for each parameter."""
    began = time.process_time()
    spec = load_model(model)
    prepared = prepare(series.run, spec)
    ours = draw_posterior(spec, prepared, Sampler("importance", seed=1))
    assert ours.quality is not None and ours.weighted is not None
    weights = np.exp(ours.weighted.log_weight.ravel())
    drawn = {name: values.ravel() for name, values in ours.weighted.points.items()}
    limits = {name: np.quantile(v, LEVELS, weights=weights, method="inverted_cdf") for name, v in drawn.items()}
    theirs = (by_ensemble if reference == "ensemble" else by_nuts)(spec, prepared, limits)
    means, points, errors, shares = {}, {}, {}, {}
    for name, values in drawn.items():
        other, sd = theirs.values[name], float(theirs.values[name].std())
        means[name] = (float(np.average(values, weights=weights)) - float(other.mean())) / sd
        points[name] = ((limits[name] - np.quantile(other, LEVELS)) / sd).tolist()
        found = [theirs.share_below(name, limit) for limit in limits[name]]
        shares[name] = [share for share, _ in found]
        errors[name] = [
            (share - level) / float(np.hypot(error, np.sqrt(level * (1 - level) / ours.quality.importance_ess)))
            for (share, error), level in zip(found, LEVELS, strict=True)
        ]
    return {
        "model": model,
        "run": series.label,
        "kind": series.kind,
        "reference": reference,
        "mean": means,
        "point": points,
        "share_below": shares,
        "in_errors": errors,
        "khat": ours.quality.khat,
        "importance_ess": ours.quality.importance_ess,
        "steps": prepared.data.run.grid.value.size,
        "seconds": time.process_time() - began,
        "trusted": not ours.quality.failures(),
        "settled": theirs.settled,
    }


def report(rows: list[dict[str, Any]]) -> str:
    """A line a law: of the runs where both methods are trusted, how many agree, and how far the limits lie apart.

    90 % intervals of importance sampling hold a share of the reference's draws: its mean over runs and parameters, and
    the least.
    """
    lines = [
        "| law | runs | trusted | both | means agree | points agree | largest difference of mean, of point: medians "
        "| intervals hold: mean, least | in standard errors: root mean square | beyond 3 |",
        "|---|---|---|---|---|---|---|---|---|---|",
    ]
    for model in dict.fromkeys(row["model"] for row in rows):
        mine = [row for row in rows if row["model"] == model]
        both = [row for row in mine if row["trusted"] and row["settled"]]
        cells = [model, len(mine), sum(row["trusted"] for row in mine), len(both)]
        if both:
            means, points = (
                np.array([np.abs(list(row[name].values())).max() for row in both]) for name in ("mean", "point")
            )
            held = np.concatenate([np.diff(list(row["share_below"].values())).ravel() for row in both])
            errors = np.concatenate([np.ravel(list(row["in_errors"].values())) for row in both])
            cells += [(means < MEAN_LIMIT).sum(), (points < POINT_LIMIT).sum()]
            cells += [f"{np.median(means):.2f}, {np.median(points):.2f}", f"{held.mean():.1%}, {held.min():.1%}"]
            cells += [f"{np.sqrt(np.mean(errors**2)):.2f}", f"{(np.abs(errors) > 3).sum()} of {errors.size}"]
        lines.append(f"| {' | '.join(map(str, cells))} |")
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path, nargs="?")
    parser.add_argument("--models", nargs="+", default=LAWS)
    parser.add_argument("--runs", type=int, default=30, help="public runs, and as many of the laboratory")
    parser.add_argument("--longest", type=int, default=512, help="runs of more rows, padding included, are left out")
    parser.add_argument("--reference", choices=("ensemble", "nuts"), default="ensemble")
    parser.add_argument("--out", type=Path, default=Path("agreement.jsonl"))
    options = parser.parse_args()
    use_compilation_cache()
    rows = [json.loads(line) for line in options.out.read_text().splitlines()] if options.out.exists() else []
    done = {(row["model"], row["run"]) for row in rows}
    groups = [list(group) for _, group in groupby(chosen(options.data, options.runs), lambda s: s.kind == "laboratory")]
    for series in chain.from_iterable(zip(*groups, strict=True)):
        if prepare(series.run, load_model("overdamped")).data.run.grid.value.size > options.longest:
            continue
        for model in options.models:
            if (model, series.label) in done:
                continue
            try:
                rows.append(compared(series, model, options.reference))
            except InputError as error:  # the law has no use for such a run
                print(f"{series.label}, {model}: {error}", file=sys.stderr)
                continue
            with options.out.open("a", encoding="utf-8") as file:
                file.write(json.dumps(rows[-1]) + "\n")
    print(report(rows))


if __name__ == "__main__":
    main()
