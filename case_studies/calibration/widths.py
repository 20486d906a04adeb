"""Widths of 90 % intervals from importance sampling as it ships, over those from eight times as many points.

Runs are simulated from the prior, as for simulation-based calibration. The reference has 6,144 points a generation and
six components instead of 768 and three. It has errors of its own, but intervals that it finds wider on average were too
narrow. Resumable: a line of JSON a run.

    python -m case_studies.calibration.widths --models s_curve overdamped --runs 24 --out widths
"""

import argparse
import json
from dataclasses import replace
from pathlib import Path

import numpy as np

import bayes_grpo
from bayes_grpo.inference.evaluate import evaluator
from bayes_grpo.inference.importance.draws import SETTINGS
from bayes_grpo.inference.importance.pareto import smooth_weights
from bayes_grpo.inference.importance.quality import effective_draws, trusted_weights
from bayes_grpo.inference.importance.sampler import Settings, sample_weighted
from bayes_grpo.inference.importance.target import Target, target_of
from bayes_grpo.inference.layout import ModelData, prepare
from bayes_grpo.inference.prior import draw_prior
from bayes_grpo.inference.progress import use_compilation_cache
from case_studies.calibration.sbc import blank_runs

REFERENCE = replace(SETTINGS, points=6144, rounds=6, components=6, polish=3)
LEVELS = (0.05, 0.95)


def limits(target: Target, data: ModelData, settings: Settings, seed: int) -> tuple[dict[str, list[float]], bool]:
    """5 and 95 % points of every parameter, and whether the weights can be trusted."""
    rng = np.random.default_rng(seed)
    start, _ = target.draw_prior(rng, data, settings.repetitions, settings.points)
    weighted = sample_weighted(lambda points: target.evaluate(points, data), start, rng, settings, trusted_weights)
    smoothed, khat = smooth_weights(weighted.log_weight[0].ravel())
    weights = np.exp(smoothed)
    points = {}
    for name, values in weighted.values.items():
        order = np.argsort(values[0].ravel())
        below = np.cumsum(weights[order])
        points[name] = np.interp(LEVELS, below / below[-1], values[0].ravel()[order]).tolist()
    return points, bool(khat <= 0.7 and effective_draws(smoothed) >= 400)


def compared(model: str, place: int) -> dict:
    """Ratios of widths on one simulated run."""
    spec = bayes_grpo.load_model(model)
    data, functions, target = prepare(blank_runs(60, False), spec).data, evaluator(spec), target_of(spec)
    rng = np.random.default_rng([7, place])
    truth = draw_prior(spec, data, 1, rng)
    logged = functions.simulate(truth, data, rng)[1][0]
    grid = data.run.grid._replace(value=np.where(data.run.grid.observed > 0, logged, 0.0))
    data = data._replace(run=data.run._replace(grid=grid))
    (shipped, good), (wide, sound) = (limits(target, data, s, place) for s in (SETTINGS, REFERENCE))
    ratios = {name: float(np.ptp(shipped[name]) / np.ptp(wide[name])) for name in shipped}
    return {"place": place, "trusted": good and sound, "ratios": ratios}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--models", nargs="+", default=["s_curve", "overdamped"])
    parser.add_argument("--runs", type=int, default=24)
    parser.add_argument("--out", type=Path, default=Path("widths"))
    options = parser.parse_args()
    use_compilation_cache()
    options.out.mkdir(parents=True, exist_ok=True)
    for model in options.models:
        kept = options.out / f"{model}.jsonl"
        rows = [json.loads(line) for line in kept.read_text().splitlines()] if kept.exists() else []
        for place in range(len(rows), options.runs):
            rows.append(compared(model, place))
            with kept.open("a", encoding="utf-8") as file:
                file.write(json.dumps(rows[-1]) + "\n")
        trusted = [row["ratios"] for row in rows if row["trusted"]]
        print(f"{model}: {len(trusted)} of {len(rows)} runs where both are trusted")
        for name in trusted[0]:
            ratios = np.array([row[name] for row in trusted])
            print(f"  {name:20} {ratios.mean():.3f} +- {ratios.std() / np.sqrt(ratios.size):.3f}")


if __name__ == "__main__":
    main()
