"""What trainers print as they train: each in several layouts that differ in every incidental."""

import json
import pprint
from pathlib import Path

import numpy as np
import pytest

from tests.readers.consoles.printed import (
    REWARDS,
    N,
    ms_swift,
    nemo,
    prime,
    skyrl,
    slime,
    steps_of,
    yaml_lines,
)
from tests.readers.reading import read, values


@pytest.mark.parametrize(
    ("first", "spacing", "total", "stamp"),
    [(4, 4, 5000, ""), (1, 1, 77, "[rank0]: "), (7, 3, 901, "2026-05-01 10:00:00,123 - INFO - ")],
)
def test_ms_swift_prints_the_step_as_a_part(first: int, spacing: int, total: int, stamp: str, tmp_path: Path) -> None:
    reading = read(tmp_path / "train.log", ms_swift(first, spacing, total, stamp))
    assert reading.trainer == "ms-swift"
    assert values(reading, "optimizer_step") == steps_of(first, spacing)
    assert values(reading, "reward") == REWARDS
    assert reading.run["planned_steps"].item() == total and reading.run["logging_window"].item() == spacing
    for name, value in (
        ("effective_sample_share", 0.97),
        ("importance_chi2", 0.03),
        ("logprob_difference", 0.001),
        ("truncation_share", 0.125),
    ):
        assert values(reading, name) == [value] * N, name


@pytest.mark.parametrize(
    ("updates", "prefix"),
    [
        (1, "(RayTrainGroup pid=77, ip=10.0.0.1) [2026-04-15 07:57:53] "),
        (4, ""),
        (2, "\x1b[36m(MegatronTrainRayActor pid=5)\x1b[0m "),
    ],
)
def test_slime_has_two_clocks(updates: int, prefix: str, tmp_path: Path) -> None:
    """Rewards stand at the first of the updates on their batch, and are the raw ones."""
    reading = read(tmp_path / "train.log", slime(updates, prefix))
    run = reading.run.isel(run=0)
    assert reading.trainer == "slime" and reading.columns["reward"] == "rollout/raw_reward"
    drawn = np.isfinite(run["reward"].values)
    assert run["optimizer_step"].values[drawn].tolist() == [updates * i for i in range(N)]
    assert run["reward"].values[drawn].tolist() == REWARDS
    assert run.sizes["step"] == N * updates and float(run["refresh_interval"]) == updates
    np.testing.assert_allclose(run["grad_norm"].values, 0.5 + np.arange(N * updates))
    assert "rollout/rewards" in reading.unused


@pytest.mark.parametrize(
    ("first", "width", "prefix"), [(1, 80, ""), (40, 200, "(skyrl_entrypoint pid=99) "), (3, 30, "")]
)
def test_skyrl_spreads_rows_over_lines(first: int, width: int, prefix: str, tmp_path: Path) -> None:
    reading = read(tmp_path / "train.log", skyrl(first, width, prefix))
    assert reading.trainer == "SkyRL" and values(reading, "reward") == REWARDS
    assert values(reading, "optimizer_step") == steps_of(first, 1)
    assert reading.run["group_size"].item() == 8 and reading.origins["group_size"] == "a column's name"
    assert values(reading, "rollout_age") == [1.5] * N and values(reading, "completion_length") == [512.25] * N


