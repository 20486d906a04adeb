"""Key sets and configs of trainers."""

import json
from pathlib import Path

import numpy as np
import pytest

from bayes_grpo.readers import read_log
from tests.readers.files import RATES, REWARDS, STEPS, N
from tests.readers.rows import rows_of, values, write
from tests.readers.trainers.configs import CONFIGS
from tests.readers.trainers.key_sets import KEY_SETS


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
