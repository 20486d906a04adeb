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
            "rollout_corr/rollout_is_eff_sample_size": 0.96,
            "rollout_corr/chi2_token": 0.04,
            "rollout_corr/log_ppl_abs_diff": 0.01,
            "response_length/clip_ratio": 0.2,
            "val-core/gsm8k/reward/mean@1": 0.6,
        },
        {"reward": "critic/rewards/mean", "kl": "actor/kl_loss", "evaluation_reward": "val-core/gsm8k/reward/mean@1"},
        {
            "rollout_age": 0.5,
            "update_kl": 0.3,
            "effective_sample_share": 0.96,
            "importance_chi2": 0.04,
            "logprob_difference": 0.01,
            "truncation_share": 0.2,
        },
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
    "ms-swift": (
        {
            "reward": "REWARD",
            "reward_std": 0.3,
            "entropy/mean": 0.5,
            "completions/clipped_ratio": 0.2,
            "rollout_correction/ess": 0.9,
            "rollout_correction/chi2_token": 0.1,
            "rollout_correction/log_ppl_abs_diff": 0.02,
            "rollout_correction/kl": 0.7,
            "train_speed(iter/s)": 0.1,
            "learning_rate": "RATE",
        },
        {"entropy": "entropy/mean", "logprob_difference": "rollout_correction/log_ppl_abs_diff"},
        {"truncation_share": 0.2, "effective_sample_share": 0.9, "importance_chi2": 0.1, "logprob_difference": 0.02},
    ),
    "AReaL": (
        {
            "grpo_actor/task_reward/avg": "REWARD",
            "grpo_actor/final_reward/avg": 0.0,
            "grpo_actor/update/approx_kl/avg": 0.003,
            "grpo_actor/update/lr": "RATE",
            "grpo_actor/update/version_stats/sample_staleness_theta_avg": 1.5,
            "grpo_actor/seq_len/avg": 900.0,
            "grpo_actor/prompt_len/avg": 300.0,
            "grpo_actor/no_eos_ratios/avg": 0.1,
        },
        {"reward": "grpo_actor/task_reward/avg", "update_kl": "grpo_actor/update/approx_kl/avg"},
        {"rollout_age": 1.5, "completion_length": 600, "truncation_share": 0.1},
    ),
    "ROLL": (
        {
            "critic/score/mean": "REWARD",
            "critic/rewards/mean": 0.001,
            "critic/kl": 0.01,
            "actor/ppo_ratio_clipfrac": 0.05,
            "token/response_length/mean": 77.0,
            "group/all_correct_groups_ratio": 0.25,
            "group/all_incorrect_groups_ratio": 0.5,
            "group/mixed_groups_ratio": 0.25,
            "system/samples": 64,
            "actor/lr": "RATE",
        },
        {"reward": "critic/score/mean", "kl": "critic/kl", "clip_ratio": "actor/ppo_ratio_clipfrac"},
        {"zero_spread_share": 0.75, "all_right_share": 0.25, "all_wrong_share": 0.5, "completion_length": 77},
    ),
    "SkyRL": (
        {
            "reward/avg_raw_reward": "REWARD",
            "reward/avg_pass_at_16": 0.8,
            "policy/policy_lr": "RATE",
            "policy/raw_grad_norm": 0.5,
            "async/staleness_mean": 2.0,
            "policy/rollout_train_logprobs_abs_diff_mean": 0.004,
            "eval/all/avg_score": 0.6,
        },
        {"reward": "reward/avg_raw_reward", "evaluation_reward": "eval/all/avg_score"},
        {"rollout_age": 2, "logprob_difference": 0.004, "grad_norm": 0.5},
    ),
    "rllm": (
        {
            "reward/solver/mean": "REWARD",
            "reward/solver/std": 0.4,
            "batch/solver/fractions/effective": 0.3,
            "batch/solver/fractions/too_easy": 0.1,
            "batch/solver/fractions/too_hard": 0.6,
            "train/kl_sample_train_v1": 0.002,
            "train/entropy": 0.7,
            "progress/lr": "RATE",
        },
        {"reward": "reward/solver/mean", "entropy": "train/entropy"},
        {"zero_spread_share": 0.7, "all_right_share": 0.1, "all_wrong_share": 0.6, "logprob_difference": 0.002},
    ),
    "Tinker cookbook": (
        {
            "env/all/reward/total": "REWARD",
            "env/all/by_group/frac_mixed": 0.5,
            "env/all/by_group/frac_all_good": 0.2,
            "env/all/by_group/frac_all_bad": 0.3,
            "optim/kl_sample_train_v1": 0.001,
            "optim/lr": "RATE",
            "env/all/total_ac_tokens": 6400,
            "env/all/total_episodes": 64,
            "test/env/all/reward/total": 0.4,
        },
        {"reward": "env/all/reward/total", "evaluation_reward": "test/env/all/reward/total"},
        {"zero_spread_share": 0.5, "all_right_share": 0.2, "all_wrong_share": 0.3, "completion_length": 100},
    ),
    "EasyR1": (
        {
            "critic/score/mean": "REWARD",
            "critic/rewards/mean": 0.3,
            "reward/overall": 0.1,
            "reward/format": 0.9,
            "actor/ppo_kl": 0.002,
            "response_length/clip_ratio": 0.1,
            "val/reward_score": 0.4,
            "actor/lr": "RATE",
        },
        {"reward": "critic/score/mean", "evaluation_reward": "val/reward_score", "update_kl": "actor/ppo_kl"},
        {"truncation_share": 0.1},
    ),
    "torchforge": (
        {
            "reward/evaluate_response/avg_total_reward": "REWARD",
            "reward/evaluate_response/avg_MathReward_reward": 0.5,
            "reward/evaluate_response/std_total_reward": 0.4,
            "buffer/evict/avg_policy_staleness": 0.5,
            "rl_trainer/learning_rate": "RATE",
            "main/rollout/avg_advantage": 1e-9,
        },
        {"reward": "reward/evaluate_response/avg_total_reward"},
        {"rollout_age": 0.5, "reward_spread": 0.4},
    ),
    "ART": (
        {
            "train/reward": "REWARD",
            "train/reward_std_dev": 0.3,
            "val/reward": 0.4,
            "loss/entropy": 0.6,
            "loss/learning_rate": "RATE",
            "data/step_num_groups_trainable": 3,
            "data/step_num_groups_submitted": 4,
        },
        {"reward": "train/reward", "evaluation_reward": "val/reward", "entropy": "loss/entropy"},
        {"reward_spread": 0.3, "zero_spread_share": 0.25},
    ),
    "MiniMind": (
        {
            "reward": "REWARD",
            "avg_response_len": 90.0,
            "advantages_mean": 0.0,
            "learning_rate": "RATE",
            "policy_loss": 0.1,
        },
        {"reward": "reward", "completion_length": "avg_response_len"},
        {"completion_length": 90},
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
    assert reading.told_by, "why it was told is said"


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
    "ms-swift": (
        {
            "num_generations": 8,
            "gradient_accumulation_steps": 4,
            "steps_per_generation": 4,
            "generation_batch_size": 64,
            "num_iterations": 2,
            "adam_beta1": 0.9,
            "max_steps": -1,
        },
        {"group_size": 8, "prompts_per_step": 8, "refresh_interval": 2, "momentum": 0.9},
        {"reward": "REWARD", "train_speed(s/it)": 3.0},
    ),
    "slime": (
        {
            "n_samples_per_prompt": 8,
            "rollout_batch_size": 32,
            "num_steps_per_rollout": 4,
            "adam_beta1": 0.9,
            "num_rollout": 100,
        },
        {"group_size": 8, "prompts_per_step": 8, "refresh_interval": 4, "momentum": 0.9, "planned_steps": 400},
        {"rollout/raw_reward": "REWARD", "train/lr-pg_0": 1e-6},
    ),
    "AReaL": (
        {
            "gconfig": {"n_samples": 4},
            "train_dataset": {"batch_size": 64},
            "actor": {"ppo_n_minibatches": 4, "optimizer": {"beta1": 0.9}},
        },
        {"group_size": 4, "prompts_per_step": 16, "refresh_interval": 4, "momentum": 0.9},
        {"ppo_actor/task_reward/avg": "REWARD"},
    ),
    "ROLL": (
        {"num_return_sequences_in_group": 8, "rollout_batch_size": 64, "ppo_epochs": 1, "max_steps": 50},
        {"group_size": 8, "prompts_per_step": 64},
        {"critic/score/mean": "REWARD", "system/step": 1},
    ),
    "SkyRL": (
        {
            "generator": {"n_samples_per_prompt": 5},
            "trainer": {
                "train_batch_size": 128,
                "policy_mini_batch_size": 64,
                "update_epochs_per_batch": 1,
                "policy": {"optimizer_config": {"adam_betas": [0.9, 0.999]}},
            },
        },
        {"group_size": 5, "prompts_per_step": 64, "refresh_interval": 2, "momentum": 0.9},
        {"reward/avg_raw_reward": "REWARD"},
    ),
    "rllm": (
        {
            "training": {"group_size": 8},
            "data": {"train_batch_size": 64},
            "actor_rollout_ref": {"actor": {"ppo_mini_batch_size": 32, "ppo_epochs": 1}},
        },
        {"group_size": 8, "prompts_per_step": 32, "refresh_interval": 2},
        {"reward/solver/mean": "REWARD", "batch/solver/fractions/effective": 0.4},
    ),
    "EasyR1": (
        {
            "worker": {
                "rollout": {"n": 5},
                "actor": {"global_batch_size": 128, "ppo_epochs": 1, "optim": {"betas": [0.9, 0.99]}},
            },
            "data": {"rollout_batch_size": 512},
            "trainer": {"max_steps": 100},
        },
        {"group_size": 5, "prompts_per_step": 128, "refresh_interval": 4, "momentum": 0.9, "planned_steps": 400},
        {"critic/score/mean": "REWARD", "reward/overall": 0.4},
    ),
    "torchforge": (
        {"group_size": 8, "local_batch_size": 16, "off_by_n": 1},
        {"group_size": 8, "prompts_per_step": 16},
        {"reward/evaluate_response/avg_total_reward": "REWARD"},
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


def test_a_trainers_config_beside_its_log_is_read(tmp_path: Path) -> None:
    """The Tinker cookbook's config.json, ms-swift's args.json, EasyR1's experiment_config.json.

    Each by its trainer only.
    """
    cookbook = {"env/all/reward/total": "REWARD", "optim/lr": "RATE", "progress/done_frac": 0.5}
    swift = {"reward": "REWARD", "train_speed(s/it)": 3.0, "entropy/mean": 0.5}
    easy = {"critic/score/mean": "REWARD", "reward/overall": 0.4}
    files = {
        "config.json": (cookbook, {"dataset_builder": {"group_size": 16, "batch_size": 64}, "num_substeps": 4}, 16),
        "args.json": (swift, {"num_generations": 4, "worker": {"rollout": {"n": 3}}}, 4),
        "experiment_config.json": (easy, {"worker": {"rollout": {"n": 5}}, "num_generations": 7}, 5),
    }
    for name, (columns, config, group) in files.items():
        folder = tmp_path / name.partition(".")[0]
        folder.mkdir()
        (folder / name).write_text(json.dumps(config))
        log = write(folder / "log.jsonl", rows_of(columns))
        reading = read_log(log)[0][0]
        assert reading.run["group_size"].item() == group and reading.origins["group_size"] == "the run's config"
        assert any(name in str(note) for note in reading.notes)
        (folder / name).write_text("{broken")
        broken = read_log(log)[0][0]
        assert "group_size" not in broken.run and any("was not read" in str(note) for note in broken.notes)


def test_a_planned_length_that_counts_rollouts_becomes_optimizer_steps(tmp_path: Path) -> None:
    rows = rows_of({"ppo_actor/task_reward/avg": "REWARD", "total_steps": 50})
    run = read_log(write(tmp_path / "log.jsonl", rows), hyperparameters={"refresh_interval": 4})[0][0].run
    assert run["planned_steps"].item() == 200 and values(run, "optimizer_step")[:2] == [1, 5]
