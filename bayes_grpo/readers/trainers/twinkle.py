"""Twinkle: an event log; its reader (`formats/twinkle.py`) has already made one row of the events of a step."""

from collections.abc import Iterable, Mapping
from typing import Any

from bayes_grpo.readers.contract import Spread, Trainer


def spread(column: str, columns: Iterable[str], facts: Mapping[str, Any]) -> Spread:
    """The reader joins the groups' own deviations."""
    return Spread("within_group")


TRAINER = Trainer(
    name="Twinkle",
    checked="logs of 2026",
    marks=("policy_version_gap_mean", "group_reward_std", "zero_advantage_group_ratio", "completion_truncated_ratio"),
    names={
        "optimizer_step": ("optimizer_step",),
        "reward": ("reward",),
        "reward_spread": ("group_reward_std",),
        "learning_rate": ("learning rate(param group 1)", "learning rate"),
        "completion_length": ("completion_length_mean",),
        "truncation_share": ("completion_truncated_ratio",),
        "grad_norm": ("grad_norm",),
        "zero_spread_share": ("zero_advantage_group_ratio",),
        "rollout_age": ("policy_version_gap_mean",),
    },
    spread=spread,
)
