"""verl: console, jsonl, trackers. Its step counts batches of rollouts; it logs no standard deviation of rewards."""

from collections.abc import Mapping
from typing import Any

from bayes_grpo.readers.contract import Trainer
from bayes_grpo.readers.hyperparameters import first, first_of_list, product, ratio


def hyperparameters(config: Mapping[str, Any]) -> dict[str, Any]:
    """From its configuration; batch sizes count prompts there."""
    actor, data = "actor_rollout_ref/actor", first(config, "data/train_batch_size")
    mini = first(config, f"{actor}/ppo_mini_batch_size")
    updates = product(first(config, f"{actor}/ppo_epochs"), ratio(data, mini))
    steps = first(config, "trainer/total_training_steps", f"{actor}/optim/total_training_steps")
    return {
        "group_size": first(config, "actor_rollout_ref/rollout/n"),
        "prompts_per_step": mini,
        "momentum": first_of_list(config, f"{actor}/optim/betas"),
        "refresh_interval": updates,
        "planned_steps": product(steps, updates),
    }


TRAINER = Trainer(
    name="verl",
    marks=(
        "config/actor_rollout_ref/rollout/n",
        "critic/rewards/mean",
        "critic/score/mean",
        "actor/pg_clipfrac",
        "actor/pg_loss",
        "response_length/mean",
        "training/global_step",
    ),
    names={
        "optimizer_step": ("step", "training/global_step", "_step"),
        "reward": ("critic/rewards/mean", "critic/score/mean"),
        "learning_rate": ("actor/lr",),
        "entropy": ("actor/entropy", "actor/entropy_loss"),
        "kl": ("actor/kl_loss",),
        "completion_length": ("response_length/mean",),
        "grad_norm": ("actor/grad_norm",),
        "clip_ratio": ("actor/pg_clipfrac",),
        "update_kl": ("actor/ppo_kl",),
        "evaluation_reward": ("val-core/*/reward/mean@*", "val-core/*/acc/mean@*", "val/test_score/*"),
        "rollout_age": ("training/off_policy/trajectory_staleness/mean",),
    },
    components=r"critic/rewards/([^/]+)/mean",
    step_unit="rollout",
    hyperparameters=hyperparameters,
)
