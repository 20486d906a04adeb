"""A logger by the interface of verl's `Tracking`, which is not installed: ``logger[name].log(data=..., step=...)``."""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from bayes_grpo import InputError, VerlLogger, read_run

CONFIG = {
    "actor_rollout_ref": {
        "actor": {"ppo_mini_batch_size": 16, "ppo_epochs": 1, "optim": {"betas": [0.8, 0.95]}},
        "rollout": {"n": 8},
    },
    "data": {"train_batch_size": 64},
    "trainer": {"total_training_steps": 50, "project_name": "p"},
}


class NestedConfig(Mapping[str, Any]):
    """A mapping that is no dict, as OmegaConf's are."""

    def __init__(self, content: dict[str, Any]) -> None:
        self.content = content

    def __getitem__(self, key: str) -> Any:
        value = self.content[key]
        return NestedConfig(value) if isinstance(value, dict) else value

    def __iter__(self) -> Iterator[str]:
        return iter(self.content)

    def __len__(self) -> int:
        return len(self.content)


class Tracking:
    """What verl's class does with its loggers (verl/utils/tracking.py, November 2026): calls each by keyword."""

    def __init__(self) -> None:
        self.logger: dict[str, Any] = {}

    def log(self, data: dict[str, Any], step: int) -> None:
        for logger in self.logger.values():
            logger.log(data=data, step=step)


def _train(tracking: Tracking, rewards: np.ndarray, first: int = 1) -> None:
    for step, reward in enumerate(rewards, first):
        tracking.log({"critic/rewards/mean": reward, "actor/entropy": np.float32(0.5), "actor/lr": 1e-6}, step=step)


@pytest.mark.parametrize("kind", [dict, NestedConfig])
def test_a_run_is_recorded_with_what_its_config_says(kind: type, tmp_path: Path) -> None:
    tracking, path = Tracking(), tmp_path / "runs" / "verl.jsonl"
    bounds = {"reward_lower": 0, "reward_upper": 1}
    tracking.logger["bayes_grpo"] = VerlLogger(path, kind(CONFIG), hyperparameters=bounds)
    tracking.log({"val-core/gsm8k/reward/mean@1": 0.25, "text": "3", "bad": float("nan"), "list": [1, 2]}, step=0)
    rewards = np.linspace(0.2, 0.6, 20)
    _train(tracking, rewards)
    run = read_run(path)
    np.testing.assert_allclose(run["reward"].values[0][np.isfinite(run["reward"].values[0])], rewards)
    stated = {"group_size": 8, "prompts_per_step": 16, "momentum": 0.8, "refresh_interval": 4, "planned_steps": 200}
    assert {name: run[name].item() for name in stated | bounds} == stated | bounds
    # verl's step s holds the rollouts drawn after 4 (s - 1) updates.
    assert np.diff(run["optimizer_step"].values[0][-5:]).tolist() == [4, 4, 4, 4]
    assert json.loads(path.read_text().splitlines()[0]) == {"step": 0, "data": {"val-core/gsm8k/reward/mean@1": 0.25}}


def test_a_resumed_run_continues_its_log(tmp_path: Path) -> None:
    path = tmp_path / "verl.jsonl"
    for first, rewards in ((1, np.full(8, 0.3) + 0.01 * np.arange(8)), (7, np.full(6, 0.5))):
        tracking = Tracking()
        tracking.logger["bayes_grpo"] = VerlLogger(path)
        _train(tracking, rewards, first)
        whole = path.read_bytes()
        path.write_bytes(whole + b'{"step": 9')  # the trainer was killed in the middle of a line
    VerlLogger(path)
    assert path.read_bytes() == whole
    path.write_bytes(whole[:-1])
    VerlLogger(path)
    assert path.read_bytes() == whole  # a line that only lacks its end is kept
    run = read_run(path)
    assert run["optimizer_step"].values[0].tolist() == list(range(1, 13))
    assert run["reward"].values[0, 6:].tolist() == [0.5] * 6  # rows that were logged again count once


def test_a_fall_of_the_reward_is_told_once(tmp_path: Path) -> None:
    told: list[str] = []
    tracking = Tracking()
    tracking.logger["bayes_grpo"] = VerlLogger(tmp_path / "verl.jsonl", on_alarm=told.append)
    noise = 0.02 * np.random.default_rng(0).standard_normal(120)
    _train(tracking, 0.6 + noise[:80])
    assert told == []
    _train(tracking, 0.2 + noise[80:], 81)
    assert len(told) == 1 and told[0].startswith("ALARM: verl: the reward has fallen")


def test_nothing_stops_the_training(tmp_path: Path) -> None:
    path = tmp_path / "verl.jsonl"
    tracking = Tracking()
    logger = tracking.logger["bayes_grpo"] = VerlLogger(path)
    _train(tracking, np.full(2, 0.5))
    path.unlink()
    path.mkdir()
    with pytest.warns(UserWarning, match="bayes_grpo records no further: IsADirectoryError.*training goes on"):
        _train(tracking, np.full(1, 0.5), 3)
    _train(tracking, np.full(3, 0.5), 4)  # told once
    assert logger.failure is not None


def test_what_cannot_be_written_is_refused_before_the_training(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"expected a name that ends in \.jsonl"):
        VerlLogger(tmp_path / "verl.txt")
    with pytest.raises(InputError, match="group_size: expected"):
        VerlLogger(tmp_path / "verl.jsonl", hyperparameters={"group_size": -1})
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="cannot be written"):
        VerlLogger(tmp_path / "file" / "verl.jsonl")
