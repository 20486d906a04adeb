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
    checked="0.9.1",
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
        "kl": ("actor/kl_loss", "actor/reward_kl_penalty"),
        "completion_length": ("response_length/mean",),
        "truncation_share": ("response_length/clip_ratio",),
        "grad_norm": ("actor/grad_norm",),
        "clip_ratio": ("actor/pg_clipfrac",),
        "update_kl": ("actor/ppo_kl",),
        "evaluation_reward": ("val-core/*/reward/mean@*", "val-core/*/acc/mean@*", "val/test_score/*"),
        "step_time": ("timing_s/step", "perf/time_per_step"),
        "rollout_age": ("training/off_policy/trajectory_staleness/mean",),
        "effective_sample_share": ("rollout_corr/rollout_is_eff_sample_size", "mismatch/rollout_is_eff_sample_size"),
        "importance_chi2": ("rollout_corr/chi2_token", "mismatch/chi2_token"),
        "logprob_difference": (
            "rollout_corr/log_ppl_abs_diff",
            "mismatch/mismatch_log_ppl_abs_diff",
            "rollout_corr/kl",
            "mismatch/mismatch_kl",
        ),
    },
    components=r"critic/rewards/([^/]+)/mean",
    step_unit="rollout",
    hyperparameters=hyperparameters,
)
