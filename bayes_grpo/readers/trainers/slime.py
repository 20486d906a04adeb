"""slime and miles: rows of rollouts, of training and of evaluation, each with a clock of its own."""

from collections.abc import Mapping
from typing import Any

from bayes_grpo.readers.contract import Trainer
from bayes_grpo.readers.hyperparameters import first, product, ratio


def hyperparameters(config: Mapping[str, Any]) -> dict[str, Any]:
    """From its arguments: rollout_batch_size counts prompts, global_batch_size completions."""
    group, prompts = first(config, "n_samples_per_prompt"), first(config, "rollout_batch_size")
    updates = first(config, "num_steps_per_rollout") or ratio(
        product(prompts, group), first(config, "global_batch_size")
    )
    return {
        "group_size": group,
        "prompts_per_step": ratio(prompts, updates) if updates else prompts,
        "momentum": first(config, "adam_beta1", zero=True),
        "refresh_interval": max(1.0, updates) if updates is not None else None,
        "planned_steps": product(first(config, "num_rollout"), updates),
    }


TRAINER = Trainer(
    name="slime",
    checked="sources of 2026",
    marks=(
        "rollout/raw_reward",
        "train/lr-pg_0",
        "^rollout/zero_std/",
        "rollout/response_lengths",
        "rollout/response_len/mean",
        "rollout/truncated_ratio",
        "rollout/log_probs",
        "train/train_rollout_logprob_abs_diff",
        "config/num_steps_per_rollout",
    ),
    names={
        "optimizer_step": ("train/step", "step"),
        "reward": ("rollout/raw_reward",),  # rollout/rewards is normalised by group
        "learning_rate": ("train/lr-pg_0", "train/lr-pg_1"),
        "entropy": ("rollout/entropy", "train/entropy_loss"),
        "kl": ("train/kl_loss", "rollout/kl"),
        "update_kl": ("train/ppo_kl",),
        "completion_length": ("rollout/response_len/mean", "rollout/response_lengths"),
        "truncation_share": ("rollout/truncated_ratio", "rollout/truncated"),
        "grad_norm": ("train/grad_norm",),
        "clip_ratio": ("train/pg_clipfrac",),
        "all_right_share": ("rollout/zero_std/all_one_percentage",),
        "all_wrong_share": ("rollout/zero_std/all_zero_percentage",),
        "evaluation_reward": (r"^eval/(?!step$)[^/-]+$",),
        "step_time": ("perf/step_time",),
        "logprob_difference": ("train/train_rollout_logprob_abs_diff",),
        "effective_sample_share": ("train/ess",),
    },
    components=r"rollout/rewards?/([^/]+)",
    timed_by_batch=True,
    rollout_clock=("rollout/step", "rollout", "perf", "eval/step", "eval"),
    derived={
        "zero_spread_share": (
            ("rollout/zero_std/count_*", "config/rollout_batch_size"),
            lambda groups, prompts: groups / prompts,
        ),
    },
    by_step=True,
    hyperparameters=hyperparameters,
)
