"""Exponent of the settled fluctuation in the group size, predicted by closed forms and measured.

Near the plateau Var x = q / (2 k). Under SGD stiffness k and noise q are the drift's slope and the update's variance,
both known in closed form for one softmax over the answers. Adam divides by the gradient's root mean square, which is
mostly noise: q does not depend on G then, k goes as slope over root of the variance, and Var x as the root of the
variance over the slope.
"""

import csv
from pathlib import Path
from typing import Any

import numpy as np
from scipy.stats import ttest_ind

from bayes_grpo.bandit import Bandit, linearise

SIZES = (8, 16, 32, 64)
FOLDER = Path(__file__).parent
REPLICATES = 4000


def predicted() -> dict[str, float]:
    """Exponents of the variance in G over `SIZES`."""
    shapes: dict[str, list[float]] = {"sgd": [], "adamw_torch": []}
    for size in SIZES:
        task = Bandit(
            reward_mean=(0.8, *[0.2] * 10), kl=0.4, normalisation="group", group_size=size, prompts_per_step=4
        )
        near = linearise(task, "finite")
        noise, slope = near.temperature / size, float(near.stiffness[-1])
        shapes["sgd"].append(noise / slope)
        shapes["adamw_torch"].append(noise**0.5 / slope)
    return {name: float(np.polyfit(np.log(SIZES), np.log(shape), 1)[0]) for name, shape in shapes.items()}


def read(file: Path) -> list[dict[str, str]]:
    """Rows of a table."""
    with file.open(encoding="utf-8") as lines:
        return list(csv.DictReader(lines))


def exponent(
    rows: list[dict[str, str]], column: str, sizes: tuple[int, ...], average: Any
) -> tuple[float, float, float]:
    """Exponent of a column in G over some sizes, and its 90 % interval by resampling the seeds of each size."""
    rng = np.random.default_rng(0)
    groups = [np.array([float(row[column]) for row in rows if int(row["group_size"]) == size]) for size in sizes]

    def slope(draw: bool) -> float:
        levels = [average(rng.choice(group, group.size) if draw else group) for group in groups]
        return float(np.polyfit(np.log(sizes), np.log(levels), 1)[0])

    low, high = np.quantile([slope(True) for _ in range(REPLICATES)], (0.05, 0.95))
    return slope(False), float(low), float(high)


def exponent_by_t(rows: list[dict[str, str]], sizes: tuple[int, int]) -> tuple[float, float, float]:
    """Exponent of the variance between two sizes, with Welch's 90 % interval of the logarithms: for a few seeds."""
    small, large = (
        np.log([float(row["variance"]) for row in rows if int(row["group_size"]) == size]) for size in sizes
    )
    interval = ttest_ind(large, small, equal_var=False).confidence_interval(0.9)
    span = np.log(sizes[1] / sizes[0])
    return (large.mean() - small.mean()) / span, interval.low / span, interval.high / span


def _told(figures: tuple[float, float, float]) -> str:
    return f"{figures[0]:.2f} ({figures[1]:.2f} to {figures[2]:.2f})"


def main() -> None:
    for name, value in predicted().items():
        print(f"{name}: predicted {value:.2f}")
    averages = {"mean": np.mean, "median": np.median, "geometric": lambda values: np.exp(np.log(values).mean())}
    for table in ("fluctuation", "fluctuation_long"):
        rows = read(FOLDER / "twin" / f"{table}.csv")
        for optimizer, momentum in dict.fromkeys((row["optimizer"], row.get("momentum", "")) for row in rows):
            mine = [row for row in rows if (row["optimizer"], row.get("momentum", "")) == (optimizer, momentum)]
            known = {int(row["group_size"]) for row in mine}
            for sizes in (SIZES, (16, 32, 64, 128)) if "momentum" in rows[0] else (tuple(sorted(known)),):
                told = [f"{name} {_told(exponent(mine, 'variance', sizes, a))}" for name, a in averages.items()]
                if "momentum" in rows[0]:
                    told += [f"time {_told(exponent(mine, 'time', sizes, np.median))}"]
                    told += [f"update {_told(exponent(mine, 'update', sizes, np.mean))}"]
                    told += [f"later half, median {_told(exponent(mine, 'variance_2', sizes, np.median))}"]
                print(f"{table}, {optimizer} {momentum}, G = {sizes}: " + "; ".join(told))
    rows = read(FOLDER / "compared" / "fluctuation.csv")
    for optimizer in dict.fromkeys(row["optimizer"] for row in rows):
        mine = [row for row in rows if row["optimizer"] == optimizer]
        print(f"GRPOTrainer, {optimizer}, {len(mine)} runs: {_told(exponent_by_t(mine, (8, 64)))}")


if __name__ == "__main__":
    main()
