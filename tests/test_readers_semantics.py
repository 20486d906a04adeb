"""What columns mean: trainers' key sets, spreads, windows, rollouts against updates, evaluations, reward functions."""

import json
from pathlib import Path

import numpy as np
import pytest
from readers_files import RATES, REWARDS, STEPS, N

from bayes_grpo import InputError, read_run
from bayes_grpo.readers import read_log


def write(path: Path, rows: list[dict]) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def rows_of(columns: dict[str, object], step: str = "step", start: int = 1) -> list[dict]:
    """Rows with the run's rewards under a name, and constants under the others."""
    names = {"REWARD": REWARDS, "RATE": RATES}
    return [
        {step: start + i} | {key: names[value][i] if value in names else value for key, value in columns.items()}
        for i in range(N)
    ]


def values(run, name: str) -> list[float]:
    return run[name].values[0].tolist()


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


@pytest.mark.parametrize(
    ("facts", "column", "meaning"),
    [
        ({"trl_version": "0.26.1"}, "reward_std", "within_group"),
        ({"trl_version": "0.26.1", "scale_rewards": "batch"}, "reward_std", "batch"),
        ({"trl_version": "0.27.0"}, "reward_std", "batch"),
        ({"trl_version": "1.16.0", "spread": "within_group"}, "reward_std", "within_group"),
        ({}, "reward_std", "unknown"),
    ],
)
def test_the_meaning_of_trls_spread(facts: dict, column: str, meaning: str, tmp_path: Path) -> None:
    log = write(tmp_path / "log.jsonl", rows_of({"reward": "REWARD", column: 0.3, "completions/mean_length": 5.0}))
    (tmp_path / "hyperparameters.json").write_text(json.dumps(facts))
    run = read_run(log)
    assert run["reward_spread"].attrs["spread"] == meaning
    assert ("unknown whether" in run["notes"].item()) == (meaning == "unknown")


def test_old_key_sets_tell_the_spread_and_say_so(tmp_path: Path) -> None:
    run = read_run(
        write(tmp_path / "log.jsonl", rows_of({"reward": "REWARD", "reward_std": 0.3, "completion_length": 5.0}))
    )
    assert run["reward_spread"].attrs["spread"] == "within_group"
    assert "taken as within_group" in run["notes"].item()


