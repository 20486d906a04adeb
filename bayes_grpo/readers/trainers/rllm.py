"""rllm, on its own trainers or on verl: rewards by role, and the shares of groups with a signal."""

from collections.abc import Iterable, Mapping
from typing import Any

from bayes_grpo.readers.contract import Spread, Trainer
from bayes_grpo.readers.hyperparameters import first
from bayes_grpo.readers.trainers import verl


def spread(column: str, columns: Iterable[str], facts: Mapping[str, Any]) -> Spread:
    """``reward/ROLE/std`` is over all completions of the batch, ``group_reward_std`` within groups."""
    return Spread("within_group" if "group_reward_std" in column else "batch")


def hyperparameters(config: Mapping[str, Any]) -> dict[str, Any]:
    """From its configuration, and verl's where that trains."""
    known = verl.hyperparameters(config)
    return known | {"group_size": first(config, "training/group_size", "rllm/group_size") or known["group_size"]}


TRAINER = Trainer(
    name="rllm",
    checked="sources of 2026",
    based_on="verl",
    marks=(
        r"^batch/[^/]+/fractions/",
        r"^batch/[^/]+/group_reward_std/",
        r"^reward/[^/]+/mean$",
        "train/kl_sample_train_v1",
        "config/training/group_size",
    ),
    names={
        "optimizer_step": ("training/global_step", "progress/batch", "step", "_step"),
        "reward": (r"^reward/[^/]+/mean$", "critic/rewards/mean", "critic/score/mean"),
        "reward_spread": (r"^batch/[^/]+/group_reward_std/(mean|p50)$", r"^reward/[^/]+/std$"),
        "learning_rate": ("progress/lr", "optim/lr", "actor/lr"),
        "entropy": ("train/entropy", "actor/entropy", "actor/entropy_loss"),
        "all_right_share": (r"^batch/[^/]+/fractions/too_easy$",),
        "all_wrong_share": (r"^batch/[^/]+/fractions/too_hard$",),
        "evaluation_reward": (r"^val/.*(pass@?1|reward.*mean|accuracy)$",),
        "rollout_age": ("async/staleness_mean", "training/off_policy/trajectory_staleness/mean"),
        "logprob_difference": ("train/kl_sample_train_v1",),
    },
    step_unit="rollout",
    derived={"zero_spread_share": (("^batch/[^/]+/fractions/effective$",), lambda share: 1 - share)},
    spread=spread,
    hyperparameters=hyperparameters,
)
