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


def moments(weighted: Weighted) -> tuple[np.ndarray, np.ndarray, float]:
    log_weight = weighted.log_weight[0].ravel()
    weights = np.exp(log_weight - log_weight.max())
    points = weighted.points[0].reshape(weights.size, -1)
    mean = np.average(points, axis=0, weights=weights)
    return mean, np.sqrt(np.average((points - mean) ** 2, axis=0, weights=weights)), effective_draws(log_weight)


def test_the_posterior_is_that_of_all_rows() -> None:
    """Means within 5 standard errors and sds within 5 of theirs of a sampler that sees all rows from the start."""
    data, target = prepare(long_run(700), MODEL).data, target_of(MODEL)
    rng = np.random.default_rng(1)
    start, _ = target.draw_prior(rng, data, SETTINGS.repetitions, SETTINGS.points)
    every = RunDensity(target, [data], SETTINGS, lambda _: None)
    direct = sample_weighted(every, start, rng, SETTINGS, trusted_weights)
    by_blocks = sample_by_blocks(every, start, rng, SETTINGS)
    (mean, sd, effective), (ours, our_sd, our_effective) = moments(direct), moments(by_blocks)
    error = np.sqrt(1 / effective + 1 / our_effective)
    assert our_effective > 1000 and by_blocks.power[0] == 1
    np.testing.assert_array_less(np.abs(ours - mean) / sd, 5 * error)
    np.testing.assert_array_less(np.abs(np.log(our_sd / sd)), 5 * error)
    values = {name: value[0] for name, value in by_blocks.values.items()}
    assert disagreement_of(values, by_blocks.log_weight_alone[0]) < 5 * np.sqrt(4 / our_effective)


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
