"""Blocks below a step: keys that look like steps, loggers' prefixes, epochs, and evaluations among training."""

from pathlib import Path

import numpy as np
import pytest

from tests.readers.consoles.printed import REWARDS, N, steps_of, yaml_lines
from tests.readers.reading import read, values

PREFIXES = [
    "",
    "\x1b[36m(Runner pid=16, ip=10.0.0.2)\x1b[0m ",
    "2026-01-01T10:00:00.123456Z ",
    "2026-01-01 10:00:00,123 - INFO - ",
]


@pytest.mark.parametrize("prefix", PREFIXES)
@pytest.mark.parametrize("seconds", ["73.1", "12.5", "5"])
def test_an_indented_key_is_no_header(seconds: str, prefix: str, tmp_path: Path) -> None:
    """As YAML sorts it, the step's duration comes before the evaluation."""
    lines = ["Config", "trainer:", "  save_freq: 5", "", "Step 0", "val:", "  reward_score: 0.125"]
    for step, reward in zip(steps_of(1, 1), REWARDS, strict=True):
        content: dict = {
            "critic": {"score": {"mean": reward}},
            "reward": {"overall": reward},
            "timing_s": {"gen": 5.5, "step": seconds, "update_actor": 3.25},
        }
        if step % 4 == 0:
            content["val"] = {"accuracy_reward": 0.25, "reward_score": 0.5 + step / 1000}
        lines += [f"Step {step}", *yaml_lines(content), ""]
    reading = read(tmp_path / "train.log", "\n".join(prefix + line for line in lines))
    assert reading.trainer == "EasyR1"
    assert values(reading, "optimizer_step") == [0, *steps_of(1, 1)]
    assert values(reading, "reward")[1:] == REWARDS and values(reading, "step_time")[1:] == [float(seconds)] * N
    evaluated = [0.125, *(0.5 + step / 1000 if step % 4 == 0 else np.nan for step in steps_of(1, 1))]
    np.testing.assert_array_equal(values(reading, "evaluation_reward"), evaluated)


def test_indented_steps_are_headers_where_there_are_no_others(tmp_path: Path) -> None:
    lines = [
        f"Metrics\n  step: {step}\n  reward: {reward}" for step, reward in zip(steps_of(3, 2), REWARDS, strict=True)
    ]
    reading = read(tmp_path / "train.log", "\n".join(lines))
    assert values(reading, "optimizer_step") == steps_of(3, 2) and values(reading, "reward") == REWARDS


@pytest.mark.parametrize(
    ("head", "each"),
    [
        ("2026-01-01 10:00:00,123 [INFO] forge.observability.metrics: ", ""),
        ("2026-01-01 10:00:00,123 - forge.observability.metrics - INFO - ", ""),
        ("INFO:forge.observability.metrics:", "[0] "),
        ("", "[actor=<root>.global_logger_abc] "),
        ("[rank 0][metrics] ", ""),
    ],
)
def test_a_loggers_prefix_before_the_header(head: str, each: str, tmp_path: Path) -> None:
    lines = []
    for step, reward in zip(steps_of(7, 1), REWARDS, strict=True):
        lines += [
            f"{each}{head}=== [GlobalReduce] - METRICS STEP {step} ===",
            f"{each}  buffer/evict/avg_policy_staleness: 1.25",
            f"{each}  main/training/count_training_iterations: 1.0",
            f"{each}  reward/evaluate_response/avg_reward: {reward}",
            f"{each}{'=' * 30}",
            each,
        ]
    reading = read(tmp_path / "run.log", "\n".join(lines))
    assert reading.trainer == "torchforge" and values(reading, "reward") == REWARDS
    assert values(reading, "optimizer_step") == steps_of(7, 1) and values(reading, "rollout_age") == [1.25] * N


@pytest.mark.parametrize("tag", ["[AReaL] ", "\x1b[1;38;2;180;140;80m[AReaL]\x1b[0m \x1b[92m", ""])
def test_a_programs_name_before_the_time(tag: str, tmp_path: Path) -> None:
    """A resumed run keeps its steps and its planned length."""
    lines = []
    for step, reward in zip(steps_of(101, 1), REWARDS, strict=True):
        lines += [
            f"{tag}20260101-10:00:00.123 StatsLogger INFO: Epoch 1/10 Step {step}/158 Train step {step}/1580 done.\x1b[0m",
            f"{tag}20260101-10:00:00.124 StatsLogger INFO: Stats (1/1):",
            f"\u2502 ppo_actor/task_reward/avg \u2502 {reward:.4e} \u2502 ppo_actor/update/lr \u2502 1.0e-06 \u2502",
        ]
    reading = read(tmp_path / "areal.log", "\n".join(lines))
    assert values(reading, "optimizer_step") == steps_of(101, 1)
    assert reading.run["planned_steps"].item() == 1580