@pytest.mark.parametrize("apart", [False, True])
@pytest.mark.parametrize("width", [40, 400])
def test_skyrl_evaluates_before_the_first_step(apart: bool, width: int, tmp_path: Path) -> None:
    """The step of an evaluation stands above it alone; it is no row of training and shifts no step."""
    logged: list[tuple[int, dict]] = [(0, {"eval/all/avg_score": "0.1250", "eval/gsm8k/avg_score": "0.1250"})]
    for step, reward in zip(steps_of(1, 1), REWARDS, strict=True):
        row = {"reward/avg_raw_reward": f"{reward:.4f}", "timing/step": "60.1", "trainer/global_step": step}
        evaluation = {"eval/all/avg_score": f"{step / 64}"} if step % 6 == 0 else {}
        logged += [(step, row), (step, evaluation)] if apart else [(step, row | evaluation)]
    lines = [f"tracking:log:189 - Step {step}: \n{pprint.pformat(row, width=width)}" for step, row in logged if row]
    reading = read(tmp_path / "train.log", "\n".join(lines))
    assert values(reading, "optimizer_step") == [0, *steps_of(1, 1)] and values(reading, "reward")[1:] == REWARDS
    assert np.isnan(values(reading, "reward")[0])
    evaluated = [0.125, *(step / 64 if step % 6 == 0 else np.nan for step in steps_of(1, 1))]
    np.testing.assert_array_equal(values(reading, "evaluation_reward"), evaluated)


@pytest.mark.parametrize(
    "foreign",
    [
        "(FSDPPolicyWorkerBase pid=99) Policy Train epoch [1/1]:  50%|##### | 2/4 [00:10<00:10,  5.1s/it]",
        "\x1b[36m(vLLMEngine pid=7)\x1b[0m INFO 01-01 10:00:00 [loggers.py:87] Engine 000: 3 requests, done {'it'}",
        "[2026-01-01 10:00:00] a worker's line, 5: with signs",
    ],
)
@pytest.mark.parametrize("place", [1, 3, 5])
def test_lines_of_other_processes_within_an_object(place: int, foreign: str, tmp_path: Path) -> None:
    lines = []
    for step, reward in zip(steps_of(1, 1), REWARDS, strict=True):
        row = {"generate/avg_num_tokens": "512.25", "policy/policy_entropy": "0.3000", "reward/avg_pass_at_8": "0.9"}
        row |= {"reward/avg_raw_reward": f"{reward:.4f}", "timing/step": "60.1", "trainer/global_step": step}
        whole = pprint.pformat(row, width=40).splitlines()
        lines += [f"Step {step}: ", *whole[:place], foreign, *whole[place:]]
    reading = read(tmp_path / "train.log", "\n".join(lines))
    assert reading.trainer == "SkyRL" and values(reading, "reward") == REWARDS
    assert values(reading, "optimizer_step") == steps_of(1, 1) and values(reading, "entropy") == [0.3] * N


def test_roll_prints_json_after_a_tag(tmp_path: Path) -> None:
    lines = ["[2026-03-01 10:00:00] [INFO] [roll] create tracker stdout, kwargs: {'x': 1}"]
    for step, reward in zip(steps_of(0, 1), REWARDS, strict=True):
        metrics = {"system/global_step": step, "critic/score/mean": reward, "critic/rewards/mean": (-1) ** step * 0.01}
        metrics |= {
            "critic/rewards/max": 2.5,
            "critic/rewards/min": -2.5,
            "group/mixed_groups_ratio": 0.4,
            "group/all_correct_groups_ratio": 0.5,
        }
        lines.append(f"[2026-03-01 10:00:00] [INFO] metrics_tag: {json.dumps({'step': step, 'metrics': metrics})}")
    reading = read(tmp_path / "roll.log", "\n".join(lines))
    assert reading.trainer == "ROLL" and reading.columns["reward"] == "critic/score/mean"
    assert values(reading, "reward") == REWARDS and values(reading, "zero_spread_share") == [0.6] * N
    assert values(reading, "all_right_share") == [0.5] * N


@pytest.mark.parametrize(
    ("total", "rule", "name"),
    [(40, "=" * 25, "Avg Reward"), (1000, "-" * 10, "Avg Reward"), (24, "=" * 30, "Avg Total Reward")],
)
def test_nemo_rl_prints_blocks(total: int, rule: str, name: str, tmp_path: Path) -> None:
    reading = read(tmp_path / "run.log", nemo(total, rule, name))
    assert reading.trainer == "NeMo-RL" and values(reading, "reward") == REWARDS
    assert values(reading, "optimizer_step") == steps_of(1, 1) and reading.run["planned_steps"].item() == total
    assert values(reading, "step_time") == [61.5] * N and values(reading, "completion_length") == [333.25] * N
    assert values(reading, "logprob_difference") == [0.0021] * N


