"""AReaL: its statistics in trackers and as tables in the console; its step counts batches of rollouts."""

from collections.abc import Mapping
from typing import Any

from bayes_grpo.readers.contract import Trainer
from bayes_grpo.readers.hyperparameters import first, product, ratio


def hyperparameters(config: Mapping[str, Any]) -> dict[str, Any]:
    """From its configuration: the batch size counts prompts, and is split into minibatches of one update each."""
    prompts, updates = first(config, "train_dataset/batch_size"), first(config, "actor/ppo_n_minibatches")
    return {
        "group_size": first(config, "gconfig/n_samples", "actor/group_size"),
        "prompts_per_step": ratio(prompts, updates),
        "momentum": first(config, "actor/optimizer/beta1"),
        "refresh_interval": updates,
        "planned_steps": product(first(config, "total_train_steps"), updates),
    }


def _names(*ends: str) -> tuple[str, ...]:
    """Keys under the actor's scope, which was ``grpo_actor`` before it was ``ppo_actor``."""
    return tuple(f"{actor}/{end}" for actor in ("ppo_actor", "grpo_actor") for end in ends)


TRAINER = Trainer(
    name="AReaL",
    checked="1.0.4",
    marks=(
        "^(ppo|grpo)_actor/task_reward/",
        "^(ppo|grpo)_actor/update/",
        "^(ppo|grpo)_actor/no_eos_ratios/",
        "^(ppo|grpo)_actor/final_reward/",
        "config/gconfig/n_samples",
    ),
    names={
        "optimizer_step": ("global_step", "step", "_step"),
        "reward": _names("task_reward/avg"),
        "learning_rate": _names("update/lr"),
        "entropy": _names("update/entropy/avg"),
        "update_kl": _names("update/approx_kl/avg"),
        "truncation_share": _names("no_eos_ratios/avg"),
        "grad_norm": _names("update/grad_norm"),
        "clip_ratio": _names("update/clip_ratio/avg"),
        "evaluation_reward": (r"^eval[-_/].*reward(/avg)?$",),
        "step_time": ("timeperf/e2e", "time_perf/e2e"),
        "rollout_age": (
            *_names("update/version_stats/sample_staleness_theta_avg"),
            *_names("version_stats/sample_staleness_theta_avg"),
        ),
        "logprob_difference": _names("update/behave_approx_kl/avg"),
    },
    components=r"(?:ppo|grpo)_actor/reward/([^/]+)/avg",
    step_unit="rollout",
    by_step=True,
    derived={
        "completion_length": (
            ("^(ppo|grpo)_actor/seq_len/avg$", "^(ppo|grpo)_actor/prompt_len/avg$"),
            lambda whole, prompt: whole - prompt,
        )
    },
    hyperparameters=hyperparameters,
)  # fmt: skip
