"""NeMo-RL, from its trackers. Its step counts batches of rollouts; shares of groups are in percent."""

from collections.abc import Iterable, Mapping
from typing import Any

from bayes_grpo.readers.contract import Spread, Trainer
from bayes_grpo.readers.hyperparameters import first, first_of_list, product, ratio


def spread(column: str, columns: Iterable[str], facts: Mapping[str, Any]) -> Spread:
    """``total_reward/stddev`` is over all completions of the step."""
    return Spread("batch")


def hyperparameters(config: Mapping[str, Any]) -> dict[str, Any]:
    """From its configuration: train_global_batch_size counts completions."""
    group = first(config, "grpo/num_generations_per_prompt")
    prompts = first(config, "grpo/num_prompts_per_step")
    trained = first(config, "policy/train_global_batch_size")
    updates = ratio(product(prompts, group), trained)
    return {
        "group_size": group,
        "prompts_per_step": ratio(trained, group),
        "momentum": first_of_list(config, "policy/optimizer/kwargs/betas")
        or first(config, "policy/megatron_cfg/optimizer/adam_beta1"),
        "refresh_interval": max(1.0, updates) if updates is not None else None,
        "planned_steps": product(first(config, "grpo/max_num_steps"), updates),
    }


TRAINER = Trainer(
    name="NeMo-RL",
    checked="sources of 2026",
    marks=(
        "config/grpo/num_generations_per_prompt",
        "train/baseline_reward/pct_0",
        "train/baseline_reward/pct_1",
        "train/baseline_reward/pct_mixed",
        "train/approx_entropy",
        "train/avg_trajectory_age",
        "train/mean_gen_tokens_per_sample",
        "train/kl_penalty",
        "mean generation length",
        "total step time",
        "avg filtered reward",
    ),
    names={
        "optimizer_step": ("step", "_step"),
        "reward": ("train/reward", "avg reward", "avg total reward"),
        "reward_spread": ("train/total_reward/stddev",),
        "learning_rate": ("train/lr",),
        "entropy": ("train/approx_entropy",),
        "kl": ("train/kl_penalty",),
        "completion_length": ("train/mean_gen_tokens_per_sample", "mean generation length"),
        "grad_norm": ("train/grad_norm",),
        "evaluation_reward": ("validation/accuracy", "validation/reward"),
        "step_time": ("timing/train/total_step_time", "total step time"),
        "rollout_age": ("train/avg_trajectory_age", "avg trajectory age"),
        "logprob_difference": ("train/gen_kl_error", "generation kl error"),
    },
    step_unit="rollout",
    # The share of groups whose mean is neither 0 nor 1; the others are without spread if rewards are 0 or 1.
    derived={"zero_spread_share": (("train/baseline_reward/pct_mixed",), lambda mixed: 1 - mixed / 100)},
    spread=spread,
    hyperparameters=hyperparameters,
)
