"""OpenPipe's ART: ``history.jsonl``, with rows of their own for training and for validation at a step."""

from collections.abc import Iterable, Mapping
from typing import Any

from bayes_grpo.readers.contract import Spread, Trainer
from bayes_grpo.readers.hyperparameters import first


def spread(column: str, columns: Iterable[str], facts: Mapping[str, Any]) -> Spread:
    """``reward_std_dev`` is the mean of the groups' deviations."""
    return Spread("within_group")


def hyperparameters(config: Mapping[str, Any]) -> dict[str, Any]:
    """From what was logged to W&B as config, where it was."""
    return {"group_size": first(config, "rollouts_per_group"), "prompts_per_step": first(config, "groups_per_step")}


TRAINER = Trainer(
    name="ART",
    checked="0.5.18",
    marks=("train/reward_std_dev", "train/exception_rate", "loss/kl_policy_ref", "data/step_num_groups_trainable"),
    names={
        "optimizer_step": ("training_step", "step", "_step"),
        "reward": ("train/reward",),
        "reward_spread": ("train/reward_std_dev",),
        "learning_rate": ("loss/learning_rate",),
        "entropy": ("loss/entropy",),
        "kl": ("loss/kl_policy_ref", "loss/kl_div"),
        "grad_norm": ("loss/grad_norm",),
        "evaluation_reward": ("val/reward", "test/reward"),
        "step_time": ("time/step_wall_s",),
        "rollout_age": ("train/steps_off_policy",),
    },
    components=r"train/(?!reward)([^/]*(?:reward|score|accuracy)[^/]*)",
    step_unit="rollout",
    constants={"refresh_interval": "data/step_num_gradient_steps"},
    derived={
        "zero_spread_share": (
            ("data/step_num_groups_trainable", "data/step_num_groups_submitted"),
            lambda trainable, submitted: 1 - trainable / submitted,
        )
    },
    by_step=True,
    spread=spread,
    hyperparameters=hyperparameters,
)
