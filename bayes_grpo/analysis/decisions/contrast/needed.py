"""What would settle a comparison: further seeds, or further steps, by simulation from the posterior.

Seeds: a configuration's mean and the spread between seeds are drawn, further runs are drawn from them, and the
posterior is worked out anew. Steps: of each draw the rewards to come are simulated; a regression of the plateau on them
tells how much of its variance they would explain (Strong, Oakley & Brennan 2014, "Estimating multiparameter partial
expected value of perfect information").
"""

from typing import TypedDict

import numpy as np
import xarray as xr

from bayes_grpo.analysis.forecast.forecast import forecast
from bayes_grpo.laws.normal import normal_cdf, normal_quantile

#: A comparison is settled where a side is better, or the difference smaller than what matters, with this probability.
SETTLED = 0.95
#: What is looked for is the least number that settles it with this probability.
LIKELY = 0.8
#: Further seeds a side, and lengths of the runs as multiples of what they are, that are tried.
SEEDS = (1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 48, 64)
LENGTHS = (1.25, 1.5, 2.0, 3.0, 4.0)
_BLOCKS = 6
_SIMULATED = 2000


class Needed(TypedDict):
    """What would settle it; None where nothing that was tried would, or where it was not asked."""

    settled: bool
    seeds: int | None
    probability_settled_by_seeds: dict[str, float]
    length: float | None
    steps: float | None
    probability_settled_by_length: dict[str, float]
    probability_settled_by_endless_runs: float | None


def is_settled(mean: np.ndarray, sd: np.ndarray, worth: float) -> np.ndarray:
    """Whether a difference with this posterior is settled, one way or the other or as too small to matter."""
    sd = np.maximum(sd, 1e-12)
    better = normal_cdf(mean / sd)
    small = normal_cdf((worth - mean) / sd) - normal_cdf((-worth - mean) / sd)
    settled: np.ndarray = (better >= SETTLED) | (better <= 1 - SETTLED) | (small >= SETTLED)
    return settled


def by_seeds(
    difference: np.ndarray, tau: np.ndarray, error: float, worth: float, rng: np.random.Generator
) -> dict[int, float]:
    """Probability that the comparison is settled after so many further seeds a side.

    Parameters
    ----------
    difference, tau : numpy.ndarray
        Draws of the difference and of the spread between seeds, shape (sample,).
    error : float
        Standard deviation that the fit of a further run would have.
    worth : float
        Difference that matters.
    rng : numpy.random.Generator
        Of the simulation.
    """
    mean, variance = float(difference.mean()), max(float(difference.var()), 1e-16)
    places = rng.integers(0, difference.size, _SIMULATED)
    truth, spread = difference[places], tau[places]
    out = {}
    for count in SEEDS:
        noise = 2 * (spread**2 + error**2) / count
        seen = truth + np.sqrt(noise) * rng.standard_normal(_SIMULATED)
        precision = 1 / variance + 1 / noise
        centre = (mean / variance + seen / noise) / precision
        out[count] = float(is_settled(centre, precision**-0.5, worth).mean())
    return out


def unexplained(fit: xr.DataTree, *, seed: int = 0) -> dict[float, float]:
    """Share of the plateau's variance that is left when the run is so many times as long, by `LENGTHS`."""
    logged = fit["observed_data"].to_dataset()["optimizer_step"].values
    last, start = float(logged[-1]), min(float(logged[0]), 0.0)
    longest = start + LENGTHS[-1] * (last - start)
    ahead = forecast(fit, longest, schedule="constant", persistence=0.0, seed=seed)
    steps, plateau = ahead["optimizer_step"].values, ahead["plateau"].values
    total = float(plateau.var())
    out = {}
    for length in LENGTHS:
        rows = np.flatnonzero(steps <= start + length * (last - start) + 1e-9)
        blocks = np.array_split(rows, min(_BLOCKS, rows.size)) if rows.size else []
        seen = np.column_stack([np.ones(plateau.size), *(ahead["reward"].values[:, b].mean(1) for b in blocks)])
        left = plateau - seen @ np.linalg.lstsq(seen, plateau, rcond=None)[0]
        out[length] = float(left @ left) / max(plateau.size - seen.shape[1], 1) / total if total > 0 else 1.0
    return {length: min(share, 1.0) for length, share in out.items()}


def by_length(
    difference: np.ndarray, of_runs: float, shares: dict[float, float], worth: float
) -> tuple[dict[float, float], float]:
    """Probability that the comparison is settled when all runs are longer, by their length, and if they never ended.

    Parameters
    ----------
    difference : numpy.ndarray
        Draws of the difference.
    of_runs : float
        The part of its variance that comes from the fits of the runs; the rest comes from seeds.
    shares : dict
        Share of the former that is left at each length.
    worth : float
        Difference that matters.
    """
    levels = normal_quantile((np.arange(_SIMULATED) + 0.5) / _SIMULATED)
    mean, variance = float(difference.mean()), float(difference.var())

    def settled(share: float) -> float:
        left = variance - min(of_runs, variance) * (1 - share)
        centres = mean + np.sqrt(max(variance - left, 0.0)) * levels
        return float(is_settled(centres, np.full(_SIMULATED, np.sqrt(max(left, 0.0))), worth).mean())

    return {length: settled(share) for length, share in shares.items()}, settled(0.0)
