"""What the commands that read logs share: their options, and reading several paths."""

import argparse
from pathlib import Path
from typing import Any

from bayes_grpo.cli.common import say
from bayes_grpo.cli.numbers import option_name
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
    "kl_weight": "weight of the KL term (b; TRL's beta); 0 is none",
    "clip_range": "half-width of the range in which importance ratios are not clipped",
    "reference_reward": "expected reward of the reference policy, which most runs start from",
    "wrong_reward": "expected reward of a wrong answer: the verifier's rate of false positives",
    "right_reward": "expected reward of a right answer: one less its rate of false negatives",
}


def add_reading(parser: argparse.ArgumentParser, appended: bool = True) -> None:
    """Give a command the options that say what a log does not; ``appended`` adds --run."""
    parser.set_defaults(reads_logs=True)
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
        "--column",
        action="append",
        default=[],
        metavar="NAME=EXPRESSION",
        help="take a variable from a column, or from columns: evaluation_reward=judge_accuracy, "
        "'zero_spread_share=skipped/(skipped+kept)'; may be repeated",
    )
    if appended:
        about.add_argument(
            "--run", dest="appended", default="", metavar="N|last", help="which of several runs appended to one file"
        )
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
    columns = _columns(options.column)
    return {
        "hyperparameters": stated_hyperparameters(options),
        "hyperparameters_file": options.hyperparameters,
        "reward_column": options.reward_column,
        "step_column": options.step_column,
        "run_column": options.run_column,
        "step_unit": options.step_unit,
        "columns": columns,
        "appended": options.appended,
    }


def stated_hyperparameters(options: argparse.Namespace) -> dict[str, float]:
    """The hyperparameters among a command's options.

    Raises
    ------
    InputError
        For impossible ones, all at once.
    """
    from bayes_grpo.runs.fields import check_hyperparameters

    stated = {name: getattr(options, name) for name in _HYPERPARAMETERS if getattr(options, name) is not None}
    if options.reward_bounds is not None:
        stated["reward_lower"], stated["reward_upper"] = options.reward_bounds
    try:
        return check_hyperparameters("command line", stated)
    except InputError as error:
        raise InputError(error.where, map(_of_option, error.faults)) from error


def say_lost_rewards(runs: list[Any]) -> None:
    """Say of which runs the log goes on after the last reward: an answer about the rows before could mislead."""
    from bayes_grpo.readers.lost_rewards import LOST

    for run in runs:
        if "notes" in run:
            for label, text in zip(run["run"].values, run["notes"].values, strict=True):
                for line in str(text).split("\n"):
                    if LOST in line:
                        say(f"note: {label}: {line}")


def reading_faults(options: argparse.Namespace) -> list[str]:
    """What is wrong with the hyperparameters among a command's options, where it has them and some are given."""
    given = (*_HYPERPARAMETERS, "reward_bounds")
    if not getattr(options, "reads_logs", False) or all(getattr(options, name) is None for name in given):
        return []
    try:
        stated_hyperparameters(options)
    except InputError as error:
        return error.faults
    return []


def _of_option(fault: str) -> str:
    """A fault that begins with the option that it is of."""
    name, mark, text = fault.partition(":")
    bounds = name in ("reward_lower", "reward_upper")
    return f"{'--reward-bounds' if bounds else option_name(name)}{mark}{text}"


def _columns(stated: list[str]) -> dict[str, str]:
    """Expressions by the names of variables.

    Raises
    ------
    InputError
        For text without a name, and names that are no variable of a run.
    """
    from bayes_grpo.readers.expressions import check_columns

    pairs = [text.partition("=") for text in stated]
    bad = [text for text, (_, mark, _) in zip(stated, pairs, strict=True) if not mark]
    if bad:
        raise InputError("command line", [f"--column: expected NAME=EXPRESSION, found {text!r}" for text in bad])
    columns = {name.strip(): expression.strip() for name, _, expression in pairs}
    check_columns(columns)
    return columns


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
