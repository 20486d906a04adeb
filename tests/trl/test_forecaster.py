"""Forecasts during real GRPOTrainer runs, each in a process of its own."""

import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.skipif(importlib.util.find_spec("trl") is None, reason="the extra `train` is not installed")

SCRIPT = "tests.trl.run_forecaster"


def outcome(*arguments: object) -> dict:
    environment = os.environ | {"HF_HUB_OFFLINE": "1", "CUDA_VISIBLE_DEVICES": "", "TOKENIZERS_PARALLELISM": "false"}
    command = [sys.executable, "-W", "ignore", "-m", SCRIPT, *map(str, arguments)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stderr[-2000:]
    return json.loads(done.stdout.splitlines()[-1])


def test_forecasts_reach_the_trackers_and_the_run_goes_on(tmp_path: Path) -> None:
    found = outcome(tmp_path, 30)
    assert found["failure"] is None and found["steps"] == 30
    assert len(found["logged"]) == len(found["asked_at"]) >= 1
    for row in found["logged"]:
        assert 0 <= row["forecast/plateau_lower"] <= row["forecast/plateau"] <= row["forecast/plateau_upper"] <= 1
        assert all(key.startswith("forecast/") or key in ("epoch", "step") for key in row)
    assert found["rewards"] == 30  # the trainer's own rows are as they would be
    assert found["asked_at"] == sorted(found["asked_at"]) and found["asked_at"][0] >= 10


def test_a_run_is_stopped_only_if_asked_and_agreed(tmp_path: Path) -> None:
    found = outcome(tmp_path, 200, "stop")
    assert found["failure"] is None and len(found["asked_at"]) == 2
    assert found["asked_at"][-1] <= found["steps"] < 200
