"""Forecasts during real GRPOTrainer runs, one after another in a process of their own."""

import importlib.util
import json
import subprocess
import sys

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


def test_a_run_is_stopped_only_if_asked_and_agreed(outcomes: tuple[dict, dict]) -> None:
    _, found = outcomes
    assert found["failure"] is None and len(found["asked_at"]) == 2
    assert found["asked_at"][-1] <= found["steps"] < 200
