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
from tests.readers.files import in_process
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


ALERTS = """
import sys, trackio, wandb
from bayes_grpo.trl.forecaster import Forecaster
trackio.init(project='alarms', name='training')
wandb.init(project='alarms', name='training')
alarms = [{'step': 40.0, 'since': 35.0, 'reward': 0.2, 'best': 0.7, 'statistic': 15.0, 'boundary': 14.0}]
forecaster = Forecaster(None, stop=False, every=10, options={'false_alarms': 0.1})
for seen in (alarms, alarms, [*alarms, alarms[0] | {'step': 90.0}]):
    forecaster.send_alarms(seen, ['trackio', 'wandb', 'tensorboard'], 'my run')
trackio.finish()
wandb.finish()
"""


def test_alarms_are_alerts_of_the_trainers_own_run_and_each_is_sent_once(tmp_path: Path) -> None:
    pytest.importorskip("trackio")
    pytest.importorskip("wandb")
    in_process(ALERTS, tmp_path)
    with contextlib.closing(sqlite3.connect(tmp_path / "alarms.db")) as database:
        sent = database.execute("SELECT run_name, text FROM alerts ORDER BY id").fetchall()
    assert [name for name, _ in sent] == ["training"] * 2
    assert all(
        text.startswith("ALARM: my run: the reward has fallen") and "raises 0.1 such" in text for _, text in sent
    )
    assert ["seen at step 40" in text for _, text in sent] == [True, False]
    (record,) = tmp_path.glob("wandb/offline-run-*/*.wandb")
    assert all(text.encode() in record.read_bytes() for _, text in sent)


def test_a_run_is_stopped_only_if_asked_and_agreed(outcomes: tuple[dict, dict]) -> None:
    _, found = outcomes
    assert found["failure"] is None and len(found["asked_at"]) == 2
    assert found["asked_at"][-1] <= found["steps"] < 200
