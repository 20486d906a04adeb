"""`bayes-grpo checkpoint`: which saved step to keep, and which to evaluate."""

import argparse
from typing import Any

from bayes_grpo.cli.common import add_json, finish, read_numbers, say
from bayes_grpo.cli.figures import add_figure, check_figure, numbered, save_figure
from bayes_grpo.cli.fits import add_runs_or_fits
from bayes_grpo.cli.reading import add_reading
from bayes_grpo.errors import InputError


def add_checkpoint(commands: Any) -> None:
    """Define `checkpoint`."""
    command = commands.add_parser(
        "checkpoint",
        help="which checkpoint is the best, which to keep, and which to evaluate",
        description="Probability that each checkpoint is the best and within a margin of the best, by the logged "
        "evaluation "
        "curve where there is one, else by what the training reward leads to expect; and which to evaluate next. "
        "Repeat "
        "with --evaluated as evaluations come in.",
    )
    add_runs_or_fits(command)
    command.add_argument("--every", metavar="N", help="checkpoints lie so many steps apart")
    command.add_argument("--steps", metavar="S,S,...", help="the checkpoints themselves")
    command.add_argument(
        "--evaluated", nargs="+", default=[], metavar="STEP=VALUE", help="evaluations so far, such as 100=0.41 200=0.45"
    )
    command.add_argument("--noise", metavar="SD", help="standard deviation of an evaluation (default: of 600 prompts)")
    command.add_argument("--evaluate", type=int, default=0, metavar="N", help="which N to evaluate next")
    command.add_argument("--margin", metavar="M", help="loss that does not matter (default: 1 %% of the range)")
    command.add_argument("--seed", type=int, default=0, help="default: 0")
    add_figure(command)
    add_json(command)
    add_reading(command)
    command.set_defaults(run=_checkpoint, faults=_faults)


def _faults(options: argparse.Namespace) -> list[str]:
    return [*_numbers(options)[1], *_steps(options.steps)[1], *_evaluated(options.evaluated)[1]]


def _numbers(options: argparse.Namespace) -> tuple[dict[str, float | None], list[str]]:
    return read_numbers(options, "every", "noise", "margin", above_zero=("every", "noise", "margin"))


def _checkpoint(options: argparse.Namespace) -> int:
    numbers, _ = _numbers(options)
    steps, _ = _steps(options.steps)
    evaluated, _ = _evaluated(options.evaluated)
    check_figure(options.figure)
    from bayes_grpo.analysis.decisions.checkpoint.checkpoint import checkpoint
    from bayes_grpo.analysis.decisions.checkpoint.summary import summarise_checkpoint
    from bayes_grpo.analysis.decisions.checkpoint.table import checkpoint_table
    from bayes_grpo.cli.ask import runs_or_fits
    from bayes_grpo.inference.progress import sampling_progress, use_compilation_cache

    use_compilation_cache()
    runs, unread = runs_or_fits(options)
    named = [(run, str(label)) for run in runs for label in run["run"].values]
    answers = []
    for count, (run, label) in enumerate(named):
        try:
            with sampling_progress(label) as progress:
                result = checkpoint(
                    run,
                    run=label,
                    every=numbers["every"],
                    steps=steps,
                    evaluated=evaluated,
                    noise=numbers["noise"],
                    evaluate=options.evaluate,
                    seed=options.seed,
                    progress=progress,
                )
        except InputError as error:
            if len(named) == 1:
                raise
            say(f"bayes-grpo: {error}")
            unread.append(error)
            continue
        answers.append(summarise_checkpoint(result, margin=numbers["margin"]))
        if options.figure is not None:
            save_figure(numbered(options.figure, count, len(named)), "plot_checkpoint", result)
    return finish(answers, checkpoint_table, as_json=options.json, faults=unread)


def _steps(text: str | None) -> tuple[list[float] | None, list[str]]:
    """The steps listed; or what is wrong with them."""
    if text is None:
        return None, []
    try:
        return [float(step) for step in text.split(",")], []
    except ValueError:
        return None, [f"--steps: expected numbers, such as 100,200,300, found {text!r}"]


def _evaluated(texts: list[str]) -> tuple[dict[float, float], list[str]]:
    """Values by step; and what is wrong with the others."""
    values, faults = {}, []
    for text in texts:
        step, _, value = text.partition("=")
        try:
            values[float(step)] = float(value)
        except ValueError:
            faults.append(f"--evaluated: expected STEP=VALUE, such as 100=0.41, found {text!r}")
    return values, faults