@pytest.mark.parametrize(
    ("stamp", "level", "more"),
    [
        ("02:33:26", "SUCCESS", ""),
        ("\x1b[2m12:00:01\x1b[0m", "\x1b[32m\x1b[1mSUCCESS\x1b[0m", " Trainable: 5/512 | Async Level: 1 |"),
        ("23:59:59", "SUCCESS", " Val. Reward: 0.5000 | Throughput: 2408.9 tokens/s |"),
    ],
)
def test_prime_rl_prints_a_line_a_step(stamp: str, level: str, more: str, tmp_path: Path) -> None:
    reading = read(tmp_path / "orchestrator.log", prime(stamp, level, more))
    assert reading.trainer == "prime-rl" and values(reading, "reward") == REWARDS
    assert values(reading, "optimizer_step") == steps_of(3, 1)
    assert values(reading, "rollout_age") == [2] * N and values(reading, "step_time") == [73.77] * N
    assert values(reading, "completion_length") == [1345.6] * N
    if "Val" in more:
        assert values(reading, "evaluation_reward") == [0.5] * N


@pytest.mark.parametrize(
    ("prefix", "first", "score"),
    [("(Runner pid=16098) ", 1, True), ("", 11, False), ("\x1b[36m(Runner pid=3)\x1b[0m ", 2, False)],
)
def test_easyr1_prints_yaml_below_the_step(prefix: str, first: int, score: bool, tmp_path: Path) -> None:
    lines = ["Config", "trainer:", "  total_epochs: 15", "worker:", "  rollout:", "    n: 5"]
    for step, reward in zip(steps_of(first, 1), REWARDS, strict=True):
        content = {
            "actor": {"entropy_loss": 0.4, "lr": "1.0e-06", "pg_clipfrac": 0.01},
            "critic": {"rewards": {"mean": reward - 0.1}},
            "reward": {"accuracy": 0.2, "overall": reward},
            "response_length": {"mean": 77.5, "clip_ratio": 0.125},
        }
        if score:
            content["critic"]["score"] = {"mean": reward}
        lines += [prefix + line for line in [f"Step {step}", *yaml_lines(content)]]
    reading = read(tmp_path / "train.log", "\n".join(lines))
    assert reading.trainer == "EasyR1" and values(reading, "reward") == REWARDS
    assert reading.columns["reward"] == ("critic/score/mean" if score else "reward/overall")
    assert values(reading, "optimizer_step") == steps_of(first, 1)
    assert values(reading, "completion_length") == [77.5] * N and values(reading, "truncation_share") == [0.125] * N
    assert values(reading, "learning_rate") == [1e-6] * N and values(reading, "entropy") == [0.4] * N


@pytest.mark.parametrize(("name", "first"), [("global_logger_fF8h_r0", 1), ("logger", 17)])
def test_torchforge_prints_blocks(name: str, first: int, tmp_path: Path) -> None:
    lines = []
    for step, reward in zip(steps_of(first, 1), REWARDS, strict=True):
        lines += [f"WandbBackend: Logged 86 metrics at step {step}", f"=== [{name}] - METRICS STEP {step} ==="]
        lines += [
            "  main/rollout/avg_advantage: -7.4e-09",
            "  buffer/evict/avg_policy_staleness: 1.25",
            f"  reward/evaluate_response/avg_total_reward: {reward}",
        ]
        lines += [
            f"  reward/evaluate_response/avg_MathReward_reward: {reward / 2}",
            "  reward/evaluate_response/std_total_reward: 0.4",
            "=" * 30,
        ]
    reading = read(tmp_path / "run.log", "\n".join(lines))
    assert reading.trainer == "torchforge" and values(reading, "reward") == REWARDS
    assert values(reading, "optimizer_step") == steps_of(first, 1) and values(reading, "rollout_age") == [1.25] * N
    assert reading.columns["reward"] == "reward/evaluate_response/avg_total_reward"


