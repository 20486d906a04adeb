"""Key sets and configs of trainers."""

import json
from pathlib import Path

import numpy as np
import pytest

from bayes_grpo.readers import read_log
from tests.readers.files import RATES, REWARDS, STEPS, N
from tests.readers.rows import rows_of, values, write

KEY_SETS: dict[str, tuple[dict, dict[str, str], dict[str, float]]] = {
    # what is logged; which column each variable must come from; what else must hold in all rows
    "OpenRLHF": (
        {
            "train/reward": "REWARD",
            "train/group_reward_std": 0.2,
            "train/rollout/reward_std": 0.4,
            "train/kl": 0.01,
            "train/entropy_loss": 1.5,
            "train/response_length": 300.0,
            "train/actor_grad_norm": 0.5,
            "train/actor_lr": "RATE",
        },
        {"reward": "train/reward", "reward_spread": "train/group_reward_std", "entropy": "train/entropy_loss"},
        {"reward_spread": 0.2, "completion_length": 300, "grad_norm": 0.5, "kl": 0.01},
    ),
    "NeMo-RL": (
        {
            "train/reward": "REWARD",
            "train/baseline_reward/pct_0": 30.0,
            "train/baseline_reward/pct_1": 10.0,
            "train/baseline_reward/pct_mixed": 60.0,
            "train/approx_entropy": 0.7,
            "train/kl_penalty": 0.02,
            "train/grad_norm": 0.5,
            "train/lr": "RATE",
            "train/avg_trajectory_age": 1.0,
            "validation/accuracy": 0.3,
        },
        {"reward": "train/reward", "entropy": "train/approx_entropy", "evaluation_reward": "validation/accuracy"},
        {"zero_spread_share": 0.4, "rollout_age": 1.0},
    ),
    "open-instruct": (
        {
            "scores": "REWARD",
            "policy/entropy_avg": 0.7,
            "loss/kl_avg": 0.02,
            "lr": "RATE",
            "val/sequence_lengths": 300.0,
            "num_steps_off_policy": 1.0,
            "objective/verifiable_reward": 0.25,
            "eval/scores": 0.5,
        },
        {"reward": "scores", "entropy": "policy/entropy_avg", "evaluation_reward": "eval/scores"},
        {"rollout_age": 1.0, "completion_length": 300},
    ),
    "verl": (
        {
            "critic/rewards/mean": "REWARD",
            "critic/score/mean": 0.9,
            "critic/rewards/max": 1.0,
            "actor/entropy": 0.5,
            "actor/ppo_kl": 0.3,
            "actor/kl_loss": 0.01,
            "actor/lr": "RATE",
            "response_length/mean": 250.0,
            "training/off_policy/trajectory_staleness/mean": 0.5,
            "val-core/gsm8k/reward/mean@1": 0.6,
        },
        {"reward": "critic/rewards/mean", "kl": "actor/kl_loss", "evaluation_reward": "val-core/gsm8k/reward/mean@1"},
        {"rollout_age": 0.5},
    ),
    "TRL": (
        {
            "reward": "REWARD",
            "reward_std": 0.3,
            "frac_reward_zero_std": 0.25,
            "completions/mean_length": 9.0,
            "entropy": 0.5,
            "cispo_clip_ratio": 0.1,
            "sample/staleness_mean": 2.0,
            "learning_rate": "RATE",
        },
        {"reward": "reward", "clip_ratio": "cispo_clip_ratio", "rollout_age": "sample/staleness_mean"},
        {"zero_spread_share": 0.25, "completion_length": 9.0, "clip_ratio": 0.1},
    ),
}


@pytest.mark.parametrize("trainer", KEY_SETS)
def test_key_sets_of_trainers(trainer: str, tmp_path: Path) -> None:
    columns, expected, constants = KEY_SETS[trainer]
    readings, _ = read_log(write(tmp_path / "log.jsonl", rows_of(columns | {"something/else": 1.0})))
    reading = readings[0]
    assert reading.trainer == trainer
    assert {name: reading.columns[name] for name in expected} == expected
    assert values(reading.run, "reward") == REWARDS
    assert values(reading.run, "learning_rate") == RATES
    for name, value in constants.items():
        np.testing.assert_allclose(values(reading.run, name), value)
    assert "something/else" in reading.unused
    if trainer == "NeMo-RL":
        assert "train/baseline_reward/pct_mixed" not in reading.unused
        assert "train/baseline_reward/pct_0" in reading.unused
        assert reading.columns["zero_spread_share"] == "train/baseline_reward/pct_mixed"
    assert reading.run["logging_window"].item() == 1


