"""EasyR1: verl's keys and the reward function's own, in ``experiment_log.jsonl``, trackers and the console."""

from collections.abc import Mapping
from typing import Any

from bayes_grpo.readers.contract import Trainer
from bayes_grpo.readers.hyperparameters import first, first_of_list, product, ratio


def hyperparameters(config: Mapping[str, Any]) -> dict[str, Any]:
    """From its configuration; batch sizes count prompts."""
    prompts, mini = first(config, "data/rollout_batch_size"), first(config, "worker/actor/global_batch_size")
    updates = product(first(config, "worker/actor/ppo_epochs"), ratio(prompts, mini))
    return {
        "group_size": first(config, "worker/rollout/n"),
        "prompts_per_step": mini,
        "momentum": first_of_list(config, "worker/actor/optim/betas"),
        "refresh_interval": max(1.0, updates) if updates is not None else None,
        "planned_steps": product(first(config, "trainer/max_steps"), updates),
    }


TRAINER = Trainer(
    name="EasyR1",
    checked="sources of 2026",
    based_on="verl",
    marks=("reward/overall", "reward/accuracy", "reward/format", "val/reward_score", "config/worker/rollout/n"),
    names={
        "optimizer_step": ("step", "global_step", "_step"),
        "reward": ("critic/score/mean", "reward/overall", "critic/rewards/mean"),
        "evaluation_reward": ("val/reward_score", "val/overall_reward", "val/accuracy_reward"),
        "entropy": ("actor/entropy_loss", "actor/entropy"),
        "step_time": ("perf/time_per_step", "timing_s/step"),
    },
    components=r"reward/(?!overall)([^/]+)",
    step_unit="rollout",
    beside=("experiment_config.json",),
    hyperparameters=hyperparameters,
)
