"""Event logs in the style of CS336's GRPO assignment: rows of type rollout, train and eval, each with its count."""

from collections.abc import Iterable, Mapping
from typing import Any

from bayes_grpo.readers.contract import Spread, Trainer


def spread(column: str, columns: Iterable[str], facts: Mapping[str, Any]) -> Spread:
    """``std_reward`` is over all completions of the rollout batch."""
    return Spread("batch")


TRAINER = Trainer(
    name="CS336 event log",
    checked="logs of 2025",
    marks=("grpo_step", "num_rollouts", "rollout_epoch", "answer_accuracy", "format_accuracy", "std_reward"),
    names={
        "optimizer_step": ("optimizer_step", "grpo_step"),
        "reward": ("reward", "mean_reward"),
        "reward_spread": ("std_reward",),
        "learning_rate": ("learning_rate",),
        "entropy": ("token_entropy",),
        "kl": ("reference_kl",),
        "completion_length": ("avg_response_token_length",),
        "grad_norm": ("grad_norm",),
        "clip_ratio": ("clip_fraction",),
        "update_kl": ("approx_kl",),
        "step_time": ("step_seconds",),
    },
    components=r"(format|answer)_accuracy",
    constants={"group_size": "group_size", "refresh_interval": "optimizer_updates_per_rollout_batch"},
    timed_by_batch=True,
    spread=spread,
)
