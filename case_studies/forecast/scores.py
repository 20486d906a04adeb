"""What a forecast is judged by: block means of the remaining run, and the logged rewards themselves."""

from typing import NamedTuple

import numpy as np

BLOCKS = 5
#: A series is scored on at most this many logged rewards, spread evenly.
MOST_ROWS = 100


class Predicted(NamedTuple):
    """A forecast of the rewards to come.

    ``blocks`` are draws of their means over blocks, shape (draw, BLOCKS), ``rewards`` draws of themselves, shape
    (draw, row), and ``log_density`` is the density of the true ones.
    """

    blocks: np.ndarray
    rewards: np.ndarray
    log_density: np.ndarray


def block_of(rows: int) -> np.ndarray:
    """Block of each row to come: equal numbers of rows."""
    block: np.ndarray = np.arange(rows) * BLOCKS // rows
    return block


def block_means(values: np.ndarray) -> np.ndarray:
    """Means over the blocks of the last axis."""
    block = block_of(values.shape[-1])
    return np.stack([values[..., block == i].mean(-1) for i in range(BLOCKS)], axis=-1)


def crps(draws: np.ndarray, truth: np.ndarray) -> np.ndarray:
    """Continuous ranked probability score of draws (draw, case) at the truth (case); Gneiting and Raftery 2007."""
    ordered, count = np.sort(draws, axis=0), draws.shape[0]
    spread = 2 * np.arange(1, count + 1)[:, None] - count - 1
    score: np.ndarray = np.abs(draws - truth).mean(0) - (spread * ordered).sum(0) / count**2
    return score


def scored(predicted: Predicted, truth: np.ndarray, sd: float) -> dict[str, float]:
    """Scores of a series in units of its standard deviation ``sd``; the log score is that of reward over ``sd``."""
    blocks, kept = block_means(truth), kept_rows(truth.size)
    row = {"crps_blocks": float(crps(predicted.blocks, blocks).mean() / sd)}
    for level in (0.5, 0.9):
        low, high = np.quantile(predicted.blocks, [(1 - level) / 2, (1 + level) / 2], axis=0)
        row[f"cover_{level:.0%}"] = float(((blocks >= low) & (blocks <= high)).mean())
    row["pit"] = [round(float(value), 3) for value in (predicted.blocks <= blocks).mean(0)]
    row["crps_rewards"] = float(crps(predicted.rewards[:, kept], truth[kept]).mean() / sd)
    row["log_score"] = float(np.mean(predicted.log_density[kept]) + np.log(sd))
    row["error_last_fifth"] = float(abs(np.median(predicted.blocks[:, -1]) - blocks[-1]) / sd)
    return row


def kept_rows(rows: int) -> np.ndarray:
    """Which rewards to come are scored one by one."""
    return np.unique(np.linspace(0, rows - 1, min(rows, MOST_ROWS)).round().astype(int))


def mixed_density(mean: np.ndarray, sd: np.ndarray, truth: np.ndarray) -> np.ndarray:
    """Log of the mean over draws of normal densities, means (draw, row), sds (draw, 1) or the like."""
    log = -0.5 * ((truth - mean) / sd) ** 2 - np.log(sd) - 0.5 * np.log(2 * np.pi)
    top = log.max(0)
    density: np.ndarray = top + np.log(np.exp(log - top).mean(0))
    return density
