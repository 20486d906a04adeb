"""`bayes-grpo invariance`."""

import argparse
from typing import Any

from bayes_grpo.cli.common import BAD_INPUT, INTERRUPTED, add_json, add_sampler, finish, sampler_options, say, say_notes
from bayes_grpo.cli.figures import add_figure, check_figure, save_figure
from bayes_grpo.cli.reading import RUN_HELP, add_reading, read_all
from bayes_grpo.errors import InputError, Note


def add_invariance(commands: Any) -> None:
    """Define `invariance`."""
    command = commands.add_parser(
        "invariance",
        help="whether runs of different group sizes behave alike",
        description="Predict the runs of each group size from those of the others: mean trajectory, fluctuation, "
        "autocorrelation. The answer says how noise, plateau and stiffness depend on the group size, and whether the "
        "closed form of finite groups explains it. There are three fits for each group size and two more, of "
        "10 to 60 seconds each.",
    )
    command.add_argument("runs", nargs="+", metavar="RUN", help=RUN_HELP)
    command.add_argument(
        "--hold-out", metavar="G,G,...", help="group sizes to predict from the others (default: each in turn)"
    )
    command.add_argument(
        "--keep",
        metavar="FOLDER",
        help="folder in which finished fits are kept: called again, an interrupted check makes only the missing ones",
    )
    add_figure(command)
    add_json(command)
    add_sampler(command, draws=400, tune=400, chains=2, target_accept=0.9)
    add_reading(command)
    command.set_defaults(run=_invariance)


def _invariance(options: argparse.Namespace) -> int:
    hold_out = _group_sizes(options.hold_out)
    check_figure(options.figure)
    runs, faults = read_all(options)
    if not runs:
        return BAD_INPUT
    from bayes_grpo.analysis.invariance.invariance import invariance
    from bayes_grpo.analysis.invariance.summary import summarise_invariance
    from bayes_grpo.analysis.invariance.table import invariance_table
    from bayes_grpo.inference.progress import sampling_progress, use_compilation_cache
    from bayes_grpo.runs.dataset import combine

    together = combine(_with_one_meaning(runs))
    use_compilation_cache()
    try:
        result = invariance(
            together, hold_out=hold_out, progress=sampling_progress, keep=options.keep, **sampler_options(options)
        )
    except KeyboardInterrupt:
        if options.keep is not None:
            raise
        say("\nbayes-grpo: interrupted; nothing was kept. Finished fits are kept with --keep FOLDER")
        return INTERRUPTED
    code = finish([summarise_invariance(result)], invariance_table, as_json=options.json, faults=faults)
    save_figure(options.figure, "plot_invariance", result)
    return code


def _with_one_meaning(runs: list[Any]) -> list[Any]:
    """The runs without the spread of rewards, where it means different things in different logs."""
    meanings = {run["reward_spread"].attrs["spread"] for run in runs if "reward_spread" in run}
    if len(meanings) < 2:
        return runs
    text = f"reward spreads mean different things ({', '.join(sorted(meanings))}) and are left out"
    say_notes([Note("left_out", "reward_spread", text)])
    return [run.drop_vars("reward_spread", errors="ignore") for run in runs]


def _group_sizes(text: str | None) -> list[float] | None:
    if text is None:
        return None
    try:
        return [float(part) for part in text.split(",")]
    except ValueError as error:
        raise InputError("command line", f"hold_out: expected group sizes such as 4,16, found {text!r}") from error
