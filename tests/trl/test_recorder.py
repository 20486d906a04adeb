"""The recorder in real GRPOTrainer runs, each in a process of its own."""

import importlib.util
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from bayes_grpo import fit, read_run, summarise

pytestmark = pytest.mark.skipif(importlib.util.find_spec("trl") is None, reason="the extra `train` is not installed")

SCRIPT = "tests.trl.run_recorder"


def start(*arguments) -> subprocess.Popen:
    environment = os.environ | {"HF_HUB_OFFLINE": "1", "CUDA_VISIBLE_DEVICES": "", "TOKENIZERS_PARALLELISM": "false"}
    command = [sys.executable, "-W", "ignore", "-m", SCRIPT, *map(str, arguments)]
    return subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def outcome(process: subprocess.Popen) -> dict:
    out, errors = process.communicate(timeout=300)
    assert process.returncode == 0, errors[-2000:]
    return json.loads(out.splitlines()[-1])


def test_a_run_is_recorded_as_it_was(tmp_path: Path) -> None:
    """Thirty steps, every batch used twice: rewards, spreads and ages against the raw rewards."""
    done = outcome(start(tmp_path, 30, 2))
    assert done["failure"] is None
    rows = [json.loads(line) for line in (tmp_path / "bayes_grpo.jsonl").read_text().splitlines()]
    assert [row["optimizer_step"] for row in rows] == list(range(1, 31))
    assert [row["rollout_age"] for row in rows] == [0, 1] * 15
    batches = [np.array(batch).reshape(-1, 4) for batch in done["rewards"]]
    for row in rows:  # ratios are one where the rollouts are fresh, and spread on the second update
        fresh = row["rollout_age"] == 0
        assert (row["log_ratio_variance"] < 1e-9) == fresh and (row["effective_sample_share"] > 1 - 1e-9) == fresh
        assert 0 <= row["clipped_drive_share"] <= 1
    cosines = [row["gradient_cosine"] for row in rows[1:]]
    assert max(map(abs, cosines)) <= 1.0001 and "gradient_cosine" not in rows[0]
    # Two updates on one batch share its noise, updates on different batches do not (means over 15 and 14 pairs).
    assert np.mean(cosines[::2]) > np.mean(cosines[1::2]) + 0.3
    drawn = [row for row in rows if "reward" in row]
    assert [row["optimizer_step"] for row in drawn] == list(range(1, 31, 2)) and len(batches) == 15
    for row, batch in zip(drawn, batches, strict=True):
        assert row["reward"] == pytest.approx(batch.mean())
        assert row["reward_spread"] == pytest.approx(np.sqrt(batch.var(1, ddof=1).mean()))
        assert row["reward_variance_between"] == pytest.approx(batch.mean(1).var(ddof=1))
        assert row["zero_spread_share"] == pytest.approx((batch.var(1) == 0).mean())
        assert row["groups"] == 16
        assert row["rewards/reward/mean"] == pytest.approx(batch.mean())  # what TRL logs itself
    run = read_run(tmp_path / "bayes_grpo.jsonl")
    known = {
        "group_size": 4,
        "prompts_per_step": 16,
        "momentum": 0.9,
        "refresh_interval": 2,
        "planned_steps": 30,
        "logging_window": 1,
    }
    assert {name: float(run[name][0]) for name in known} == known
    assert run["reward_spread"].attrs["spread"] == "within_group"
    assert (run["step_time"].values > 0).all()
    assert np.isfinite(run["entropy"].values).all() and float(run["model_size"][0]) > 10_000
    assert np.isfinite(run["reward"].values[0]).sum() == 15


def test_evaluations_of_the_trainer_are_recorded(tmp_path: Path) -> None:
    """Every fifth step the trainer evaluates; those rewards stand in its row alone, and not among the training rewards."""
    done = outcome(start(tmp_path, 10, 1, "evaluate"))
    run = read_run(tmp_path / "bayes_grpo.jsonl")
    heard = run["evaluation_reward"].values[0]
    assert np.flatnonzero(np.isfinite(heard)).tolist() == [4, 9]
    halves = np.array_split(np.array(done["evaluated"]), 2)
    assert heard[[4, 9]] == pytest.approx([half.mean() for half in halves])
    assert run["reward"].values[0] == pytest.approx([np.mean(batch) for batch in done["rewards"]])


def test_an_evaluation_that_never_came_is_said(tmp_path: Path) -> None:
    done = outcome(start(tmp_path, 3, 1, "wrong"))
    (said,) = done["said"]
    assert "expected a figure 'rewards/wrong/mean' in TRL's log, found rewards/reward/mean, rewards/reward/std" in said


def test_a_killed_run_is_read_and_fitted(tmp_path: Path) -> None:
    process = start(tmp_path, 100_000, 1)
    log = tmp_path / "bayes_grpo.jsonl"
    try:
        for _ in range(1200):
            if process.poll() is not None or (log.exists() and log.read_text().count("\n") >= 15):
                break
            time.sleep(0.1)
    finally:
        process.send_signal(signal.SIGKILL)
        process.communicate()
    assert process.returncode == -signal.SIGKILL
    run = read_run(log)
    steps = run["optimizer_step"].values[0]
    assert len(steps) >= 15 and (np.diff(steps) == 1).all() and np.isfinite(run["reward"].values).all()
    found = summarise(fit(run, "overdamped", draws=200, tune=200, chains=2))
    assert 0 < found["parameters"]["initial_reward"]["mean"] < 0.6


def test_its_own_failure_does_not_stop_training(tmp_path: Path) -> None:
    done = outcome(start(tmp_path, 3, 1, "break"))
    assert done["steps"] == 3
    assert "Error" in done["failure"]
