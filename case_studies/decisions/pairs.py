"""Is P(better) calibrated? Pairs of runs whose true difference is known, at three lengths."""

import argparse
from itertools import pairwise
from pathlib import Path

import numpy as np
import xarray as xr

import bayes_grpo
from bayes_grpo.inference.evaluate import evaluator
from bayes_grpo.inference.fit import light_fit
from bayes_grpo.inference.layout import prepare
from bayes_grpo.inference.prior import draw_prior
from bayes_grpo.inference.progress import use_compilation_cache
from case_studies.common.table import Table

#: Spread between seeds of the simulation, as a share of the range; the prior's median.
SPREAD = 0.005
LENGTHS = (30, 60, 120)
BINS = (0.0, 0.1, 0.25, 0.5, 0.75, 0.9, 1.0)


def template(rows: int) -> xr.Dataset:
    """A run of 120 planned steps of which so many are made."""
    facts = {"group_size": 8, "prompts_per_step": 16, "logging_window": 1, "planned_steps": 120}
    columns = {"optimizer_step": np.arange(1, rows + 1), "reward": np.linspace(0.2, 0.6, rows)}
    return bayes_grpo.make_run("pair", columns, facts | {"reward_lower": 0, "reward_upper": 1})


def compare(rows: int, seed: int, seeds: int) -> tuple[float, float, bool, float]:
    """P(better), the true difference of two configurations, whether its 90 % interval holds it, and its width.

    Parameters come from the model's own prior. Seeds of a configuration scatter in their plateau, and each has its own
    fluctuation and noise.
    """
    run, rng, spec = template(rows), np.random.default_rng(seed), bayes_grpo.load_model("population")
    prepared = prepare(run, spec)
    drawn = draw_prior(spec, prepared.data, 2, rng)
    levels, sides = evaluator(spec).derive(drawn, prepared.data)["plateau"], {}
    for side in range(2):
        values = {name: np.repeat(np.asarray(value)[side], seeds) for name, value in drawn.items()}
        values["rise"] = values["rise"] + SPREAD * rng.normal(size=seeds)
        _, logged = evaluator(spec).simulate(values, prepared.data, rng)
        made = [run.assign(reward=(("run", "step"), rewards[None])) for rewards in logged[:, prepared.rows[0]]]
        sides["AB"[side]] = [light_fit(one, seed=seed + number) for number, one in enumerate(made)]
    result = bayes_grpo.contrast(sides, any_start=True, lengths=False, seed=seed)
    summary = bayes_grpo.summarise_contrast(result)
    row = summary["differences"]["plateau"]
    gap = float(levels[0] - levels[1])
    return summary["probability_better"], gap, row["lower"] < gap < row["upper"], row["upper"] - row["lower"]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--pairs", type=int, default=100, help="of each length and number of seeds")
    options = parser.parse_args()
    use_compilation_cache()
    table = Table(options.out / "pairs.csv", ("key", "rows", "seeds", "better", "difference", "inside", "width"))
    keys = [f"{rows}-{seeds}-{i}" for i in range(options.pairs) for rows in LENGTHS for seeds in (1, 2)]
    for key in table.missing(keys):
        rows, seeds, number = map(int, key.split("-"))
        chance, gap, inside, width = compare(rows, 7919 * number + rows, seeds)
        table.add(key, rows, seeds, chance, gap, int(inside), width)
    report(table)


def report(table: Table) -> None:
    """The reliability table, and the coverage of the difference."""
    rows = table.rows()
    chance = np.array([float(row["better"]) for row in rows])
    better = np.array([float(row["difference"]) > 0 for row in rows])
    for low, high in pairwise(BINS):
        inside = (chance >= low) & (chance <= high if high == 1 else chance < high)
        if inside.any():
            print(f"{low:.2f} to {high:.2f}: {inside.sum():4d} pairs, said {chance[inside].mean():.3f}, "
                  f"A was better in {better[inside].mean():.3f}")  # fmt: skip
    for length in LENGTHS:
        for seeds in (1, 2):
            of = [row for row in rows if (int(row["rows"]), int(row["seeds"])) == (length, seeds)]
            cover = np.mean([int(row["inside"]) for row in of])
            width = np.median([float(row["width"]) for row in of])
            print(f"{length} rows, {seeds} seeds: {len(of)} pairs, coverage {cover:.3f}, width {width:.3f}")
    print("Brier score", round(float(np.mean((chance - better) ** 2)), 4))


if __name__ == "__main__":
    main()
