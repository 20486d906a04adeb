"""`bayes-grpo entropy-ceiling`: which reward the entropy leaves to be had."""

import argparse
from typing import Any

from bayes_grpo.cli.common import add_json, finish, say
from bayes_grpo.cli.figures import add_figure, check_figure, numbered, save_figure
from bayes_grpo.cli.reading import RUN_HELP, add_reading, read_all
from bayes_grpo.errors import InputError


def add_entropy_ceiling(commands: Any) -> None:
    """Define `entropy-ceiling`."""
    command = commands.add_parser(
        "entropy-ceiling",
        help="which reward the entropy leaves to be had",
        description="Entropy is given up for reward, R = b - a exp(H). The ceiling b - a is the reward at which none "
        "is left, by the trade of the run so far; with its interval.",
    )
    command.add_argument("runs", nargs="+", metavar="RUN", help=RUN_HELP)
    command.add_argument("--seed", type=int, default=0, help="default: 0")
    add_figure(command)
    add_json(command)
    add_reading(command)
    command.set_defaults(run=_entropy_ceiling)


def _entropy_ceiling(options: argparse.Namespace) -> int:
    check_figure(options.figure)
    from bayes_grpo.analysis.ceiling.ceiling import entropy_ceiling
    from bayes_grpo.analysis.ceiling.summary import ceiling_text, summarise_entropy_ceiling

    runs, faults = read_all(options)
    named = [(run, str(label)) for run in runs for label in run["run"].values]
    answers = []
    for number, (run, label) in enumerate(named):
        try:
            result = entropy_ceiling(run, run=label, seed=options.seed)
        except InputError as error:
            if len(named) == 1:
                raise
            say(f"bayes-grpo: {error}")
            faults.append(error)
            continue
        answers.append(summarise_entropy_ceiling(result))
        if options.figure is not None:
            save_figure(numbered(options.figure, number, len(named)), "plot_entropy_ceiling", result)
    return finish(answers, ceiling_text, as_json=options.json, faults=faults)
