"""Runs of the optional folder of cases that are diagnosed, each as its README says."""

from typing import Any

import pytest

import bayes_grpo
from bayes_grpo import summarise_diagnosis
from tests.common import PUBLIC

CASES = PUBLIC.parent / "cases"
BOUNDS: dict[str, float] = {"reward_lower": 0.0, "reward_upper": 1.0}

pytestmark = pytest.mark.skipif(not CASES.is_dir(), reason="the folder of cases is optional")


def said_of(path: str, facts: dict[str, float] | None = None, **reading: Any) -> Any:
    run = bayes_grpo.read_run(CASES / path, hyperparameters=BOUNDS | (facts or {}), **reading)
    return summarise_diagnosis(bayes_grpo.diagnose(run))


def test_an_entropy_that_leads_the_reward_is_instability() -> None:
    said = said_of("entropy_leads_reward/metrics.jsonl")
    assert said["diagnosis"] == "dynamical_instability"
    assert said["probabilities"]["dynamical_instability"] > 0.5


def test_an_evaluation_of_another_name_tells_hacking() -> None:
    said = said_of("evaluation_under_another_name/metrics.jsonl", columns={"evaluation_reward": "judge_accuracy"})
    assert said["diagnosis"] == "reward_hacking" and said["probabilities"]["reward_hacking"] > 0.9


def test_groups_of_two_that_do_not_learn() -> None:
    said = said_of("group_of_two/log.jsonl", {"group_size": 2, "prompts_per_step": 4})
    assert said["diagnosis"] == "not_learning"
    assert "groups with a signal" in said["why_not_learning"][0]["text"]


def test_a_collapse_without_noise() -> None:
    said = said_of("noise_free_collapse_simple/metrics.jsonl")
    assert said["probabilities"]["dynamical_instability"] > 0.9
    assert 60 <= said["onset_step"]["median"] <= 62
