"""`bayes-grpo invariance`."""

import argparse
from typing import Any

from bayes_grpo.cli.common import (
    BAD_INPUT,
    INTERRUPTED,
    NOT_CONVERGED,
    OK,
    add_json,
    add_sampler,
    print_json,
    sampler_options,
    say,
)
from bayes_grpo.cli.figures import add_figure, check_figure, save_figure
from bayes_grpo.cli.reading import RUN_HELP, add_reading, read_all
from bayes_grpo.errors import InputError


def add_invariance(commands: Any) -> None:
    """Define `invariance`."""
    command = commands.add_parser(
        "invariance",
        help="whether runs of different group sizes behave alike",
        description="Predict the runs of each group size from those of the others: mean trajectory, fluctuation, autocorrelation. "
        "Tells how noise, plateau and stiffness depend on the group size, and whether the closed form of finite groups explains "
        "it. Two fits a group size and two more; minutes each for many runs.",
    )
    command.add_argument("runs", nargs="+", metavar="RUN", help=RUN_HELP)
    command.add_argument(
        "--hold-out", metavar="G,G,...", help="group sizes to predict from the others (default: each in turn)"
    )
    command.add_argument(
        "--keep",
        metavar="FOLDER",
        help="folder for the fits that are finished: called again, an interrupted check makes only the others",
    )
    add_figure(command)
    add_json(command)
    add_sampler(command, draws=400, tune=400, chains=2, target_accept=0.9, pools=True)
    add_reading(command)
    command.set_defaults(run=_invariance)


def _invariance(options: argparse.Namespace) -> int:
    held = _group_sizes(options.hold_out)
    check_figure(options.figure)
    runs, faults = read_all(options)
    if not runs:
        return BAD_INPUT
    from bayes_grpo.analysis.invariance.invariance import invariance
    from bayes_grpo.analysis.invariance.summary import summarise_invariance
    from bayes_grpo.inference.progress import sampling_progress, use_compilation_cache
    from bayes_grpo.runs.dataset import combine

    meanings = {run["reward_spread"].attrs["spread"] for run in runs if "reward_spread" in run}
    if len(meanings) > 1:
        say(f"note: reward spreads mean different things ({', '.join(sorted(meanings))}) and are left out")
        runs = [run.drop_vars("reward_spread", errors="ignore") for run in runs]
    use_compilation_cache()
    try:
        found = invariance(
            combine(runs), hold_out=held, progress=sampling_progress, keep=options.keep, **sampler_options(options)
        )
    except KeyboardInterrupt:
        if options.keep is not None:
            raise
        say(
            "\nbayes-grpo: interrupted; nothing was kept. With --keep FOLDER the fits that were finished would have been"
        )
        return INTERRUPTED
    summary = summarise_invariance(found)
    if options.json:
        print_json(summary)
    else:
        from bayes_grpo.analysis.invariance.table import invariance_table

        print(invariance_table(summary), flush=True)
    for text in summary["warnings"]:
        say(f"*** {text}" if text.startswith("NOT CONVERGED") else f"note: {text}")
    save_figure(options.figure, "plot_invariance", found)
    return BAD_INPUT if faults else OK if summary["converged"] else NOT_CONVERGED


def _group_sizes(text: str | None) -> list[float] | None:
    if text is None:
        return None
    try:
        return [float(part) for part in text.split(",")]
    except ValueError as error:
        raise InputError("command line", f"hold_out: expected group sizes such as 4,16, found {text!r}") from error
