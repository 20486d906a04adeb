"""Persistence: the level at the end of a log against a dense Gaussian, how it moves on, and coverage by simulation."""

import numpy as np
import pytest
from scipy.stats import binom, t

from bayes_grpo.analysis.forecast import level as module
from bayes_grpo.analysis.forecast.level import Level, draw_level, level_paths


def _rows(count: int, seed: int, step_sd: float = 0.0, noise: float = 0.05) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return 0.6 + np.cumsum(step_sd * rng.standard_normal(count)) + noise * rng.standard_normal(count)


def test_draws_are_those_of_a_dense_gaussian(monkeypatch) -> None:
    """One change of the level: given it, the last level has a Student-t distribution, here by dense matrices."""
    change, rewards = 0.8, _rows(12, 3, 0.02)
    monkeypatch.setattr(module, "_CHANGES", np.array([change]))
    steps = np.array([0, 1, 2, 4, 5, 6, 9, 10, 11, 12, 13, 15.0])
    drawn = draw_level(steps, rewards, 0.0, 40_000, np.random.default_rng(0))
    steps, rewards = steps[-10:], rewards[-10:]
    rate = change**2 / np.ptp(steps)
    # Relative to the last level, the rewards are noise and the change from there on, backwards.
    away = steps[-1] - steps
    covariance = np.eye(10) + rate * np.minimum.outer(away, away)
    precision = np.linalg.inv(covariance)
    total = precision.sum()
    mean = precision.sum(0) @ rewards / total
    scale = np.sqrt((rewards - mean) @ precision @ (rewards - mean) / 9 / total)
    places = np.quantile(drawn.level, [0.05, 0.25, 0.5, 0.75, 0.95])
    np.testing.assert_allclose(places, t.ppf([0.05, 0.25, 0.5, 0.75, 0.95], 9, mean, scale), atol=0.04 * scale)
    np.testing.assert_allclose(drawn.step_sd / drawn.noise_sd, np.sqrt(rate))


def test_the_level_goes_on_as_an_ornstein_uhlenbeck_process() -> None:
    count, ones = 40_000, np.ones(40_000)
    ahead = np.array([11.0, 14.0, 34.0, 1e6])
    paths = level_paths(Level(0.5 * ones, ones, 0.1 * ones, 20 * ones), 10.0, ahead, np.random.default_rng(1))
    away = ahead - 10
    variance = 0.1**2 * 20 / 2 * (1 - np.exp(-2 * away / 20))
    np.testing.assert_allclose(paths.mean(0), 0.5, atol=4 * np.sqrt(variance / count).max())
    np.testing.assert_allclose(paths.var(0), variance, rtol=4 * np.sqrt(2 / count))
    covariance = variance[1] * np.exp(-(ahead[2] - ahead[1]) / 20)
    assert np.cov(paths[:, 1], paths[:, 2])[0, 1] == pytest.approx(covariance, rel=0.05)


def test_a_creeping_level_is_followed_and_a_still_one_is_held() -> None:
    """The mean of the last rows lags behind a creep; the level does not, and its band is wide."""
    rng, steps, ahead = np.random.default_rng(0), np.arange(30.0), np.arange(30.0, 60.0)
    creeping = 0.3 + 0.01 * steps + 0.005 * np.random.default_rng(1).standard_normal(30)
    drawn = draw_level(steps, creeping, 1e-4, 2000, rng)
    assert np.median(drawn.level) > creeping[-5:].mean() + 0.01
    reach = np.quantile(level_paths(drawn, 29.0, ahead, rng)[:, 14], [0.05, 0.95])
    still = draw_level(steps, _rows(30, 2, noise=0.005), 1e-4, 2000, rng)
    assert np.ptp(np.quantile(level_paths(still, 29.0, ahead, rng)[:, 14], [0.05, 0.95])) < np.ptp(reach) / 3


def test_intervals_of_the_level_to_come_hold_what_they_should() -> None:
    """300 logs with all numbers from the prior: 90 % intervals, with a false alarm in a thousand tests."""
    rng, steps, ahead, inside = np.random.default_rng(5), np.arange(60.0), np.arange(60.0, 80.0), 0
    for _ in range(300):
        change = np.exp(np.log(module.CHANGE_MEDIAN) + module.CHANGE_SD * rng.standard_normal())
        step_sd = np.clip(change, 0.01, 20) * 0.1 / np.sqrt(19)
        truth = np.cumsum(step_sd * rng.standard_normal(60))
        time_constant = 19 * np.exp(rng.uniform(*np.log(module.SPANS)))
        future = level_paths(
            Level(*(np.array([value]) for value in (truth[-1], 0.1, step_sd, time_constant))), 59.0, ahead, rng
        )[0, -1]
        drawn = draw_level(steps, truth + 0.1 * rng.standard_normal(60), 1e-6, 500, rng)
        low, high = np.quantile(level_paths(drawn, 59.0, ahead, rng)[:, -1], [0.05, 0.95])
        inside += low < future < high
    assert binom.ppf(0.0005, 300, 0.9) <= inside <= binom.ppf(0.9995, 300, 0.9)


def test_blocks_of_rows_say_what_the_rows_say(monkeypatch) -> None:
    steps, rewards = np.arange(900.0), _rows(900, 4, 0.002)
    by_blocks = draw_level(steps, rewards, 1e-4, 4000, np.random.default_rng(0))
    monkeypatch.setattr(module, "MOST_BLOCKS", 1000)
    by_rows = draw_level(steps, rewards, 1e-4, 4000, np.random.default_rng(0))
    for name in ("level", "noise_sd", "step_sd"):
        mean, other = (np.log(getattr(each, name)) for each in (by_blocks, by_rows))
        assert abs(mean.mean() - other.mean()) < 0.15 * other.std(), name
        assert mean.std() == pytest.approx(other.std(), rel=0.15), name


def test_rewards_that_are_all_alike_leave_a_level() -> None:
    drawn = draw_level(np.arange(20.0), np.full(20, 0.4), 1e-3, 500, np.random.default_rng(0))
    assert np.allclose(drawn.level, 0.4, atol=0.01)
    assert 3e-4 < np.median(drawn.noise_sd) < 3e-3
    assert np.isfinite(drawn.step_sd).all()
