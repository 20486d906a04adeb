"""A failure is a loss: what begins where the reward goes on rising is none."""

import numpy as np
import pytest

import bayes_grpo
from bayes_grpo import make_run, summarise_diagnosis
from bayes_grpo.analysis.diagnosis.modes import MODES
from bayes_grpo.analysis.diagnosis.rising import went_on_rising
from tests.common import FACTS


def run_of(reward: np.ndarray, entropy: np.ndarray):
    rows = {"optimizer_step": np.arange(1.0, reward.size + 1), "reward": reward, "entropy": entropy}
    return make_run("a", rows, FACTS | {"planned_steps": reward.size, "group_size": 8, "prompts_per_step": 32})


def test_a_rise_after_an_onset_is_seen_and_a_fall_is_not() -> None:
    """Steps of 0.3 are 15 times the noise of 0.02: probabilities near 0 or 1."""
    rng = np.random.default_rng(0)
    level = np.repeat([0.3, 0.6, 0.3], 40)
    rising = went_on_rising(level + 0.02 * rng.standard_normal(120), np.array([1, 20, 55, 79]), np.array([60, 119]))
    assert rising[0, :2].min() > 1 - 1e-6  # from 0.3 to 0.6, as seen at row 60
    assert rising[1].max() < 1e-3  # from 0.3 or 0.6 back to 0.3, as seen at the end
    assert rising[0, 2] < 0.05 and rising[0, 3] == 0  # it stays at 0.6; and an onset that is still to come


def test_rows_without_a_reward_do_not_count() -> None:
    reward = np.linspace(0.2, 0.8, 100)
    gaps = np.where(np.arange(100) % 2, np.nan, reward)
    full, half = (went_on_rising(column, np.array([10, 50]), np.array([99])) for column in (reward, gaps))
    np.testing.assert_allclose(full, half, atol=1e-3)


@pytest.fixture(scope="module")
def entropy() -> np.ndarray:
    rng = np.random.default_rng(1)
    steps = np.arange(250)
    return (0.02 + np.exp(-steps / 20)) * np.exp(0.1 * rng.standard_normal(steps.size))


def test_entropy_that_buys_reward_is_no_failure(entropy: np.ndarray) -> None:
    """Reward rises from 0.49 to 0.77 over 200 steps and holds; entropy falls early to a fiftieth."""
    rng = np.random.default_rng(2)
    reward = np.minimum(0.49 + 0.28 * np.arange(250) / 200, 0.77) + 0.03 * rng.standard_normal(250)
    summary = summarise_diagnosis(bayes_grpo.diagnose(run_of(reward, entropy)))
    assert summary["probabilities"]["policy_concentration"] < 0.3
    assert sum(summary["probabilities"][name] for name in MODES) < 0.5 and summary["onset_step"] is None


def test_entropy_that_buys_nothing_is_one() -> None:
    """The reward has settled at 0.6 for 60 rows when entropy falls to a fiftieth, and stays there."""
    rng, rows = np.random.default_rng(2), np.arange(250)
    reward = 0.6 - 0.3 * np.exp(-rows / 15) + 0.03 * rng.standard_normal(250)
    entropy = (0.02 + np.exp(-np.maximum(rows - 100, 0) / 6)) * np.exp(0.1 * rng.standard_normal(250))
    summary = summarise_diagnosis(bayes_grpo.diagnose(run_of(reward, entropy)))
    assert summary["diagnosis"] == "policy_concentration"
    assert summary["onset_step"] is not None and 95 <= summary["onset_step"]["median"] <= 110
