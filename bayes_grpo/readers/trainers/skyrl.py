"""SkyRL, from its trackers and its console. Its step counts batches of rollouts; the group size stands in a key."""

from collections.abc import Mapping
from typing import Any

from bayes_grpo.readers.contract import Trainer
from bayes_grpo.readers.hyperparameters import first, first_of_list, product, ratio


def hyperparameters(config: Mapping[str, Any]) -> dict[str, Any]:
    """From its configuration; batch sizes count prompts."""
    prompts, mini = first(config, "trainer/train_batch_size"), first(config, "trainer/policy_mini_batch_size")
    updates = product(first(config, "trainer/update_epochs_per_batch"), ratio(prompts, mini))
    return {
        "group_size": first(config, "generator/n_samples_per_prompt"),
        "prompts_per_step": mini,
        "momentum": first_of_list(config, "trainer/policy/optimizer_config/adam_betas"),
        "refresh_interval": max(1.0, updates) if updates is not None else None,
    }


TRAINER = Trainer(
    name="SkyRL",
    checked="0.3",
    marks=(
        "trainer/global_step",
        "reward/avg_raw_reward",
        r"^reward/avg_pass_at_\d+$",
        "reward/mean_positive_reward",
        "generate/avg_num_tokens",
        "policy/policy_entropy",
        "loss/avg_final_rewards",
        "config/generator/n_samples_per_prompt",
    ),
    names={
        "optimizer_step": ("trainer/global_step", "step", "_step"),
        "reward": ("reward/avg_raw_reward",),
        "learning_rate": ("policy/policy_lr",),
        "entropy": ("policy/policy_entropy",),
        "kl": ("policy/policy_kl", "loss/avg_kl"),
        "completion_length": ("generate/avg_num_tokens",),
        "grad_norm": ("policy/grad_norm", "policy/raw_grad_norm"),
        "clip_ratio": ("policy/loss_metrics/clip_ratio", "policy/ppo_clip_ratio"),
        "evaluation_reward": ("eval/all/avg_score", r"^eval/[^/]+/avg_score$"),
        "step_time": ("timing/step",),
        "rollout_age": ("async/staleness_mean",),
        "logprob_difference": ("policy/rollout_train_logprobs_abs_diff_mean",),
    },
    components=r"reward/(?!avg_|mean_|num_)([^/]+)",
    step_unit="rollout",
    from_keys={"group_size": r"reward/avg_pass_at_(\d+)"},
    derived={
        "zero_spread_share": (
            ("reward/num_zero_variance_filtered", "config/trainer/train_batch_size"),
            lambda groups, prompts: groups / prompts,
        )
    },
    hyperparameters=hyperparameters,
)
