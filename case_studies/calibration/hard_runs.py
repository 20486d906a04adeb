"""How often importance sampling doubts itself on hard runs, law by law; NUTS would follow there.

Five kinds of run are simulated, none from a law of the package: noisy ones (a notebook's 8 completions a step), runs
that rise and collapse, flat runs, runs of 12 rows and runs of 5,000. Public runs of up to 256 rows come from a folder
beside the repository. Resumable: a line of JSON a fit. Prints, by law and kind, the fits that break a limit.

    python -m case_studies.calibration.hard_runs ../shared/data --seeds 10 --out hard_runs.jsonl
"""

import argparse
import json
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

from bayes_grpo.inference.importance.draws import draw_importance
from bayes_grpo.inference.layout import prepare
from bayes_grpo.inference.progress import use_compilation_cache
from bayes_grpo.inference.sampler_settings import Sampler
from bayes_grpo.models.files import load_model
from bayes_grpo.runs.dataset import make_run
from benchmarks.curves.series import training_series

#: Laws of one run whose priors need nothing that a log may lack.
MODELS = (
    "random_walk", "wandering_level", "exponential", "sigmoid", "overdamped", "population", "oscillator",
    "oscillator_free", "delayed_oscillator", "power_law", "s_curve", "bounded_overdamped", "bounded",
)  # fmt: skip
#: Rows of each kind, and completions a row, which set the noise.
KINDS = {
    "noisy": (128, 8),
    "collapsed": (128, 128),
    "flat": (128, 128),
    "12 rows": (12, 128),
    "5,000 rows": (5000, 128),
}
#: Seeds of the longest runs, and rows of the longest public run.
FEW, LONGEST = 3, 256


def simulated(kind: str, seed: int) -> xr.Dataset:
    """A run of successes: each reward is the share of a row's completions that are right."""
    rows, completions = KINDS[kind]
    rng = np.random.default_rng([sorted(KINDS).index(kind), seed])
    step = np.arange(1, rows + 1)
    start, end = rng.uniform(0.1, 0.4), rng.uniform(0.5, 0.9)
    level = start + (end - start) * -np.expm1(-step / (rows * rng.uniform(0.1, 1.0)))
    if kind == "flat":
        level = np.full(rows, start)
    if kind == "collapsed":
        left = 1 / (1 + np.exp((step - rows * rng.uniform(0.4, 0.8)) / (rows * rng.uniform(0.005, 0.05))))
        level = level * left + 0.02
    correlation = np.exp(-1 / 10)
    drift = np.zeros(rows)
    for row in range(1, rows):
        drift[row] = correlation * drift[row - 1] + 0.1 * np.sqrt(1 - correlation**2) * rng.normal()
    share = 1 / (1 + np.exp(-np.log(level / (1 - level)) - drift))
    columns = {"optimizer_step": step, "reward": rng.binomial(completions, share) / completions}
    facts = {"group_size": 8, "prompts_per_step": completions // 8, "reward_lower": 0.0, "reward_upper": 1.0}
    return make_run(f"{kind} {seed}", columns, facts)


def runs(data: Path | None, seeds: int, public: int) -> Iterator[tuple[str, str, xr.Dataset]]:
    """Kind, label and run."""
    for kind, (rows, _) in KINDS.items():
        for seed in range(min(seeds, FEW) if rows > LONGEST else seeds):
            yield kind, str(seed), simulated(kind, seed)
    if data is not None:
        every = [s for s in training_series(data) if s.kind != "laboratory" and s.run.sizes["step"] <= LONGEST]
        for place in np.random.default_rng(0).permutation(len(every))[:public]:
            yield "public", every[place].label, every[place].run


def sampled(run: xr.Dataset, model: str) -> dict[str, Any]:
    """Diagnostics of a fit, the limits that it breaks, and its processor seconds once compiled."""
    spec = load_model(model)
    prepared = prepare(run, spec)
    began = time.process_time()
    quality = draw_importance(spec, prepared.data, Sampler("importance", seed=1)).quality
    broken = [note.subject for note in quality.failures()]
    return quality.as_dict() | {"broken": broken, "seconds": time.process_time() - began}


def report(rows: list[dict[str, Any]]) -> str:
    """Fits that break a limit of all fits, by law and kind; the limits that are broken; the median seconds."""
    kinds = [kind for kind in (*KINDS, "public") if any(row["kind"] == kind for row in rows)]
    lines = [f"| law | {' | '.join(kinds)} | all | broken: k-hat, ESS, repetitions, power | s |"]
    lines.append("|---|" + "---|" * (len(kinds) + 3))
    for model in (*dict.fromkeys(row["model"] for row in rows), None):
        mine = [row for row in rows if model in (None, row["model"])]
        cells = [_share([row for row in mine if row["kind"] == kind]) for kind in kinds]
        limits = Counter(limit for row in mine for limit in row["broken"])
        counts = ", ".join(str(limits[limit]) for limit in ("khat", "importance_ess", "disagreement", "power"))
        seconds = np.median([row["seconds"] for row in mine])
        lines.append(f"| {model or 'all'} | {' | '.join(cells)} | {_share(mine)} | {counts} | {seconds:.2f} |")
    return "\n".join(lines)


def _share(rows: list[dict[str, Any]]) -> str:
    return f"{sum(bool(row['broken']) for row in rows)} of {len(rows)}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path, nargs="?")
    parser.add_argument("--models", nargs="+", default=list(MODELS))
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--public", type=int, default=12, help="public runs")
    parser.add_argument("--out", type=Path, default=Path("hard_runs.jsonl"))
    options = parser.parse_args()
    use_compilation_cache()
    rows = [json.loads(line) for line in options.out.read_text().splitlines()] if options.out.exists() else []
    done = {(row["model"], row["kind"], row["label"]) for row in rows}
    for model in options.models:
        for kind, label, run in runs(options.data, options.seeds, options.public):
            if (model, kind, label) in done:
                continue
            rows.append({"model": model, "kind": kind, "label": label, **sampled(run, model)})
            with options.out.open("a", encoding="utf-8") as file:
                file.write(json.dumps(rows[-1]) + "\n")
    print(report(rows))


if __name__ == "__main__":
    main()
