"""Is P(better) calibrated? Pairs of runs whose true difference is known, at three lengths."""

import argparse
from itertools import pairwise
from pathlib import Path

import numpy as np
import xarray as xr

import bayes_grpo
from bayes_grpo.analysis.decisions.contrast.measures import MEASURES, SPREAD_LOG_SD
from bayes_grpo.inference.convergence import diagnose_sampling
from bayes_grpo.inference.evaluate import evaluator
from bayes_grpo.inference.fit import light_fit
from bayes_grpo.inference.layout import prepare
from bayes_grpo.inference.prior import draw_prior
from bayes_grpo.inference.progress import use_compilation_cache
from case_studies.common.table import Table

#: Laws that runs are drawn from and fitted by.
MODELS = ("s_curve", "population")
LENGTHS = (30, 60, 120)
BINS = (0.0, 0.1, 0.25, 0.5, 0.75, 0.9, 1.0)
COLUMNS = ("key", "model", "rows", "difference")
COLUMNS += tuple(f"{seeds}_{name}" for seeds in ("one", "two") for name in ("better", "inside", "width"))


def template(rows: int) -> xr.Dataset:
    """A run of 120 planned steps of which so many are made."""
    facts = {"group_size": 8, "prompts_per_step": 16, "logging_window": 1, "planned_steps": 120}
    columns = {"optimizer_step": np.arange(1, rows + 1), "reward": np.linspace(0.2, 0.6, rows)}
    return bayes_grpo.make_run("pair", columns, facts | {"reward_lower": 0, "reward_upper": 1})


def drawn_sides(model: str, rows: int, seed: int, seeds: int = 2) -> tuple[dict[str, list[xr.DataTree]], float]:
    """Fits of the seeds of two configurations, and the true difference of these.

    Parameters come from the model's own prior, and the spread between seeds from that of `bayes_grpo.contrast`. Seeds
    of a configuration scatter in their plateau, and each has its own fluctuation and noise.
    """
    run, rng, spec = template(rows), np.random.default_rng(seed), bayes_grpo.load_model(model)
    prepared = prepare(run, spec)
    drawn = draw_prior(spec, prepared.data, 2, rng)
    spread = MEASURES["plateau"].spread * np.exp(SPREAD_LOG_SD * rng.standard_normal())
    levels, sides = evaluator(spec).derive(drawn, prepared.data)["plateau"], {}
    for side in range(2):
        values = {name: np.repeat(np.asarray(value)[side], seeds) for name, value in drawn.items()}
        values["rise"] = values["rise"] + spread * rng.normal(size=seeds)
        _, logged = evaluator(spec).simulate(values, prepared.data, rng)
        made = [run.assign(reward=(("run", "step"), rewards[None])) for rewards in logged[:, prepared.rows[0]]]
        # NUTS would follow where importance sampling cannot be trusted, and take a hundred times as long.
        sides["AB"[side]] = [
            light_fit(one, spec, method="importance", seed=seed + number) for number, one in enumerate(made)
        ]
    return sides, float(levels[0] - levels[1])


def trusted(sides: dict[str, list[xr.DataTree]]) -> bool:
    """Whether importance sampling is content with all fits; `bayes_grpo.fit` would hand the others to NUTS."""
    return not any(diagnose_sampling(fit).failures() for fits in sides.values() for fit in fits)


def compare(sides: dict[str, list[xr.DataTree]], seeds: int, gap: float, seed: int) -> tuple[float, int, float]:
    """P(better) by so many seeds, whether the 90 % interval of the difference holds the true one, and its width."""
    some = {name: fits[:seeds] for name, fits in sides.items()}
    result = bayes_grpo.contrast(some, any_start=True, lengths=False, seed=seed)
    summary = bayes_grpo.summarise_contrast(result)
    row = summary["differences"]["plateau"]
    return summary["probability_better"], int(row["lower"] < gap < row["upper"]), row["upper"] - row["lower"]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--pairs", type=int, default=100, help="of each law and length")
    options = parser.parse_args()
    use_compilation_cache()
    table = Table(options.out / "pairs.csv", COLUMNS)
    cells = [(model, rows) for model in MODELS for rows in LENGTHS]
    for key in table.missing([f"{model}-{rows}-{i}" for i in range(options.pairs) for model, rows in cells]):
        model, rows, number = key.split("-")
        try:
            sides, gap = drawn_sides(model, int(rows), 7919 * int(number) + int(rows))
        except bayes_grpo.InputError:  # rewards so steep that no law is fitted to them
            continue
        if trusted(sides):
            one, two = (compare(sides, seeds, gap, int(number)) for seeds in (1, 2))
            table.add(key, model, rows, gap, *one, *two)
    report(table)


def report(table: Table) -> None:
    """The reliability of P(better) by two seeds, and the coverage of the difference by one and by two."""
    rows = table.rows()
    better = np.array([float(row["difference"]) > 0 for row in rows])
    for seeds in ("one", "two"):
        chance = np.array([float(row[f"{seeds}_better"]) for row in rows])
        print(f"{seeds}: Brier score {np.mean((chance - better) ** 2):.4f}")
        for low, high in pairwise(BINS):
            inside = (chance >= low) & (chance <= high if high == 1 else chance < high)
            if inside.any():
                print(
                    f"{low:.2f} to {high:.2f}: {inside.sum():4d} pairs, said {chance[inside].mean():.3f}, "
                    f"A was better in {better[inside].mean():.3f}"
                )
    for cell in sorted({(row["model"], int(row["rows"])) for row in rows}):
        of = [row for row in rows if (row["model"], int(row["rows"])) == cell]
        parts = []
        for seeds in ("one", "two"):
            cover = np.mean([int(row[f"{seeds}_inside"]) for row in of])
            width = np.median([float(row[f"{seeds}_width"]) for row in of])
            parts.append(f"{seeds}: coverage {cover:.3f}, width {width:.3f}")
        print(f"{cell[0]}, {cell[1]} rows, {len(of)} pairs; {'; '.join(parts)}")


if __name__ == "__main__":
    main()
