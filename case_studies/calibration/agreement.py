"""Importance sampling against NUTS on real runs: how far means and interval limits lie apart, in posterior sds.

Public runs come from a folder beside the repository, the laboratory's from this one. Resumable: a line of JSON a run
and model. Prints the share of runs where all means agree within 0.1 and all 5 and 95 % points within 0.15 standard
deviations. A limit of 2,000 effective draws is uncertain by 0.05 standard deviations itself, and the largest of the
fourteen of a model with seven parameters by more; so differences are also given in their own standard errors, whose
root mean square is one where the methods agree.

    python -m case_studies.calibration.agreement ../shared/data --models overdamped --runs 30 --out agreement.jsonl
"""

import argparse
import json
import sys
import time
from collections.abc import Iterator
from itertools import chain, groupby
from pathlib import Path
from typing import Any

import numpy as np
from arviz_stats.base import array_stats

from bayes_grpo.errors import InputError
from bayes_grpo.inference.importance.quality import Quality
from bayes_grpo.inference.layout import prepare
from bayes_grpo.inference.posterior import draw_posterior, settled
from bayes_grpo.inference.progress import use_compilation_cache
from bayes_grpo.inference.sampler_settings import Sampler
from bayes_grpo.models.files import load_model
from benchmarks.curves.series import Series, training_series

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
    "bounded",
)


def chosen(data: Path | None, count: int) -> Iterator[Series]:
    """As many public runs as laboratory runs, drawn once."""
    every = list(training_series(data))
    for laboratory in (False, True):
        group = [series for series in every if (series.kind == "laboratory") == laboratory]
        places = np.random.default_rng(0).permutation(len(group))[:count]
        yield from (group[place] for place in places)


def compared(series: Series, model: str) -> dict[str, Any]:
    """How far the two methods lie apart on a run."""
    began = time.process_time()
    spec = load_model(model)
    prepared = prepare(series.run, spec)
    ours = draw_posterior(spec, prepared, Sampler("importance", seed=1))
    theirs = draw_posterior(spec, prepared, Sampler("nuts", seed=2, tune=NUTS_TUNE, draws=NUTS_DRAWS))
    assert ours.quality is not None and ours.weighted is not None
    weights = np.exp(ours.weighted.log_weight.ravel())
    means, points, errors = [], [], []
    for name, values in ours.weighted.points.items():
        other, draws = theirs.values[name], values.ravel()
        sd = float(other.std())
        means.append(abs(float(np.average(draws, weights=weights) - other.mean())) / sd)
        limits = np.quantile(draws, LEVELS, weights=weights, method="inverted_cdf")
        differences = limits - np.quantile(other, LEVELS)
        points.append(float(np.abs(differences).max()) / sd)
        errors += [float(d) / _error(other, level, ours.quality) for d, level in zip(differences, LEVELS, strict=True)]
    return {
        "model": model,
        "run": series.label,
        "kind": series.kind,
        "mean": max(means),
        "point": max(points),
        "in_errors": errors,
        "khat": ours.quality.khat,
        "importance_ess": ours.quality.importance_ess,
        "steps": prepared.data.run.grid.value.size,
        "seconds": time.process_time() - began,
        "trusted": not ours.quality.failures(),
        "nuts_settled": settled(theirs),
    }


def _error(theirs: np.ndarray, level: float, quality: Quality) -> float:
    """Standard error of the difference of a quantile between importance sampling and draws (chain, draw) of NUTS."""
    effective = float(array_stats.ess(theirs, chain_axis=0, draw_axis=1, method="quantile", prob=level))
    spacing = float(np.ptp(np.quantile(theirs, [level - 0.02, level + 0.02]))) / 0.04
    return spacing * float(np.sqrt(level * (1 - level) * (1 / effective + 1 / quality.importance_ess)))


def report(rows: list[dict[str, Any]]) -> str:
    """A line a model: of runs that both methods trust, how many agree; and of how many importance sampling doubts."""
    lines = [
        "model                runs  trusted  both  means agree  points agree  median mean  point  rms  beyond 3 errors"
    ]
    for model in dict.fromkeys(row["model"] for row in rows):
        mine = [row for row in rows if row["model"] == model]
        both = [row for row in mine if row["trusted"] and row["nuts_settled"]]
        means, points = (np.array([row[name] for row in both]) for name in ("mean", "point"))
        errors = np.concatenate([row["in_errors"] for row in both]) if both else np.zeros(0)
        lines.append(
            f"{model:20} {len(mine):4}  {sum(row['trusted'] for row in mine):7}  {len(both):4}  "
            f"{(means < MEAN_LIMIT).sum():11}  {(points < POINT_LIMIT).sum():12}  "
            f"{np.median(means):11.3f}  {np.median(points):5.3f}  {np.sqrt(np.mean(errors**2)):4.2f}  "
            f"{(np.abs(errors) > 3).sum()} of {errors.size}"
        )
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path, nargs="?")
    parser.add_argument("--models", nargs="+", default=LAWS)
    parser.add_argument("--runs", type=int, default=30, help="public runs, and as many of the laboratory")
    parser.add_argument("--out", type=Path, default=Path("agreement.jsonl"))
    options = parser.parse_args()
    use_compilation_cache()
    rows = [json.loads(line) for line in options.out.read_text().splitlines()] if options.out.exists() else []
    done = {(row["model"], row["run"]) for row in rows}
    groups = [list(group) for _, group in groupby(chosen(options.data, options.runs), lambda s: s.kind == "laboratory")]
    for series in chain.from_iterable(zip(*groups, strict=True)):
        for model in options.models:
            if (model, series.label) in done:
                continue
            try:
                rows.append(compared(series, model))
            except InputError as error:  # the law has no use for such a run
                print(f"{series.label}, {model}: {error}", file=sys.stderr)
                continue
            with options.out.open("a", encoding="utf-8") as file:
                file.write(json.dumps(rows[-1]) + "\n")
    print(report(rows))


if __name__ == "__main__":
    main()
