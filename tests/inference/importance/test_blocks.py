"""Long runs by way of blocks of their rows: the posterior is that of all rows."""

import numpy as np
import pytest
import xarray as xr

from bayes_grpo import load_model, make_run
from bayes_grpo.inference.importance import density
from bayes_grpo.inference.importance.blocks import sample_by_blocks
from bayes_grpo.inference.importance.density import RunDensity
from bayes_grpo.inference.importance.draws import SETTINGS, draw_importance
from bayes_grpo.inference.importance.quality import disagreement_of, effective_draws, trusted_weights
from bayes_grpo.inference.importance.sampler import Weighted, sample_weighted
from bayes_grpo.inference.importance.target import target_of
from bayes_grpo.inference.layout import prepare
from bayes_grpo.inference.sampler_settings import Sampler

MODEL = load_model("overdamped")


def long_run(rows: int) -> xr.Dataset:
    """An exponential rise, a fluctuation with a memory of 15 rows, and noise."""
    rng, steps = np.random.default_rng(0), np.arange(1.0, rows + 1)
    drift = np.zeros(rows)
    for row in range(1, rows):
        drift[row] = 0.935 * drift[row - 1] + 0.01 * rng.normal()
    reward = 0.7 - 0.4 * np.exp(-steps / (0.3 * rows)) + drift + rng.normal(0, 0.05, rows)
    facts = {"group_size": 8, "reward_lower": 0, "reward_upper": 1, "planned_steps": rows, "logging_window": 1}
    return make_run("a", {"optimizer_step": steps, "reward": reward}, facts)


def quartiles(weighted: Weighted) -> tuple[np.ndarray, float]:
    """Quartiles of each coordinate, shape (3, dimension), and the effective number of draws."""
    log_weight = weighted.log_weight[0].ravel()
    points, weights = weighted.points[0].reshape(log_weight.size, -1), np.exp(log_weight - log_weight.max())
    found = np.quantile(points, [0.25, 0.5, 0.75], axis=0, weights=weights, method="inverted_cdf")
    return found, effective_draws(log_weight)


def test_the_posterior_is_that_of_all_rows() -> None:
    """Medians and widths within 5 standard errors of those of a sampler that sees all rows from the start.

    Over four seeds each. Quartiles, for a plateau that has not been reached has a heavy tail, whose standard deviation
    no sample knows well. Of a normal posterior and n draws a median has a standard error of 0.93 and the logarithm of
    the distance of quartiles one of 1.17, both over the square root of n and the first in distances of quartiles.
    """
    data, target = prepare(long_run(700), MODEL).data, target_of(MODEL)
    every = RunDensity(target, [data], SETTINGS, lambda _: None)
    found = []
    for seed in range(4):
        rng = np.random.default_rng(seed)
        start, _ = target.draw_prior(rng, data, SETTINGS.repetitions, SETTINGS.points)
        by_blocks = sample_by_blocks(every, start, rng, SETTINGS)
        assert by_blocks.power[0] == 1
        apart = disagreement_of({"coordinates": by_blocks.points[0]}, by_blocks.log_weight_alone[0])
        assert apart < 5 * np.sqrt(4 / effective_draws(by_blocks.log_weight[0].ravel()))
        found.append((quartiles(sample_weighted(every, start, rng, SETTINGS, trusted_weights)), quartiles(by_blocks)))
    (low, middle, high), (our_low, our_middle, our_high) = (
        np.mean([pair[side][0] for pair in found], axis=0) for side in (0, 1)
    )
    error = np.sqrt(sum(1 / pair[side][1] for pair in found for side in (0, 1))) / len(found)
    assert min(pair[1][1] for pair in found) > 1000
    np.testing.assert_array_less(np.abs(our_middle - middle) / (high - low), 5 * 0.93 * error)
    np.testing.assert_array_less(np.abs(np.log((our_high - our_low) / (high - low))), 5 * 1.17 * error)


def test_a_long_run_is_sampled_by_blocks_in_few_passes_over_all_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    """The same draws bit for bit however often, progress that ends at its goal, and fewer generations of all rows."""
    data = prepare(long_run(700), MODEL).data
    monkeypatch.setattr(density, "LONG", 600)
    told: list[tuple[int, int]] = []
    drawn = draw_importance(MODEL, data, Sampler("importance", seed=3), lambda *counts: told.append(counts))
    again = draw_importance(MODEL, data, Sampler("importance", seed=3))
    for name, values in drawn.values.items():
        np.testing.assert_array_equal(values, again.values[name])
    assert not drawn.quality.failures() and drawn.quality.generations < 12
    assert [made for made, _ in told] == sorted(made for made, _ in told)
    assert all(made <= wanted for made, wanted in told) and len(told) > drawn.quality.generations
