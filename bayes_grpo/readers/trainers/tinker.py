"""The Tinker cookbook: ``metrics.jsonl`` with ``config.json`` beside it. Its step counts batches of rollouts."""

from collections.abc import Mapping
from typing import Any

from bayes_grpo.readers.contract import Trainer
from bayes_grpo.readers.hyperparameters import first, ratio


def hyperparameters(config: Mapping[str, Any]) -> dict[str, Any]:
    """From its configuration: a batch of groups is split into substeps of one update each; Adam's beta1 is fixed."""
    prompts = first(config, "async_config/groups_per_batch", "groups_per_batch", "dataset_builder/batch_size")
    updates = first(config, "num_substeps")
    return {
        "group_size": first(config, "group_size", "dataset_builder/group_size"),
        "prompts_per_step": ratio(prompts, updates) if updates else prompts,
        "momentum": 0.9 if config else None,
        "refresh_interval": updates,
    }


TRAINER = Trainer(
    name="Tinker cookbook",
    checked="0.6.1",
    marks=(
        "env/all/reward/total",
        "progress/batch",
        "progress/done_frac",
        "^env/all/by_group/",
        "env/all/ac_tokens_per_turn",
        "optim/kl_sample_train_v1",
    ),
    names={
        "optimizer_step": ("step", "progress/batch", "_step"),
        "reward": ("env/all/reward/total", "reward/total"),
        "learning_rate": ("optim/lr",),
        "entropy": ("optim/entropy",),
        "kl": ("kl_policy_base",),
        "all_right_share": ("env/all/by_group/frac_all_good",),
        "all_wrong_share": ("env/all/by_group/frac_all_bad",),
        "evaluation_reward": ("test/env/all/reward/total", r"^test/.*reward/total$", r"^test/.*/correct$"),
        "step_time": ("time/total",),
        "rollout_age": ("async/staleness_mean",),
        "logprob_difference": ("optim/kl_sample_train_v1",),
    },
    components=r"env/all/(?:reward/)?(format|correct|[^/]*_reward)",
    step_unit="rollout",
    derived={
        "zero_spread_share": (("env/all/by_group/frac_mixed",), lambda mixed: 1 - mixed),
        "completion_length": (
            ("env/all/total_ac_tokens", "env/all/total_episodes"),
            lambda tokens, all_: tokens / all_,
        ),
    },
    beside=("config.json",),
    hyperparameters=hyperparameters,
)
