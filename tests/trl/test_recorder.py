"""The recorder in real GRPOTrainer runs, one after another in a process of their own."""

import importlib.util
import json
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest

from bayes_grpo import fit, read_run, summarise
from tests.common import LIMIT, SAMPLER
from tests.trl.environment import ENVIRONMENT

pytestmark = pytest.mark.skipif(importlib.util.find_spec("trl") is None, reason="the extra `train` is not installed")

#: Steps that the last run makes before it is killed.
STEPS = 15


class Recorded(NamedTuple):
    """Outcomes by the name of the run, the folder that holds the logs, and how the process ended."""

    outcomes: dict[str, dict]
    folder: Path
    returncode: int


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> Recorded:
    folder = tmp_path_factory.mktemp("recorded")
    errors, log = folder / "errors.txt", folder / "killed" / "bayes_grpo.jsonl"
    command = [sys.executable, "-W", "ignore", "-m", "tests.trl.run_recorder", folder]
    outcomes: dict[str, dict] = {}
    with (
        errors.open("w") as complaints,
        subprocess.Popen(command, env=ENVIRONMENT, stdout=subprocess.PIPE, stderr=complaints, text=True) as process,
    ):
        try:
            while len(outcomes) < 3 and (line := process.stdout.readline()):
                if line.startswith("{"):
                    outcome = json.loads(line)
                    outcomes[outcome.pop("name")] = outcome
            end = time.monotonic() + LIMIT
            while process.poll() is None and time.monotonic() < end:
                if log.exists() and log.read_text().count("\n") >= STEPS:
                    break
                time.sleep(0.1)
        finally:
            process.send_signal(signal.SIGKILL)
            process.communicate()
    assert len(outcomes) == 3, errors.read_text()[-2000:]
    return Recorded(outcomes, folder, process.returncode)


def test_a_run_is_recorded_as_it_was(recorded: Recorded) -> None:
    """Thirty steps, every batch used twice: rewards, spreads and ages against the raw rewards."""
    done, log = recorded.outcomes["recorded"], recorded.folder / "recorded" / "bayes_grpo.jsonl"
    assert done["failure"] is None and done["messages"] == []
    rows = [json.loads(line) for line in log.read_text().splitlines()]
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
    run = read_run(log)
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


def test_evaluations_of_the_trainer_are_recorded(recorded: Recorded) -> None:
    """The trainer evaluates every 15 steps; those rewards are in that row alone, and not among the training rewards."""
    done = recorded.outcomes["recorded"]
    run = read_run(recorded.folder / "recorded" / "bayes_grpo.jsonl")
    evaluated = run["evaluation_reward"].values[0]
    assert np.flatnonzero(np.isfinite(evaluated)).tolist() == [14, 29]
    halves = np.array_split(np.array(done["evaluated"]), 2)
    assert evaluated[[14, 29]] == pytest.approx([half.mean() for half in halves])


def test_an_evaluation_that_never_came_is_said(recorded: Recorded) -> None:
    (message,) = recorded.outcomes["misnamed"]["messages"]
    assert (
        "expected a figure 'rewards/wrong/mean' in TRL's log, found rewards/reward/mean, rewards/reward/std" in message
    )


def test_its_own_failure_does_not_stop_training(recorded: Recorded) -> None:
    done = recorded.outcomes["broken"]
    assert done["steps"] == 3
    assert "Error" in done["failure"]


def test_a_killed_run_is_read_and_fitted(recorded: Recorded) -> None:
    assert recorded.returncode == -signal.SIGKILL
    run = read_run(recorded.folder / "killed" / "bayes_grpo.jsonl")
    steps = run["optimizer_step"].values[0]
    assert len(steps) >= STEPS and (np.diff(steps) == 1).all() and np.isfinite(run["reward"].values).all()
    summary = summarise(fit(run, "overdamped", **SAMPLER))
    assert 0 < summary["parameters"]["initial_reward"]["median"] < 0.6
