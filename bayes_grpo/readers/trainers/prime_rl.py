"""prime-rl: orchestrator and trainer write rows of their own for each step; its step is one optimizer update."""

from collections.abc import Mapping
from typing import Any

from bayes_grpo.readers.contract import Trainer
from bayes_grpo.readers.hyperparameters import first, ratio


def hyperparameters(config: Mapping[str, Any]) -> dict[str, Any]:
    """From its configuration: batch_size counts completions."""
    group = first(
        config,
        "orchestrator/group_size",
        "orchestrator/rollouts_per_example",
        "group_size",
        "rollouts_per_example",
    )
    return {
        "group_size": group,
        "prompts_per_step": ratio(first(config, "orchestrator/batch_size", "batch_size"), group),
        "momentum": first(config, "trainer/optim/betas1", "optim/betas1"),
        "planned_steps": first(config, "max_steps", "orchestrator/max_steps"),
    }


TRAINER = Trainer(
    name="prime-rl",
    checked="sources of 2026",
    marks=(
        "config/orchestrator/batch_size",
        "train/agg/effective/*/reward/mean",
        "train/agg/effective/reward/mean",
        "entropy/all/mean",
        "mismatch_kl/all/mean",
        "off_policy/mean",
        "optim/grad_norm",
        "max. off-policy level",
        "async level",
        "seq. length",
    ),
    names={
        "optimizer_step": ("step", "_step"),
        "reward": ("train/agg/effective/*/reward/mean", "train/agg/effective/reward/mean", "reward/mean", "reward"),
        "learning_rate": ("optim/lr",),
        "entropy": ("entropy/all/mean", "entropy/mean"),
        "completion_length": ("train/agg/effective/num_output_tokens/mean", "seq_len/all/mean", "seq. length"),
        "grad_norm": ("optim/grad_norm",),
        "clip_ratio": ("is_masked/mean",),
        "evaluation_reward": ("eval/*/avg@*", "val. reward"),
        "step_time": ("time/step", "time"),
        "all_right_share": ("solved_all", "solve_all"),
        "all_wrong_share": ("solved_none", "solve_none"),
        "rollout_age": ("off_policy/mean", "off_policy_level/mean", "max. off-policy level"),
        "logprob_difference": ("mismatch_kl/all/mean", "mismatch_kl/mean"),
    },
    components=r"train/agg/effective/[^/]+/rewards/([^/]+)/mean",
    derived={"zero_spread_share": (("solved_none", "solved_all"), lambda none, all_: none + all_)},
    by_step=True,
    hyperparameters=hyperparameters,
)
