"""A robust update for outlying rewards (WoLF, arXiv 2405.05646) in the forecast's own filter: does it help?

    python -m case_studies.forecast.robust scores ../shared/data
    python -m benchmarks.curves ../shared/data --out scores --keep-draws --no-peers --no-mixture --models "" \
        --forecaster case_studies.forecast.robust:robust_s_curve
    python -m case_studies.forecast.mixture scores --members persistence,robust_s_curve,wandering_level

A reward's weight is w = (1 + e^2 / c^2)^(-1/2), with e its innovation over the innovation's standard deviation; its
noise variance is divided by w^2 (Duran-Martin et al. 2024, inverse multi-quadratic weights). It is tried in the filter
of persistence, with each threshold c, for the level alone or for the level, its rate and the noise. Thresholds are
chosen without the repository that is scored. The benchmark must have kept its draws, see `case_studies.forecast.level`.
The second and third command try it in the filter of the law `s_curve`, with one threshold.
"""

import argparse
from collections.abc import Callable
from functools import partial
from pathlib import Path
from unittest.mock import patch

import jax
import numpy as np
from jax import Array

from bayes_grpo.analysis.forecast import level
from bayes_grpo.analysis.switching import scatter_of
from bayes_grpo.laws import kalman
from bayes_grpo.laws.kalman import Logged, Observations, State
from bayes_grpo.laws.normal import conditioned
from benchmarks.curves.contract import Case, Forecast
from benchmarks.curves.laws import law
from case_studies.forecast.bands import told
from case_studies.forecast.level import chosen_without, inputs, scores, shares_without, variant

#: Thresholds c that were tried, in standard deviations.
THRESHOLDS = (1.0, 2.0, 4.0, 8.0)
#: What the weights act on.
PARTS = ("level", "all")
#: Simulated logs, their rows, the share of outlying rewards and their size in standard deviations of the noise.
SIMULATED, ROWS, OUTLYING, SIZE = 300, 90, 0.05, 8.0
#: Threshold in the filter of the law, in standard deviations.
LAW_THRESHOLD = 4.0

Filter = Callable[[level._Blocks, np.ndarray], tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]]
_PLAIN: Filter = level._filter
_PLAIN_UPDATE = kalman.update


def robust_filter(
    threshold: float, part: str, blocks: level._Blocks, rates: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """As the filter of persistence, with weights; the noise that they need is the scatter that alarms use."""
    size = np.abs(np.diff(blocks.means)) * np.sqrt(blocks.rows[:-1])
    noise = scatter_of(size)
    mean, variance = np.full(rates.size, blocks.means[0]), np.full(rates.size, 1 / blocks.rows[0])
    log_likelihood, squares = np.zeros(rates.size), np.zeros(rates.size)
    for gap, value, rows in zip(np.diff(blocks.steps), blocks.means[1:], blocks.rows[1:], strict=True):
        variance = variance + rates * gap
        standardised = (value - mean) / noise / np.sqrt(variance + 1 / rows)
        weighted = (1 + (standardised / threshold) ** 2) / rows
        mean, variance, error, total = conditioned(mean, variance, value, weighted)
        log_likelihood -= 0.5 * np.log(total)
        squares += error**2 / total
    if part == "level":
        _, _, log_likelihood, squares = _PLAIN(blocks, rates)
    return mean, variance, log_likelihood, squares


def robust_update(state: State, logged: Logged, observations: Observations) -> tuple[State, Array, Array]:
    """As `bayes_grpo.laws.kalman.update`, with weights; the innovation's variance is that of the weighted reward."""
    plain = logged.variance + observations.variance
    squared = (observations.value - logged.mean) ** 2 / plain / LAW_THRESHOLD**2
    return _PLAIN_UPDATE(state, logged, observations._replace(variance=observations.variance * (1 + squared)))


def robust_s_curve(case: Case) -> Forecast:
    """The law `s_curve` with weights in its filter. Compiled programs are not kept: the package's are others."""
    jax.config.update("jax_compilation_cache_dir", None)
    kalman.update = robust_update
    return law("s_curve")(case)


def simulated(filtered: Filter) -> tuple[float, float, float]:
    """Root mean square error of the level, and shares of levels inside 90 % intervals, of simulated logs.

    The errors are of logs with outlying rewards, the shares of logs with and without them.
    """
    errors, inside = [], {True: [], False: []}
    for seed in range(SIMULATED):
        for outlying in (True, False):
            rng = np.random.default_rng([seed, outlying])
            truth = np.cumsum(np.r_[0.5, 0.005 * rng.standard_normal(ROWS - 1)])
            rewards = truth + 0.05 * rng.standard_normal(ROWS)
            rewards[rng.uniform(size=ROWS) < OUTLYING * outlying] -= 0.05 * SIZE
            with patch.object(level, "_filter", filtered):
                drawn = level.draw_level(np.arange(ROWS, dtype=float), rewards, 1e-4, 400, rng).level
            low, high = np.quantile(drawn, (0.05, 0.95))
            inside[outlying].append(low < truth[-1] < high)
            errors += [(np.median(drawn) - truth[-1]) ** 2] * outlying
    return float(np.sqrt(np.mean(errors))), float(np.mean(inside[True])), float(np.mean(inside[False]))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("scores", type=Path, help="folder of the benchmark, with draws")
    parser.add_argument("data", type=Path, nargs="?", help="folder of public runs")
    options = parser.parse_args()
    filters: dict[str, Filter] = {"plain": _PLAIN}
    filters |= {f"{part}, c = {c:g}": partial(robust_filter, c, part) for part in PARTS for c in THRESHOLDS}
    for name, filtered in filters.items():
        error, with_outliers, without = simulated(filtered)
        print(f"simulated, {name}: error {error:.4f}, 90 % hold {with_outliers:.2f}, without outliers {without:.2f}")
    given = inputs(options.scores, options.data)
    rows = {}
    for name, filtered in filters.items():
        with patch.object(level, "_filter", filtered):
            drawn = variant(given.chosen, given.cases, given.logs)
        rows[name] = scores(drawn, shares_without(drawn, given.repositories))
        told(name, given.chosen, rows[name])
    told("chosen without the repository", given.chosen, chosen_without(given, rows))


if __name__ == "__main__":
    main()
