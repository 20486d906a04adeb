"""What the commands that read logs share: their options, and reading several paths."""

import argparse
from pathlib import Path
from typing import Any

from bayes_grpo.cli.common import say
from bayes_grpo.errors import InputError

RUN_HELP = (
    "a training log or a folder with runs: TRL, verl and other trainers' logs, console output, CSV or JSON tables, "
    "TensorBoard, W&B, trackio, or .nc"
)

_HYPERPARAMETERS = {
    "group_size": "completions per prompt (G)",
    "prompts_per_step": "prompts per optimizer step (B)",
    "momentum": "optimizer momentum: Adam's beta1 or heavy-ball's",
    "refresh_interval": "optimizer updates made on one batch of rollouts (K)",
    "logging_window": "optimizer steps averaged in one logged row",
    "planned_steps": "optimizer steps the run was planned for",
    "model_size": "number of parameters of the policy",
}


def add_reading(parser: argparse.ArgumentParser) -> None:
    """Give a command the options that say what a log does not."""
    about = parser.add_argument_group("what the log does not say (stated here, these win over a hyperparameters file)")
    for name, meaning in _HYPERPARAMETERS.items():
        about.add_argument("--" + name.replace("_", "-"), metavar="N", help=meaning)
    about.add_argument(
        "--reward-bounds", nargs=2, metavar=("LOWER", "UPPER"), help="smallest and largest possible reward"
    )
    about.add_argument("--hyperparameters", type=Path, metavar="FILE", help="the same as TOML or JSON")
    about.add_argument("--reward-column", metavar="NAME", help="column that holds the mean reward")
    about.add_argument("--step-column", metavar="NAME", help="column that holds the optimizer step")
    about.add_argument("--run-column", metavar="NAME", help="column that tells several runs in one table apart")
    about.add_argument(
        "--step-unit",
        choices=("optimizer", "rollout"),
        help="what steps count: optimizer updates or batches of rollouts (default: what the trainer is known to count)",
    )


def reading_options(options: argparse.Namespace) -> dict[str, Any]:
    """Keyword arguments of `bayes_grpo.read_run` from a command's options.

    Raises
    ------
    InputError
        For impossible hyperparameters.
    """
    from bayes_grpo.runs.fields import check_hyperparameters

    stated = {name: getattr(options, name) for name in _HYPERPARAMETERS if getattr(options, name) is not None}
    if options.reward_bounds is not None:
        stated["reward_lower"], stated["reward_upper"] = options.reward_bounds
    return {
        "hyperparameters": check_hyperparameters("command line", stated),
        "hyperparameters_file": options.hyperparameters,
        "reward_column": options.reward_column,
        "step_column": options.step_column,
        "run_column": options.run_column,
        "step_unit": options.step_unit,
    }


def read_all(options: argparse.Namespace) -> tuple[list[Any], list[InputError]]:
    """Read all runs; where some of several cannot be read, say so and go on with the others."""
    from bayes_grpo.readers import read_runs

    known = reading_options(options)
    runs, faults = [], []
    for path in options.runs:
        try:
            runs += read_runs(path, **known)
        except InputError as error:
            if len(options.runs) == 1:
                raise
            say(f"bayes-grpo: {error}")
            faults.append(error)
    return runs, faults
