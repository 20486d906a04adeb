"""TRL's GRPOTrainer, and Unsloth's, which is TRL's; also the rows of `bayes_grpo.trl.recorder`."""

from collections.abc import Iterable, Mapping
from typing import Any

from bayes_grpo.readers.contract import Spread, Trainer
from bayes_grpo.readers.hyperparameters import first, product, ratio


def _names(*names: str) -> tuple[str, ...]:
    """The names as TRL logs them, and with the prefix that transformers gives them in trackers."""
    return tuple(full for name in names for full in (name, f"train/{name}"))


def spread(column: str, columns: Iterable[str], facts: Mapping[str, Any]) -> Spread:
    """What ``reward_std`` means.

    Before version 0.27 the mean deviation within groups (or the batch's under scale_rewards="batch"), the batch's
    since.
    ``completion_length`` was logged by versions well before that only.
    """
    if column.endswith("reward_spread"):
        return Spread()
    names = set(columns)
    if names & {"sample/staleness_mean", "train/sample/staleness_mean"}:
        return Spread("within_group", "so it is in the asynchronous trainer")
    parts = str(facts.get("trl_version", "")).split(".")
    reason = ""
    if len(parts) >= 2 and parts[0].isdigit() and parts[1].isdigit():
        old = (int(parts[0]), int(parts[1])) < (0, 27)
    elif names & {"completion_length", "train/completion_length"}:
        old, reason = True, "TRL logged completion_length before 0.27 only"
    else:
        return Spread()
    return Spread("within_group" if old and facts.get("scale_rewards") != "batch" else "batch", reason)


def hyperparameters(config: Mapping[str, Any]) -> dict[str, Any]:
    """From GRPOConfig's arguments (and what transformers adds in trackers)."""
    accumulated = first(config, "gradient_accumulation_steps")
    generations = first(config, "steps_per_generation") or accumulated
    # generation_batch_size = completions a device * devices * steps_per_generation
    whole = first(config, "generation_batch_size")
    group = first(config, "num_generations")
    updates = ratio(product(generations, first(config, "num_iterations")), accumulated)
    return {
        "group_size": group,
        "prompts_per_step": ratio(product(whole, accumulated), product(generations, group)),
        "momentum": first(config, "adam_beta1", zero=True),
        "refresh_interval": max(1.0, updates) if updates is not None else None,
        "planned_steps": first(config, "max_steps"),
        "model_size": first(config, "model/num_parameters"),
        "kl_weight": first(config, "beta", zero=True) if group is not None else None,
        "clip_range": first(config, "epsilon"),
        "logging_window": first(config, "logging_steps")
        if config.get("logging_strategy", "steps") == "steps"
        else None,
    }


TRAINER = Trainer(
    name="TRL",
    checked="1.16",
    marks=(
        "config/num_generations",
        "config/trl_version",
        *_names("completions/mean_length", "completion_length", "frac_reward_zero_std", "completions/clipped_ratio"),
        *_names("clip_ratio/region_mean", "clip_ratio/low_mean"),
        "train_runtime",
        "training loss",
    ),
    names={
        "optimizer_step": ("optimizer_step", "train/global_step", "step", "global_step"),
        "reward": _names("reward"),
        "reward_spread": ("reward_spread", *_names("reward_std")),
        "learning_rate": _names("learning_rate"),
        "entropy": _names("entropy"),
        "kl": _names("kl"),
        "completion_length": _names("completions/mean_length", "completion_length"),
        "truncation_share": _names("completions/clipped_ratio"),
        "grad_norm": _names("grad_norm"),
        "clip_ratio": _names("clip_ratio/region_mean", "clip_ratio", "cispo_clip_ratio"),
        "zero_spread_share": _names("zero_spread_share", "frac_reward_zero_std"),
        "evaluation_reward": ("eval_reward", "eval/reward"),
        "step_time": _names("step_time"),
        "rollout_age": _names("rollout_age", "sample/staleness_mean"),
        "log_ratio_mean": _names("log_ratio_mean"),
        "log_ratio_variance": _names("log_ratio_variance"),
        "effective_sample_share": _names("effective_sample_share"),
        "clipped_drive_share": _names("clipped_drive_share"),
        "gradient_cosine": _names("gradient_cosine"),
        "logprob_difference": _names("sampling/sampling_logp_difference/mean"),
    },
    window=None,
    spread=spread,
    hyperparameters=hyperparameters,
)
