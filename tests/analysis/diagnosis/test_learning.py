"""Runs that do not learn, runs without any signal, and the reasons that are named."""

from typing import Any

import numpy as np
import pytest
import xarray as xr

import bayes_grpo
from bayes_grpo.analysis.diagnosis.figure import plot_diagnosis
from bayes_grpo.analysis.diagnosis.learning import precision_of, signal_share
from bayes_grpo.analysis.diagnosis.table import diagnosis_table
from bayes_grpo.analysis.notes import notes_of


def made(reward: np.ndarray, hyperparameters: dict[str, float] | None = None, **columns: np.ndarray) -> xr.Dataset:
    run: xr.Dataset = bayes_grpo.make_run(
        "r", {"optimizer_step": np.arange(1, reward.size + 1), "reward": reward, **columns}, hyperparameters or {}
    )
    return run


def said_of(run: xr.Dataset) -> Any:
    return bayes_grpo.summarise_diagnosis(bayes_grpo.diagnose(run))


def reasons_of(said: Any) -> list[str]:
    return [reason["reason"] for reason in said["why_not_learning"]]


def flat(rows: int, level: float, noise: float, seed: int = 0) -> np.ndarray:
    values: np.ndarray = level + noise * np.random.default_rng(seed).normal(size=rows)
    return values


def risen(rows: int, seed: int = 0) -> np.ndarray:
    return flat(rows, 0.3, 0.05, seed) + 0.4 * (1 - np.exp(-np.arange(rows) / (rows / 4)))


def test_flat_at_an_unbounded_reward_with_dead_groups() -> None:
    dead = np.clip(flat(200, 0.62, 0.1, 1), 0, 1)
    said = said_of(made(flat(200, 1.8, 0.15), zero_spread_share=dead))
    assert said["diagnosis"] == "not_learning"
    assert (
        reasons_of(said)[0] == "few_groups" and f"{1 - dead.mean():.2f} of them" in said["why_not_learning"][0]["text"]
    )
    assert said["reward_gain"]["lower"] < 0 < said["reward_gain"]["upper"]


@pytest.mark.parametrize("seed", range(3))
def test_thousands_of_steps_without_a_gain(seed: int) -> None:
    """Rows are averaged; 9,751 of them leave a last mean of one row unless all means are of equally many."""
    said = said_of(made(flat(9751, -0.6, 0.7, seed)))
    assert said["diagnosis"] == "not_learning" and said["probabilities"]["healthy"] < 0.3


def test_groups_of_two() -> None:
    rng = np.random.default_rng(3)
    wins = rng.random((120, 8, 2)) < 0.2
    dead = (wins.all(2) | ~wins.any(2)).mean(1)
    known = {"group_size": 2, "prompts_per_step": 8, "reward_lower": 0, "reward_upper": 1}
    said = said_of(made(wins.mean((1, 2)), known, zero_spread_share=dead))
    assert said["diagnosis"] == "not_learning"
    (few, *_) = said["why_not_learning"]
    assert few["reason"] == "few_groups"
    for size in (4, 8, 16):
        assert f"at {size}" in few["text"]
    assert said["evidence"]["reward"]["not_learning"] > 1
    text = diagnosis_table(said)
    assert "not learning: from the first quarter" in text and "- too few groups" in text


@pytest.mark.parametrize("rows", [30, 100, 1000])
@pytest.mark.parametrize("seed", range(3))
def test_a_reward_that_rises_is_learning(rows: int, seed: int) -> None:
    said = said_of(made(risen(rows, seed)))
    assert said["probabilities"]["not_learning"] < 0.05
    assert said["why_not_learning"] == []
    assert "not learning:" not in diagnosis_table(said)


def test_late_learning_is_learning() -> None:
    reward = flat(200, 0.2, 0.03)
    reward[140:] += 0.4 * (1 - np.exp(-np.arange(60) / 15))
    assert said_of(made(reward))["probabilities"]["not_learning"] < 0.05


