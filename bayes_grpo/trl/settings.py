"""What the arguments of a GRPOTrainer say of a run: needs the extra `train`."""

from typing import Any

import transformers


def hyperparameters(args: Any, max_steps: int) -> dict[str, Any]:
    """What a GRPOConfig says of a run, by the names of `bayes_grpo.runs.fields.RUN_FIELDS`.

    Parameters
    ----------
    args : trl.GRPOConfig
        The trainer's arguments.
    max_steps : int
        Optimizer steps of the run.
    """
    import trl

    accumulated = args.gradient_accumulation_steps
    return {
        "group_size": args.num_generations,
        "prompts_per_step": args.per_device_train_batch_size * accumulated * args.world_size / args.num_generations,
        "momentum": args.adam_beta1,
        "refresh_interval": refresh_interval(args),
        "logging_window": 1,
        "planned_steps": max_steps,
        "kl_weight": args.beta,
        "clip_range": args.epsilon,
        "optimizer": str(getattr(args.optim, "value", args.optim)),
        "trl_version": trl.__version__,
        "x_transformers_version": transformers.__version__,
    }


def refresh_interval(args: Any) -> float:
    """Optimizer updates that a GRPOConfig makes on one batch of rollouts."""
    return max(1.0, float(args.steps_per_generation * args.num_iterations / args.gradient_accumulation_steps))
