"""`bayes-grpo diagnose`: which failure is it, if any."""

import argparse
from typing import Any

from bayes_grpo.cli.common import add_json, end, say, show, tell
from bayes_grpo.cli.figures import add_figure, check_figure, numbered, save_figure
from bayes_grpo.cli.reading import RUN_HELP, add_reading, read_all, say_lost_rewards
from bayes_grpo.errors import InputError


def add_diagnose(commands: Any) -> None:
    """Define `diagnose`."""
    diagnose = commands.add_parser(
        "diagnose",
        help="which failure is it: reward hacking, no advantage, concentration, instability",
        description="Probabilities of healthy training and of each failure from all logged channels, when it began "
        "and when it would have been seen. What is not logged cannot be told, and the answer says so.",
    )
    diagnose.add_argument("runs", nargs="+", metavar="RUN", help=RUN_HELP)
    add_figure(diagnose)
    add_json(diagnose)
    add_reading(diagnose)
    diagnose.set_defaults(run=_diagnose)


def _diagnose(options: argparse.Namespace) -> int:
    check_figure(options.figure)
    from bayes_grpo.analysis.diagnosis.diagnose import diagnose
    from bayes_grpo.analysis.diagnosis.summary import summarise_diagnosis
    from bayes_grpo.analysis.diagnosis.table import diagnosis_table

    runs, faults = read_all(options)
    say_lost_rewards(runs)
    named = [(run, str(label)) for run in runs for label in run["run"].values]
    several = len(named) > 1
    answers = []
    for number, (run, label) in enumerate(named):
        try:
            result = diagnose(run, run=label)
        except InputError as error:
            if not several:
                raise
            say(f"bayes-grpo: {error}")
            faults.append(error)
            continue
        answers.append(summarise_diagnosis(result))
        if answers[1:] and not options.json:
            tell()
        show(answers[-1], diagnosis_table, as_json=options.json, label=label if several else "")
        if options.figure is not None:
            save_figure(numbered(options.figure, number, len(named)), "plot_diagnosis", result)
    return end(answers, as_json=options.json, faults=faults)
