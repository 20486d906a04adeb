"""What programs print as they train, written with the same rewards each: for the tests of the console readers."""

import pprint
from collections.abc import Callable

N = 24
REWARDS = [round(0.21 + 0.02 * i + 0.013 * (i % 4), 4) for i in range(N)]


def steps_of(first: int, spacing: int) -> list[int]:
    return [first + spacing * i for i in range(N)]


def ms_swift(first: int, spacing: int, total: int, stamp: str) -> str:
    lines = [
        "[INFO:swift] Setting args.lazy_tokenize: False",
        "run sh: `swift rlhf --rlhf_type grpo --reward_funcs accuracy`",
    ]
    for step, reward in zip(steps_of(first, spacing), REWARDS, strict=True):
        row = {
            "loss": 0.0,
            "reward": reward,
            "reward_std": 0.2,
            "entropy/mean": 0.5,
            "completions/clipped_ratio": 0.125,
        }
        row |= {"rollout_correction/ess": 0.97, "rollout_correction/chi2_token": 0.03, "rollout_correction/kl": 0.001}
        row |= {"global_step/max_steps": f"{step}/{total}", "train_speed(s/it)": 3.25}
        lines.append(stamp + str(row))
        lines.append(f"Train:  {100 * step // total}%|\u2588\u2588  | {step}/{total} [00:10<01:00,  2.1s/it]")
    return "\n".join(lines)


def slime(updates: int, prefix: str) -> str:
    lines = []
    for i, reward in enumerate(REWARDS):
        rollout = {
            "rollout/raw_reward": reward,
            "rollout/rewards": (-1) ** i * 1e-9,
            "rollout/response_lengths": 100.5,
            "rollout/truncated": 0.25,
        }
        perf = {"perf/rollout_time": 1.5, "rollout/zero_std/count_0.0": 3, "rollout/zero_std/count_1.0": 1}
        lines.append(f"{prefix}perf {i}: {perf}")
        lines.append(f"{prefix}data.py:163 - rollout {i}: {rollout}")
        for j in range(updates):
            step = i * updates + j
            train = {
                "train/loss": 0.1,
                "train/lr-pg_0": 1e-6 / (1 + step),
                "train/grad_norm": 0.5 + step,
                "train/train_rollout_logprob_abs_diff": 0.02,
                "train/step": step,
            }
            lines.append(f"{prefix}model.py:660 - step {step}: {train}")
    return "\n".join(lines)


def skyrl(first: int, width: int, prefix: str) -> str:
    lines = [
        "2026-01-01 10:00:00.000 | INFO     | skyrl.train.entrypoints:main:12 - Config: {'trainer': {'epochs': 3}}"
    ]
    for step, reward in zip(steps_of(first, 1), REWARDS, strict=True):
        row = {
            "generate/avg_num_tokens": "512.2500",
            "reward/avg_raw_reward": f"{reward:.4f}",
            "reward/avg_pass_at_8": "0.9000",
        }
        row |= {
            "policy/policy_entropy": "0.3000",
            "trainer/global_step": step,
            "trainer/epoch": 0,
            "async/staleness_mean": "1.5000",
        }
        lines.append(
            f"{prefix}2026-01-01 10:00:{step % 60:02}.000 | INFO     | skyrl.train.utils.tracking:log:189 - Step {step}: "
        )
        lines += [prefix + line for line in pprint.pformat(row, width=width).splitlines()]
        lines.append(
            f"{prefix}2026-01-01 10:01:00.000 | INFO | trainer:9 - reward/avg_pass_at_8: 0.9, reward/avg_raw_reward: {reward}"
        )
    return "\n".join(lines)


def nemo(total: int, rule: str, name: str) -> str:
    lines = ["Loading checkpoint shards: 100%|####| 4/4 [00:01<00:00, 3.1it/s]", "Setting up: step 1: nothing"]
    for step, reward in zip(steps_of(1, 1), REWARDS, strict=True):
        lines += [
            "",
            f"{rule} Step {step}/{total} {rule}",
            "\u25b6 Generating responses for batch of size 64...",
            "\U0001f4ca Training Results:",
        ]
        lines += [
            "  \u2022 Loss: 0.0123",
            "  \u2022 Generation KL Error: 0.0021",
            f"  \u2022 {name}: {reward:.4f}",
            "  \u2022 Mean Generation Length: 333.2500",
        ]
        lines += [
            "\u23f1\ufe0f  Timing:",
            "  \u2022 Total step time: 61.50s",
            "  \u2022 generation: 31.00s (50.4%)",
            "    - E2E (Tokens/sec/gpu): 1234.50",
        ]
    return "\n".join(lines)


def prime(stamp: str, level: str, more: str) -> str:
    lines = []
    for step, reward in zip(steps_of(3, 1), REWARDS, strict=True):
        lines.append(f"{stamp}    INFO Starting orchestrator step {step}")
        lines.append("Generating rollouts (train):  50%|#####     | 256/512 [01:13<00:00,  6.97it/s]")
        lines.append(
            f"{stamp} {level} Step {step} | Time: 73.77s | Reward: {reward:.4f} |{more} Seq. Length: 1345.6 tokens/sample | Max. Off-Policy Level: 2"
        )
    return "\n".join(lines)


def yaml_lines(content: dict, indent: int = 0) -> list[str]:
    out = []
    for key, value in content.items():
        if isinstance(value, dict):
            out += [" " * indent + f"{key}:", *yaml_lines(value, indent + 2)]
        else:
            out.append(" " * indent + f"{key}: {value}")
    return out


SCRIPTS: dict[str, Callable[[int, float], str]] = {
    "bars between": lambda s, r: f"Step {s}/500 | Reward: {r:.4f} | KL: 0.02 | Loss: -0.1",
    "equals signs": lambda s, r: f"step={s} reward={r:.4f} loss=-0.1 kl=0.02",
    "brackets": lambda s, r: f"[Step {s}] mean_reward: {r:.4f}, kl: 0.02, lr: 1e-06",
    "spaces": lambda s, r: f"step {s} reward {r:.4f} loss -0.1 kl 0.02",
    "iterations": lambda s, r: f"INFO:root:Iteration {s} of 500 - avg reward = {r:.4f}; entropy = 1.2",
    "of and colon": lambda s, r: f"2026-02-02T10:00:00Z Iter {s}/500: Average Reward: {r:.4f} (best 0.99), KL = 0.02",
    "lines of their own": lambda s, r: f"--- Step {s} ---\nLoss: -0.1\nAverage Reward: {r:.4f}\nKL: 0.02\n",
    "starred": lambda s, r: f"**** Training step {s}/500 ****\n* reward_mean = {r:.4f}\n* response_length = 120.5 tokens\n",
    "a table": lambda s, r: f"        Step {s}        \n\u250c\u2500\u2500\u2500\u2510\n\u2502 reward \u2502 {r:.4f} \u2502\n\u2502 kl \u2502 0.02 \u2502\n\u2514\u2500\u2500\u2518",
}  # fmt: skip