def nemo_block(step: int, total: int, reward: float, evaluation: str = "") -> str:
    return (
        f"\n==== Step {step}/{total} ====\n\u25b6 Training policy...\n{evaluation}\n\U0001f4ca Training Results:\n"
        f"  \u2022 Loss: 0.0123\n  \u2022 Avg Reward: {reward}\n  \u2022 Mean Generation Length: 512.0\n"
        "\n\u23f1\ufe0f  Timing:\n  \u2022 Total step time: 60.00s\n"
    )


def nemo_evaluation(step: int, value: float) -> str:
    return (
        f"\u25b6 Starting validation at step {step}...\n\n\U0001f4ca Validation Results:\n    \u2022 Accuracy: {value}\n"
        "    \u2022 Rewards: 0.9\n    \u2022 Avg Reward: 0.9\n    \u2022 Samples processed: 256\n\n"
        "  \u23f1\ufe0f  Validation Timing:\n    \u2022 Total step time: 12.5s\n"
    )


@pytest.mark.parametrize(("first", "per"), [(1, 10), (1, 24), (2, 10), (1, 1)])
def test_steps_that_begin_anew_with_an_epoch(first: int, per: int, tmp_path: Path) -> None:
    """The epoch stands in a line of its own; a resumed run may begin in a later one."""
    text = ""
    for i, reward in enumerate(REWARDS):
        if i % per == 0:
            text += f"\n==== Epoch {first + i // per}/30 ====\n"
        text += nemo_block(i % per + 1, per, reward)
    reading = read(tmp_path / "run.log", text)
    assert values(reading, "reward") == REWARDS
    assert values(reading, "optimizer_step") == steps_of((first - 1) * per + 1, 1)
    assert reading.run["planned_steps"].item() == 30 * per


def test_steps_that_go_on_over_epochs_stay(tmp_path: Path) -> None:
    text = ""
    for i, reward in enumerate(REWARDS):
        text += (f"Epoch {i // 10 + 1}/3\n" if i % 10 == 0 else "") + nemo_block(i + 1, 30, reward)
    reading = read(tmp_path / "run.log", text)
    assert values(reading, "optimizer_step") == steps_of(1, 1) and reading.run["planned_steps"].item() == 30


def test_lines_with_a_step_count_epochs_too(tmp_path: Path) -> None:
    text = ""
    for i, reward in enumerate(REWARDS):
        text += f"Starting epoch {i // 8 + 1} of 3\n" if i % 8 == 0 else ""
        text += f"Step {i % 8 + 1}/8 | Reward: {reward} | KL: 0.02\n"
    reading = read(tmp_path / "run.log", text)
    assert values(reading, "optimizer_step") == steps_of(1, 1) and reading.run["planned_steps"].item() == 24


@pytest.mark.parametrize("prefix", ["", "\x1b[36m(driver pid=77)\x1b[0m "])
@pytest.mark.parametrize("initial", [True, False])
def test_an_evaluation_within_a_block(initial: bool, prefix: str, tmp_path: Path) -> None:
    """Its keys are not training's, even where they have the same names."""
    text = nemo_evaluation(0, 0.125) if initial else ""
    for step, reward in zip(steps_of(1, 1), REWARDS, strict=True):
        text += nemo_block(step, 1000, reward, nemo_evaluation(step, step / 64) if step % 6 == 0 else "")
    reading = read(tmp_path / "run.log", "\n".join(prefix + line for line in text.splitlines()))
    evaluated = [step / 64 if step % 6 == 0 else np.nan for step in steps_of(1, 1)]
    begin = 1 if initial else 0
    np.testing.assert_array_equal(values(reading, "evaluation_reward"), [0.125, *evaluated] if initial else evaluated)
    assert values(reading, "optimizer_step")[begin:] == steps_of(1, 1)
    assert values(reading, "reward")[begin:] == REWARDS and values(reading, "step_time")[begin:] == [60.0] * N
