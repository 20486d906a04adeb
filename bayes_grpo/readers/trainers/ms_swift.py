"""ms-swift: TRL's keys with the step as "5/500", in ``logging.jsonl`` with ``args.json`` beside it."""

from collections.abc import Iterable, Mapping
from typing import Any

from bayes_grpo.readers.contract import Spread, Trainer
from bayes_grpo.readers.trainers import trl


def spread(column: str, columns: Iterable[str], facts: Mapping[str, Any]) -> Spread:
    """The mean deviation within groups, unless rewards are scaled by the batch."""
    return Spread("batch" if facts.get("scale_rewards") == "batch" else "within_group")


def hyperparameters(config: Mapping[str, Any]) -> dict[str, Any]:
    """TRL's, but for the planned length, which is -1 there where epochs were planned."""
    return trl.hyperparameters(config)


TRAINER = Trainer(
    name="ms-swift",
    checked="4.6",
    based_on="TRL",
    marks=(
        "global_step/max_steps",
        "train_speed(iter/s)",
        "train_speed(s/it)",
        "memory(gib)",
        "^rollout_correction/",
        "entropy/mean",
    ),
    names={
        "optimizer_step": ("global_step/max_steps", "iteration", "train/global_step", "global_step", "step"),
        "entropy": ("entropy/mean", "train/entropy/mean", "entropy", "train/entropy"),
        "effective_sample_share": ("rollout_correction/ess", "train/rollout_correction/ess"),
        "importance_chi2": ("rollout_correction/chi2_token", "train/rollout_correction/chi2_token"),
        "logprob_difference": (
            "rollout_correction/log_ppl_abs_diff",
            "train/rollout_correction/log_ppl_abs_diff",
            "rollout_correction/kl",
            "train/rollout_correction/kl",
        ),
    },
    window=None,
    beside=("args.json",),
    spread=spread,
    hyperparameters=hyperparameters,
)
