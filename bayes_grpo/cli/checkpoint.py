"""`bayes-grpo checkpoint`: which saved step to keep, and which to evaluate."""

import argparse
from typing import Any

from bayes_grpo.cli.common import add_json, finish, say
from bayes_grpo.cli.figures import add_figure, check_figure, numbered, save_figure
from bayes_grpo.cli.fits import add_runs_or_fits
from bayes_grpo.cli.numbers import evaluation, positive, steps
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
    command.add_argument("--every", type=positive, metavar="N", help="checkpoints lie so many steps apart")
    command.add_argument("--steps", type=steps, metavar="S,S,...", help="the checkpoints themselves")
    command.add_argument(
        "--evaluated",
        type=evaluation,
        nargs="+",
        default=[],
        metavar="STEP=VALUE",
        help="evaluations so far, such as 100=0.41 200=0.45",
    )
    command.add_argument(
        "--noise", type=positive, metavar="SD", help="standard deviation of an evaluation (default: of 600 prompts)"
    )
    command.add_argument("--evaluate", type=int, default=0, metavar="N", help="which N to evaluate next")
    command.add_argument(
        "--margin", type=positive, metavar="M", help="loss that does not matter (default: 1 %% of the range)"
    )
    command.add_argument("--seed", type=int, default=0, help="default: 0")
    add_figure(command)
    add_json(command)
    add_reading(command)
    command.set_defaults(run=_checkpoint)


def _checkpoint(options: argparse.Namespace) -> int:
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
                    every=options.every,
                    steps=options.steps,
                    evaluated=dict(options.evaluated),
                    noise=options.noise,
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
        answers.append(summarise_checkpoint(result, margin=options.margin))
        if options.figure is not None:
            save_figure(numbered(options.figure, count, len(named)), "plot_checkpoint", result)
    return finish(answers, checkpoint_table, as_json=options.json, faults=unread)
