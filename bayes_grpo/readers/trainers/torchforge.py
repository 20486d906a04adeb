"""torchforge: its metrics in W&B and in the console's blocks ``METRICS STEP n``; the reward is never an advantage."""

from collections.abc import Iterable, Mapping
from typing import Any

from bayes_grpo.readers.contract import Spread, Trainer
from bayes_grpo.readers.hyperparameters import first


def spread(column: str, columns: Iterable[str], facts: Mapping[str, Any]) -> Spread:
    """Over all completions that were scored since the last step."""
    return Spread("batch")


def hyperparameters(config: Mapping[str, Any]) -> dict[str, Any]:
    """From its configuration."""
    return {
        "group_size": first(config, "group_size"),
        "prompts_per_step": first(config, "local_batch_size", "batch_size"),
    }


_REWARD = "reward/evaluate_response"
TRAINER = Trainer(
    name="torchforge",
    checked="sources of 2026",
    marks=(
        f"^{_REWARD}/",
        "buffer/evict/avg_policy_staleness",
        "main/training/count_training_iterations",
        "rl_trainer/learning_rate",
        "main/rollout/avg_advantage",
    ),
    names={
        "optimizer_step": ("step", "_step", "main/training/count_training_iterations"),
        "reward": (f"{_REWARD}/avg_total_reward", f"{_REWARD}/avg_reward", rf"^{_REWARD}/avg_\w*reward$"),
        "reward_spread": (f"{_REWARD}/std_total_reward", f"{_REWARD}/std_reward", rf"^{_REWARD}/std_\w*reward$"),
        "learning_rate": ("rl_trainer/learning_rate",),
        "grad_norm": ("rl_trainer/grad_norm", "rl_trainer/avg_grad_norm"),
        "kl": ("rl_trainer/kl_divergence_mean", "^.*/loss/kl_divergence_mean$"),
        "entropy": ("^.*/entropy_mean$", "rl_trainer/avg_entropy"),
        "rollout_age": ("buffer/evict/avg_policy_staleness",),
        "evaluation_reward": ("^main_eval/.*avg.*reward$", "^eval.*/avg_.*reward$"),
    },
    components=rf"{_REWARD}/avg_(?!total_reward|reward$)(\w+)",
    spread=spread,
    hyperparameters=hyperparameters,
)
