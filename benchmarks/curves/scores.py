"""What a forecast is judged by: block means of the remaining run, and the logged rewards themselves."""

from typing import NamedTuple

import numpy as np

from benchmarks.curves.contract import Forecast

BLOCKS = 5
#: A series is scored on at most this many logged rewards, spread evenly.
MOST_ROWS = 100
#: Draws at most of a forecast.
MOST_DRAWS = 400


class Predicted(NamedTuple):
    """A forecast of the rewards to come.

    ``blocks`` are draws of their means over blocks, shape (draw, BLOCKS), ``rewards`` draws of themselves and
    ``log_density`` the log density of the true ones, shapes (draw, row) and (row,), both at `kept_rows` only.
    """

    blocks: np.ndarray
    rewards: np.ndarray
    log_density: np.ndarray


def predicted(forecast: Forecast, truth: np.ndarray, seed: int) -> Predicted:
    """What a forecast says of what is scored; noise is drawn here, alike for all forecasters."""
    rng, draws = np.random.default_rng(seed), forecast.expected.shape[0]
    taken = np.linspace(0, draws - 1, min(draws, MOST_DRAWS)).round().astype(int)
    noise = np.broadcast_to(forecast.noise, forecast.expected.shape)[taken]
    expected, kept = forecast.expected[taken], kept_rows(truth.size)
    spread = np.sqrt(block_means(noise**2) / np.bincount(block_of(truth.size)))
    blocks = block_means(expected) + spread * rng.standard_normal(spread.shape)
    rewards = expected[:, kept] + noise[:, kept] * rng.standard_normal((taken.size, kept.size))
    return Predicted(blocks, rewards, mixed_density(expected[:, kept], noise[:, kept], truth[kept]))


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


def scored(predicted: Predicted, truth: np.ndarray, sd: float) -> dict[str, float | list[float]]:
    """Scores of a series in units of its standard deviation ``sd``; the log score is that of reward over ``sd``."""
    blocks, kept = block_means(truth), kept_rows(truth.size)
    pit = (predicted.blocks <= blocks).mean(0)
    row: dict[str, float | list[float]] = {"crps_blocks": float(crps(predicted.blocks, blocks).mean() / sd)}
    for level in (0.5, 0.9):
        low, high = np.quantile(predicted.blocks, [(1 - level) / 2, (1 + level) / 2], axis=0)
        row[f"cover_{level:.0%}"] = float(((blocks >= low) & (blocks <= high)).mean())
    row["pit"] = [round(float(value), 3) for value in pit]
    row["crps_rewards"] = float(crps(predicted.rewards, truth[kept]).mean() / sd)
    row["log_score"] = float(np.mean(predicted.log_density) + np.log(sd))
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
