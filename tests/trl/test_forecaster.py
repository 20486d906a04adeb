"""Forecasts during real GRPOTrainer runs, one after another in a process of their own."""

import contextlib
import importlib.util
import json
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from tests.common import LIMIT
from tests.trl.environment import ENVIRONMENT

pytestmark = pytest.mark.skipif(importlib.util.find_spec("trl") is None, reason="the extra `train` is not installed")


@pytest.fixture(scope="module")
def outcomes(tmp_path_factory: pytest.TempPathFactory) -> tuple[dict, dict]:
    """Of the run that may not be stopped, and of the one that may."""
    command = [sys.executable, "-W", "ignore", "-m", "tests.trl.run_forecaster", tmp_path_factory.mktemp("forecast")]
    done = subprocess.run(command, env=ENVIRONMENT, capture_output=True, text=True, timeout=LIMIT)
    assert done.returncode == 0, done.stderr[-2000:]
    goes_on, stops = (json.loads(line) for line in done.stdout.splitlines() if line.startswith('{"logged"'))
    return goes_on, stops


def test_forecasts_reach_the_trackers_and_the_run_goes_on(outcomes: tuple[dict, dict]) -> None:
    found, _ = outcomes
    assert found["failure"] is None and found["steps"] == 30
    assert len(found["logged"]) == len(found["asked_at"]) >= 1
    for row in found["logged"]:
        assert 0 <= row["forecast/plateau_lower"] <= row["forecast/plateau"] <= row["forecast/plateau_upper"] <= 1
        assert all(key.startswith("forecast/") or key in ("epoch", "step") for key in row)
    assert found["rewards"] == 30  # the trainer's own rows are as they would be
    assert found["asked_at"] == sorted(found["asked_at"]) and found["asked_at"][0] >= 10


def test_a_fall_reaches_every_outlet_while_the_run_trains(tmp_path: Path) -> None:
    """A real run whose reward falls near step 22, and real receivers: each alarm is told once, and at once."""
    pytest.importorskip("trackio")
    pytest.importorskip("wandb")
    own = {"TRACKIO_DIR": str(tmp_path), "WANDB_MODE": "offline", "WANDB_DIR": str(tmp_path)}
    command = [sys.executable, "-W", "ignore", "-m", "tests.trl.run_alarms", tmp_path]
    done = subprocess.run(command, env=ENVIRONMENT | own, capture_output=True, text=True, timeout=LIMIT)
    assert done.returncode == 0, done.stderr[-2000:]
    row = json.loads((tmp_path / "alarms.jsonl").read_text(encoding="utf-8"))
    assert row["alarm"] == "reward falls" and row["run"] == "falls"
    assert 21 <= row["since"] <= row["step"] <= 26
    sentence = next(line for line in done.stderr.splitlines() if line.startswith("ALARM: falls: the reward has fallen"))
    (posted,) = json.loads(next(line for line in done.stdout.splitlines() if line.startswith("[{")))
    assert posted == row | {"text": sentence} and "raises 0.1 such alarms" in sentence
    state = (tmp_path / "state.prom").read_text(encoding="utf-8")
    assert 'bayes_grpo_reward_alarms_total{run="falls"} 1' in state
    assert 'bayes_grpo_reward_last_step{run="falls"} 32' in state
    with contextlib.closing(sqlite3.connect(tmp_path / "alarms.db")) as database:
        assert database.execute("SELECT run_name, text FROM alerts").fetchall() == [("falls", sentence)]
    (record,) = tmp_path.glob("wandb/offline-run-*/*.wandb")
    assert sentence.encode() in record.read_bytes()


def test_a_run_is_stopped_only_if_asked_and_agreed(outcomes: tuple[dict, dict]) -> None:
    _, found = outcomes
    assert found["failure"] is None and len(found["asked_at"]) == 2
    assert found["asked_at"][-1] <= found["steps"] < 200