def test_prime_rl_merges_rows_of_one_step_from_two_writers(tmp_path: Path) -> None:
    """Orchestrator and trainer count by themselves; the trainer lags and restarts; some rows have no step."""
    orchestrator = [
        {
            "step": s,
            "train/agg/effective/agent/reward/mean": r,
            "off_policy/mean": 1.0,
            "solved_none": 0.25,
            "solved_all": 0.5,
        }
        for s, r in zip(STEPS, REWARDS, strict=True)
    ]
    trainer = [
        {"step": s, "optim/grad_norm": s / 10, "optim/lr": lr, "entropy/all/mean": 0.5}
        for s, lr in zip(STEPS, RATES, strict=True)
    ]
    rows: list[dict] = [{"step": None, "time/lag": 0.1}]
    for i in range(N + 2):
        rows += orchestrator[i : i + 1] + ([trainer[i - 2]] if i >= 2 else [])
        if i == 6:
            rows += trainer[3:5]  # went back two steps and logged them again
    readings, _ = read_log(write(tmp_path / "metrics.jsonl", rows))
    run = readings[0].run
    assert readings[0].trainer == "prime-rl"
    assert values(run, "optimizer_step") == STEPS
    assert values(run, "reward") == REWARDS
    assert values(run, "learning_rate") == RATES
    assert values(run, "grad_norm") == [s / 10 for s in STEPS]
    assert values(run, "zero_spread_share") == [0.75] * N


CONFIGS = {
    "verl": (
        {
            "actor_rollout_ref": {
                "rollout": {"n": 8},
                "actor": {"ppo_mini_batch_size": 32, "ppo_epochs": 2, "optim": {"betas": [0.9, 0.99]}},
            },
            "data": {"train_batch_size": 128},
            "trainer": {"total_training_steps": 100},
        },
        {"group_size": 8, "prompts_per_step": 32, "refresh_interval": 8, "momentum": 0.9, "planned_steps": 800},
        {"critic/rewards/mean": "REWARD", "actor/lr": "RATE"},
    ),
    "OpenRLHF": (
        {
            "n_samples_per_prompt": 8,
            "rollout_batch_size": 64,
            "train_batch_size": 256,
            "max_epochs": 1,
            "adam_betas": [0.9, 0.95],
        },
        {"group_size": 8, "prompts_per_step": 32, "refresh_interval": 2, "momentum": 0.9},
        {"train/reward": "REWARD", "train/actor_lr": "RATE", "train/group_reward_std": 0.2},
    ),
    "NeMo-RL": (
        {
            "grpo": {"num_generations_per_prompt": 16, "num_prompts_per_step": 32, "max_num_steps": 100},
            "policy": {"train_global_batch_size": 512, "optimizer": {"kwargs": {"betas": "[0.9, 0.999]"}}},
        },
        {"group_size": 16, "prompts_per_step": 32, "refresh_interval": 1, "momentum": 0.9, "planned_steps": 100},
        {"train/reward": "REWARD", "train/approx_entropy": 0.5},
    ),
    "open-instruct": (
        {
            "num_samples_per_prompt_rollout": 16,
            "num_unique_prompts_rollout": 32,
            "num_mini_batches": 2,
            "num_epochs": 1,
        },
        {"group_size": 16, "prompts_per_step": 16, "refresh_interval": 2},
        {"scores": "REWARD", "policy/entropy_avg": 0.5},
    ),
    "prime-rl": (
        {"orchestrator": {"batch_size": 512, "rollouts_per_example": 16}, "max_steps": 100},
        {"group_size": 16, "prompts_per_step": 32, "planned_steps": 100},
        {"train/agg/effective/agent/reward/mean": "REWARD", "entropy/all/mean": 0.5},
    ),
}


@pytest.mark.parametrize("trainer", CONFIGS)
def test_hyperparameters_from_the_trainers_own_config(trainer: str, tmp_path: Path) -> None:
    config, expected, columns = CONFIGS[trainer]
    path = tmp_path / "export.json"
    path.write_text(json.dumps({"history": rows_of(columns), "config": config}))
    readings, _ = read_log(path)
    run = readings[0].run
    assert readings[0].trainer == trainer
    assert {name: float(run[name][0]) for name in expected} == expected
    assert {readings[0].origins[name] for name in expected} == {"the run's config"}
