"""The recorder in real GRPOTrainer runs, one after another in a process of their own."""

import importlib.util
import json
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace
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
            while len(outcomes) < 4 and (line := process.stdout.readline()):
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
    assert len(outcomes) == 4, errors.read_text()[-2000:]
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


def test_of_a_toy_one_batch_in_four_is_watched(recorded: Recorded) -> None:
    """Ten steps, every batch used twice: ratios of the first and the fifth batch, cosines where both gradients are."""
    assert recorded.outcomes["toy"]["failure"] is None
    lines = (recorded.folder / "toy" / "bayes_grpo.jsonl").read_text().splitlines()
    rows = {row["optimizer_step"]: row for row in map(json.loads, lines)}
    assert [step for step, row in rows.items() if "log_ratio_variance" in row] == [1, 2, 9, 10]
    assert [step for step, row in rows.items() if "gradient_cosine" in row] == [2, 9, 10]
    assert [step for step, row in rows.items() if "reward_spread" in row] == [1, 3, 5, 7, 9]


def test_figures_of_ratios_and_gradients_are_those_of_the_definition() -> None:
    """Two batches of tokens, padding and a tool's tokens among them; three gradients on all weights."""
    import torch

    from bayes_grpo.trl.updates import GradientWatch, RatioWatch

    rng = np.random.default_rng(3)
    trainer = SimpleNamespace(
        epsilon_low=0.1, epsilon_high=0.2, _compute_loss=None, _get_per_token_logps_and_entropies=None
    )
    watch, logs = RatioWatch(trainer, None), []
    for _ in range(2):
        before, mask = rng.normal(size=(6, 4)) - 2, rng.random((6, 4)) < 0.7
        tool, advantage, moved = rng.random((6, 4)) < 0.8, rng.normal(size=6), 0.15 * rng.normal(size=(6, 4))
        moved[~mask] = np.nan
        watch._log_probability = torch.tensor(before + moved)
        inputs = {"old_per_token_logps": before, "completion_mask": mask.astype(int), "tool_mask": tool.astype(int)}
        watch._add({name: torch.tensor(value) for name, value in (inputs | {"advantages": advantage}).items()})
        here = mask & tool
        logs.append(np.stack([moved[here], np.broadcast_to(advantage[:, None], here.shape)[here]]))
    log_ratio, advantage = np.concatenate(logs, axis=1)
    ratio = np.exp(log_ratio)
    clipped = ((ratio > 1.2) & (advantage > 0)) | ((ratio < 0.9) & (advantage < 0))
    assert watch.figures() == pytest.approx(
        {
            "log_ratio_mean": log_ratio.mean(),
            "log_ratio_variance": log_ratio.var(),
            "effective_sample_share": ratio.mean() ** 2 / (ratio**2).mean(),
            "clipped_drive_share": np.abs(advantage)[clipped].sum() / np.abs(advantage).sum(),
        }
    )
    assert watch.figures() == {}
    model = torch.nn.Linear(5, 3)
    gradients, cosines = rng.normal(size=(3, 18)), []
    cosine = GradientWatch(model)
    for gradient in gradients:
        model.weight.grad = torch.tensor(gradient[:15].reshape(3, 5), dtype=torch.float32)
        model.bias.grad = torch.tensor(gradient[15:], dtype=torch.float32)
        cosine.see()
        cosines.append(cosine.figures().get("gradient_cosine"))
    unit = gradients / np.linalg.norm(gradients, axis=1, keepdims=True)
    assert cosines[0] is None and cosines[1:] == pytest.approx(list((unit[1:] * unit[:-1]).sum(1)), rel=1e-5)


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
