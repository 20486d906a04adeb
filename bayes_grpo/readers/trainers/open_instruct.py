"""open-instruct (grpo_fast), from W&B. Its step counts batches of rollouts."""

from collections.abc import Mapping
from typing import Any

from bayes_grpo.readers.contract import Trainer
from bayes_grpo.readers.hyperparameters import first, product, ratio


def hyperparameters(config: Mapping[str, Any]) -> dict[str, Any]:
    """From its arguments."""
    prompts = first(config, "num_unique_prompts_rollout")
    batches = first(config, "num_mini_batches")
    return {
        "group_size": first(config, "num_samples_per_prompt_rollout"),
        "prompts_per_step": ratio(prompts, batches) if batches else prompts,
        "refresh_interval": product(first(config, "num_epochs"), batches),
        "planned_steps": product(first(config, "num_training_steps"), first(config, "num_epochs"), batches),
    }


TRAINER = Trainer(
    name="open-instruct",
    checked="sources of 2026",
    marks=(
        "config/num_samples_per_prompt_rollout",
        "scores",
        "policy/entropy_avg",
        "loss/kl_avg",
        "objective/kl2_avg",
        "policy/clipfrac_avg",
        "val/sequence_lengths",
        "unsolved_batch_size_ratio",
        "val/solve_rate_hist",
    ),
    names={
        "optimizer_step": ("training_step", "step", "_step"),
        "reward": ("scores",),
        "learning_rate": ("lr",),
        "entropy": ("policy/entropy_avg",),
        "kl": ("loss/kl_avg", "objective/kl2_avg", "objective/kl_avg"),
        "completion_length": ("val/sequence_lengths",),
        "clip_ratio": ("policy/clipfrac_avg",),
        "grad_norm": ("optim/grad_norm",),
        "evaluation_reward": ("eval/scores",),
        "all_right_share": ("solved_batch_size_ratio",),
        "all_wrong_share": ("unsolved_batch_size_ratio",),
        "update_kl": ("policy/approxkl_avg",),
        "rollout_age": ("num_steps_off_policy",),
    },
    components=r"objective/([^/]+)_reward",
    step_unit="rollout",
    hyperparameters=hyperparameters,
)
