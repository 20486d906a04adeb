"""ROLL: verl's keys; ``critic/score/mean`` is the reward, and ``critic/rewards/mean`` is normalised by group."""

from collections.abc import Mapping
from typing import Any

from bayes_grpo.readers.contract import Trainer
from bayes_grpo.readers.hyperparameters import first, product, ratio


def hyperparameters(config: Mapping[str, Any]) -> dict[str, Any]:
    """From its configuration: rollout_batch_size counts prompts."""
    group, prompts = first(config, "num_return_sequences_in_group"), first(config, "rollout_batch_size")
    trained = product(
        first(config, "actor_train/training_args/per_device_train_batch_size"),
        first(config, "actor_train/training_args/gradient_accumulation_steps"),
        first(config, "actor_train/world_size"),
    )
    updates = product(first(config, "ppo_epochs"), ratio(product(prompts, group), trained))
    return {
        "group_size": group,
        "prompts_per_step": ratio(prompts, updates) if updates else prompts,
        "refresh_interval": max(1.0, updates) if updates is not None else None,
        "planned_steps": product(first(config, "max_steps"), updates),
    }


TRAINER = Trainer(
    name="ROLL",
    checked="sources of 2026",
    based_on="verl",
    marks=(
        "system/step",
        "system/global_step",
        "system/samples",
        "^tokens?/response_length/mean$",
        "critic/token_level_rewards_mean/mean",
        "^critic/score_distribution/",
        "group/all_correct_groups_ratio",
        "config/num_return_sequences_in_group",
    ),
    names={
        "optimizer_step": ("system/global_step", "system/step", "step", "_step"),
        "reward": ("critic/score/mean",),
        "entropy": ("critic/entropy/mean", "actor/entropy", "actor/entropy_loss"),
        "kl": ("critic/kl", "actor/kl_loss"),
        "update_kl": ("actor/approxkl", "actor/ppo_kl"),
        "completion_length": ("tokens/response_length/mean", "token/response_length/mean"),
        "clip_ratio": ("actor/ppo_ratio_clipfrac", "actor/clipfrac", "actor/pg_clipfrac"),
        "grad_norm": ("actor_train/grad_norm", "actor/grad_norm"),
        "all_right_share": ("group/all_correct_groups_ratio",),
        "all_wrong_share": ("group/all_incorrect_groups_ratio",),
        "evaluation_reward": ("val/score/mean", "val_correct/all/mean", "^val[/_].*(score|correct)/mean$"),
        "step_time": ("time/step_total", "time/step"),
        "logprob_difference": ("^actor/train_infer_.*(logprob|log_prob|kl).*(mean|diff)$",),
    },
    step_unit="rollout",
    derived={"zero_spread_share": (("group/mixed_groups_ratio",), lambda mixed: 1 - mixed)},
    hyperparameters=hyperparameters,
)