def minimind(layout: str) -> str:
    lines = ["Model Params: 30.03M", "Loading [1/3] reward model, score scale 2.0"]
    for step, reward in zip(steps_of(1, 1), REWARDS, strict=True):
        rest = f"Reward: {reward:.4f}, KL_ref: 0.0010, Adv Std: 0.9258, Actor Loss: -0.0000, Avg Response Len: 271.38"
        lines.append(layout.format(step=step, of=(step - 1) % 12 + 1, epoch=(step - 1) // 12 + 1, rest=rest))
    return "\n".join(lines)


@pytest.mark.parametrize(
    ("layout", "planned"),
    [
        ("Epoch:[{epoch}/2]({of}/12), {rest}, Learning Rate: 0.00000030", 24),
        ("Epoch: {epoch}, Step: {of}/12, {rest}, LR: 3.00e-07", None),
        ("Epoch:[1/1]({step}/9751), {rest}, Learning Rate: 0.00000030", 9751),
        ("2026-01-01 00:00:00 | Epoch:[1/1]({step}/500) epoch_time: 3.1min, {rest}, Actor LR: 3e-07", 500),
    ],
)
def test_minimind_counts_steps_in_each_epoch(layout: str, planned: int | None, tmp_path: Path) -> None:
    reading = read(tmp_path / "grpo.log", minimind(layout))
    assert reading.trainer == "MiniMind" and values(reading, "reward") == REWARDS
    assert values(reading, "optimizer_step") == steps_of(1, 1)
    assert values(reading, "kl") == [0.001] * N and values(reading, "completion_length") == [271.38] * N
    assert values(reading, "learning_rate") == [3e-7] * N
    if planned is not None:
        assert reading.run["planned_steps"].item() == planned


def test_areal_prints_tables_of_several_columns(tmp_path: Path) -> None:
    lines = []
    for step, reward in zip(steps_of(1, 1), REWARDS, strict=True):
        lines += [
            f"20260101-10:00:00.123 StatsLogger INFO: Epoch 1/10 Step {step}/100 Train step {step}/1000 done.",
            "20260101-10:00:00.124 StatsLogger INFO: Stats (1/1):",
        ]
        lines += ["20260101-10:00:00.125 StatsLogger INFO: ", "\u2552\u2550\u2550\u2564\u2550\u2555"]
        lines += [
            f"\u2502 ppo_actor/task_reward/avg \u2502 {reward:.4e} \u2502 ppo_actor/update/entropy/avg \u2502 3.0000e-01 \u2502",
            "\u251c\u2500\u2500\u253c\u2500\u2500\u2524",
        ]
        lines += [
            "\u2502 ppo_actor/seq_len/avg \u2502 3.0000e+02 \u2502 ppo_actor/prompt_len/avg \u2502 1.0000e+02 \u2502",
            "\u2502 ppo_actor/update/lr \u2502 1.0000e-06 \u2502",
        ]
    reading = read(tmp_path / "areal.log", "\n".join(lines))
    assert reading.trainer == "AReaL"
    np.testing.assert_allclose(values(reading, "reward"), REWARDS, atol=5e-5)
    assert values(reading, "optimizer_step") == steps_of(1, 1) and reading.run["planned_steps"].item() == 1000
    assert values(reading, "completion_length") == [200] * N and values(reading, "entropy") == [0.3] * N


def test_rollouts_alone_are_the_steps_of_slime(tmp_path: Path) -> None:
    lines = [f"rollout {i}: {{'rollout/raw_reward': {r}, 'rollout/log_probs': -0.3}}" for i, r in enumerate(REWARDS)]
    reading = read(tmp_path / "train.log", "\n".join(lines))
    assert values(reading, "optimizer_step") == list(range(N)) and values(reading, "reward") == REWARDS