def test_windows_are_the_spacing_of_all_training_rows(tmp_path: Path) -> None:
    """With two iterations every other row of TRL's lacks a reward: the rows are still single steps."""
    rows = [
        {"step": i + 1, "learning_rate": 1e-6, "completions/mean_length": 5.0, "loss": 0.1}
        | ({"reward": REWARDS[i // 2]} if i % 2 == 0 else {})
        for i in range(2 * N)
    ]
    rows.insert(7, {"step": 7, "eval_reward": 0.5, "eval_loss": 0.2})
    run = read_run(write(tmp_path / "log.jsonl", rows))
    assert run["logging_window"].item() == 1
    sparse = read_run(write(tmp_path / "sparse.jsonl", [row | {"step": 10 * row["step"]} for row in rows]))
    assert sparse["logging_window"].item() == 10


@pytest.mark.parametrize("first", [0, 1, 101])
def test_steps_of_rollouts_become_optimizer_steps(first: int, tmp_path: Path) -> None:
    """verl's step s of 4 updates each: its rollouts were drawn after 4 (s - 1) updates; the next update is the row's step."""
    rows = rows_of({"critic/rewards/mean": "REWARD", "actor/lr": "RATE"}, start=first)
    log = write(tmp_path / "log.jsonl", rows)
    unknown = read_run(log)
    assert values(unknown, "optimizer_step") == list(range(first, first + N))
    assert "taken as 1; state --refresh-interval" in unknown["notes"].item()
    run = read_run(log, hyperparameters={"refresh_interval": 4})
    start = 0 if first == 0 else 4 * (first - 1) + 1
    assert values(run, "optimizer_step") == [start + 4 * i for i in range(N)]
    assert run["logging_window"].item() == 1
    other = read_run(log, hyperparameters={"refresh_interval": 4}, step_unit="optimizer")
    assert values(other, "optimizer_step") == list(range(first, first + N))
    with pytest.raises(InputError, match="expected 'optimizer' or 'rollout', found 'epoch'"):
        read_run(log, step_unit="epoch")


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


def test_reward_functions_are_kept_apart(tmp_path: Path) -> None:
    """TRL's names old and new, and as notebooks show them."""
    for name, column in (("new", "rewards/{}/mean"), ("old", "rewards/{}"), ("notebook", "rewards / {} / mean")):
        columns = {
            "reward": "REWARD",
            "completions/mean_length": 5.0,
            column.format("format"): 0.25,
            column.format("answer"): "REWARD",
        }
        run = read_run(write(tmp_path / f"{name}.jsonl", rows_of(columns | {"rewards/format/std": 0.1})))
        assert run["component"].values.tolist() == ["format", "answer"], name
        np.testing.assert_array_equal(run["reward_components"].values[0, :, 0], 0.25)
        np.testing.assert_array_equal(run["reward_components"].values[0, :, 1], REWARDS)


def test_notebook_tables_keep_the_meaning_of_their_columns(tmp_path: Path) -> None:
    """Spaces around the slashes; 'No Log' where a cell is empty."""
    path = tmp_path / "table.csv"
    path.write_text(
        "Step,Training Loss,reward,reward_std,completions / mean_length,kl\n"
        + "".join(f"{s},No Log,{r},0.3,5.0,0.1\n" for s, r in zip(STEPS, REWARDS, strict=True))
    )
    readings, _ = read_log(path)
    assert readings[0].trainer == "TRL"
    assert readings[0].columns["completion_length"] == "completions / mean_length"
    assert readings[0].unused == ["Training Loss"]


def test_twinkle_joins_its_groups_deviations(tmp_path: Path) -> None:
    """Groups with deviations 0.3 and 0.5: the root of the mean variance is 0.41231."""
    from readers_files import twinkle

    run = read_run(twinkle(tmp_path))
    np.testing.assert_allclose(values(run, "reward_spread"), np.sqrt((0.09 + 0.25) / 2))
    assert run["reward_spread"].attrs["spread"] == "within_group"
    assert values(run, "completion_length") == [5.0] * N
    assert run["group_size"].item() == 4


def test_completions_give_the_spread_within_groups(tmp_path: Path) -> None:
    """Beside a trainer state they replace TRL's batch deviation at their steps; a repeated batch counts once."""
    import shutil

    from readers_files import completions, trainer_state

    folder = completions(tmp_path)
    expected = float(np.std(np.linspace(-0.1, 0.1, 4), ddof=1))
    shutil.copy(folder / "completions_00012.parquet", folder / "completions_00013.parquet")
    run = read_run(folder)
    assert values(run, "optimizer_step") == STEPS, "step 13 drew no new rollouts"
    np.testing.assert_allclose(values(run, "reward_spread"), expected)
    assert run["group_size"].item() == 4 and run["component"].values.tolist() == ["accuracy"]
    trainer_state(tmp_path)
    (folder / "completions_00003.parquet").unlink()
    joined = read_run(tmp_path)
    spread = np.array(values(joined, "reward_spread"))
    assert np.flatnonzero(np.isnan(spread)).tolist() == [2]
    np.testing.assert_allclose(spread[~np.isnan(spread)], expected)
    assert joined["reward_spread"].attrs["spread"] == "within_group"
    assert values(joined, "reward") == REWARDS
    (folder / "completions_00001.parquet").write_bytes(b"PAR1 broken")
    broken = read_run(tmp_path)
    assert set(values(broken, "reward_spread")) == {0.3} and "was not computed" in broken["notes"].item()


def test_event_logs_take_constants_and_what_their_spread_means(tmp_path: Path) -> None:
    rows: list[dict] = []
    for i, reward in enumerate(REWARDS):
        rows.append(
            {
                "type": "rollout",
                "grpo_step": i + 1,
                "reward": reward,
                "std_reward": 0.3,
                "group_size": 8.0,
                "num_rollouts": 64,
            }
        )
        rows += [
            {"type": "train", "grpo_step": i + 1, "optimizer_step": 2 * i + j, "learning_rate": 1e-5} for j in (1, 2)
        ]
        rows.append(
            {
                "type": "grpo_step_summary",
                "grpo_step": i + 1,
                "optimizer_step": 2 * i + 2,
                "optimizer_updates_per_rollout_batch": 2,
            }
        )
    run = read_run(write(tmp_path / "metrics.jsonl", rows))
    assert (run["group_size"].item(), run["refresh_interval"].item()) == (8, 2)
    unused = read_log(tmp_path / "metrics.jsonl")[0][0].unused
    assert "group_size" not in unused and "num_rollouts" in unused
    assert run["reward_spread"].attrs["spread"] == "batch"
    reward = np.array(values(run, "reward"))
    assert np.array(values(run, "optimizer_step"))[np.isfinite(reward)].tolist() == [2 * i + 1 for i in range(N)]


def test_completions_with_chat_prompts_and_several_reward_functions(tmp_path: Path) -> None:
    """Prompts as lists of messages; the reward is the functions' sum, and the groups are told by the prompts."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    draw = np.random.default_rng(0)
    scores = {step: draw.random((2, 6, 3)) for step in range(1, 7)}
    for step, (right, tidy) in scores.items():
        prompts = [[{"role": "user", "content": f"question {step} {i // 3}"}] for i in range(18)]
        columns = {
            "prompt": prompts,
            "completion": prompts,
            "right": right.ravel(),
            "tidy": tidy.ravel(),
            "advantage": np.zeros(18),
        }
        pq.write_table(pa.table(columns), tmp_path / f"completions_{step:05d}.parquet")
    run = read_run(tmp_path)
    totals = [right + tidy for right, tidy in scores.values()]
    np.testing.assert_allclose(values(run, "reward"), [total.mean() for total in totals])
    np.testing.assert_allclose(values(run, "reward_spread"), [np.sqrt(t.var(axis=1, ddof=1).mean()) for t in totals])
    assert run["group_size"].item() == 3 and run["component"].values.tolist() == ["right", "tidy"]
    assert "plain sum of right, tidy" in run["notes"].item()
