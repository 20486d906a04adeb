"""OpenRLHF, from its trackers. Its global step counts batches of rollouts."""

from collections.abc import Iterable, Mapping
from typing import Any

from bayes_grpo.readers.contract import Spread, Trainer
from bayes_grpo.readers.hyperparameters import first, first_of_list, product, ratio


def spread(column: str, columns: Iterable[str], facts: Mapping[str, Any]) -> Spread:
    """``group_reward_std`` is the mean within groups, ``rollout/reward_std`` that of the batch."""
    return Spread("within_group" if column.endswith("group_reward_std") else "batch")


def hyperparameters(config: Mapping[str, Any]) -> dict[str, Any]:
    """From its arguments: rollout_batch_size counts prompts, train_batch_size completions."""
    group = first(config, "n_samples_per_prompt")
    prompts = first(config, "rollout_batch_size")
    trained = first(config, "train_batch_size")
    updates = product(first(config, "max_epochs"), ratio(product(prompts, group), trained))
    return {
        "group_size": group,
        "prompts_per_step": ratio(trained, group),
        "momentum": first_of_list(config, "adam_betas"),
        "refresh_interval": max(1.0, updates) if updates is not None else None,
        "planned_steps": product(first(config, "max_steps"), updates),
    }


TRAINER = Trainer(
    name="OpenRLHF",
    checked="sources of 2026",
    marks=(
        "config/n_samples_per_prompt",
        "train/group_reward_std",
        "train/rollout/reward_mean",
        "train/rollout/reward_std",
        "train/actor_lr",
        "train/actor_grad_norm",
        "train/response_length",
        "train/entropy_loss",
    ),
    names={
        "optimizer_step": ("train/global_step", "step", "_step"),
        "reward": ("train/reward", "train/rollout/reward_mean"),
        "reward_spread": ("train/group_reward_std", "train/rollout/reward_std"),
        "learning_rate": ("train/actor_lr",),
        "entropy": ("train/entropy_loss",),
        "kl": ("train/kl",),
        "completion_length": ("train/response_length", "train/rollout/response_length_mean"),
        "grad_norm": ("train/actor_grad_norm",),
        "clip_ratio": ("train/ppo_clip_ratio", "train/clip_ratio"),
        "evaluation_reward": ("eval/*pass1", "eval/reward"),
    },
    step_unit="rollout",
    spread=spread,
    hyperparameters=hyperparameters,
)