def test_what_falls_is_not_said_to_be_still() -> None:
    reward = flat(100, 0.7, 0.03)
    reward[60:] = 0.01
    assert said_of(made(reward))["probabilities"]["not_learning"] < 0.02


def test_reasons_in_order() -> None:
    rate = np.where(np.arange(200) < 60, 1e-6, 1e-9)
    said = said_of(made(flat(200, 0.4, 0.2), learning_rate=rate, kl=flat(200, 4e-4, 2e-5)))
    assert reasons_of(said) == ["learning_rate", "noise"]
    assert "spent: below 2% of its peak of 1e-06 from step 61" in said["why_not_learning"][0]["text"]
    said = said_of(made(flat(200, 0.4, 0.1), learning_rate=np.full(200, 1e-6), kl=flat(200, 4e-4, 2e-5)))
    assert "too small (1e-06 at most): the KL from the reference is 0.0004" in said["why_not_learning"][0]["text"]
    said = said_of(made(np.clip(flat(200, 0.98, 0.01), 0, 1), zero_spread_share=flat(200, 0.9, 0.02)))
    assert reasons_of(said)[0] == "at_bound" and "few_groups" not in reasons_of(said)


@pytest.mark.parametrize("value", [0.0, 4.0, -1.0])
def test_a_constant_reward_is_no_signal(value: float) -> None:
    run = made(np.full(50, value))
    said = said_of(run)
    assert said["diagnosis"] == "advantage_degeneracy" and said["probabilities"]["advantage_degeneracy"] > 0.9
    (alarm,) = [note for note in notes_of(said) if note.kind == "alarm"]
    assert f"the reward is {value:g} in every row" in alarm.text
    assert ("the task is solved" in alarm.text) == (value not in (0.0,))
    assert "advantage degeneracy" in diagnosis_table(said)
    assert plot_diagnosis(bayes_grpo.diagnose(run)).axes
    with pytest.raises(bayes_grpo.InputError, match="reward"):
        bayes_grpo.fit(run)


def test_a_constant_reward_at_the_upper_bound_is_solved() -> None:
    said = said_of(made(np.full(50, 4.0), {"reward_lower": 0, "reward_upper": 4}, entropy=flat(50, 1, 0.05)))
    assert said["diagnosis"] == "not_learning"
    assert reasons_of(said) == ["at_bound"] and "a mean reward of 4 of 4" in said["why_not_learning"][0]["text"]
    said = said_of(made(np.full(50, 4.0), {"reward_lower": 0, "reward_upper": 5}))
    assert said["diagnosis"] == "advantage_degeneracy"


def test_all_groups_of_one_reward_each() -> None:
    said = said_of(made(flat(50, 0.5, 0.1), zero_spread_share=np.ones(50)))
    assert said["diagnosis"] == "advantage_degeneracy"
    assert any("all groups are of one reward each" in text for text in said["warnings"])


def test_share_of_groups_with_a_signal() -> None:
    assert signal_share(0.18, 2) == pytest.approx(2 * 0.18 * 0.82)
    assert signal_share(0.18, 8) == pytest.approx(0.80, abs=0.005)
    assert signal_share(0.3, 4, 1e6) == pytest.approx(signal_share(0.3, 4), rel=1e-3)
    draws = np.random.default_rng(0).beta(0.3 * 2, 0.7 * 2, 200_000)
    assert signal_share(0.3, 4, 2.0) == pytest.approx(float((1 - draws**4 - (1 - draws) ** 4).mean()), rel=0.01)
    assert precision_of(0.3, 4, signal_share(0.3, 4, 2.0)) == pytest.approx(2.0, rel=0.02)
    assert precision_of(0.3, 4, 0.99) == np.inf


def test_the_scale_of_an_unbounded_reward_does_not_matter() -> None:
    reward = flat(120, 3.0, 0.4)
    one, other = (said_of(made(values))["probabilities"] for values in (reward, 100 * reward - 7))
    assert one == pytest.approx(other, rel=1e-6)
