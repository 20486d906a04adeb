"""Exponent of the settled fluctuation in the group size, predicted by closed forms and measured.

Near the plateau Var x = q / (2 k). Under SGD stiffness k and noise q are the drift's slope and the update's variance,
both known in closed form for one softmax over the answers. Adam divides by the gradient's root mean square, which is
mostly noise: q does not depend on G then, k goes as slope over root of the variance, and Var x as the root of the
variance over the slope.
"""

import csv
from pathlib import Path

import numpy as np

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


def seen() -> dict[str, tuple[float, float, float]]:
    """Exponent and its 90 % interval by resampling seeds, for each optimizer."""
    rows = list(csv.DictReader((FOLDER / "twin" / "fluctuation.csv").open()))
    rng, out = np.random.default_rng(0), {}
    for optimizer in dict.fromkeys(row["optimizer"] for row in rows):
        mine = [row for row in rows if row["optimizer"] == optimizer]
        sizes = sorted({int(row["group_size"]) for row in mine})
        groups = [np.array([float(row["variance"]) for row in mine if int(row["group_size"]) == g]) for g in sizes]

        def slope(draw: bool, groups: list[np.ndarray] = groups, sizes: list[int] = sizes) -> float:
            means = [rng.choice(g, g.size).mean() if draw else g.mean() for g in groups]
            return float(np.polyfit(np.log(sizes), np.log(means), 1)[0])

        low, high = np.quantile([slope(True) for _ in range(REPLICATES)], (0.05, 0.95))
        out[optimizer] = (slope(False), float(low), float(high))
    return out


def main() -> None:
    for name, exponent in predicted().items():
        print(f"{name}: predicted {exponent:.2f}")
    if (FOLDER / "twin" / "fluctuation.csv").exists():
        for name, figures in seen().items():
            print(f"{name}: seen {figures[0]:.2f} ({figures[1]:.2f} to {figures[2]:.2f})")


if __name__ == "__main__":
    main()
