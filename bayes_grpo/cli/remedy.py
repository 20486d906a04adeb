"""`bayes-grpo remedy`: a run is noisy or rings; what would help, and what does it cost?"""

import argparse
from typing import Any

from bayes_grpo.cli.common import add_json, add_sampler, finish
from bayes_grpo.cli.fits import add_runs_or_fits, fits_of, fitted_runs
from bayes_grpo.cli.numbers import number, positive
from bayes_grpo.cli.reading import add_reading

_MODEL = "oscillator"


def add_remedy(commands: Any) -> None:
    """Define `remedy`."""
    command = commands.add_parser(
        "remedy",
        help="a run is noisy or rings: the change of learning rate, batch or momentum that helps, and its cost",
        description="Whether a run visibly rings or its expected reward fluctuates by more than what is asked, and the "
        "change of learning rate, momentum, refresh interval, prompts or group size that would bring it below, "
        "from the "
        "laws, each with what it costs and what is not known.",
    )
    add_runs_or_fits(command)
    command.add_argument(
        "--overshoot",
        type=number,
        metavar="SHARE",
        help="overshoot that is tolerated, a share of the way (default: 0.05)",
    )
    command.add_argument(
        "--fluctuation",
        type=positive,
        metavar="SD",
        help="fluctuation that is tolerated (default: 2 %% of the range)",
    )
    command.add_argument("--model", metavar="NAME|FILE", help=f"what is fitted to logs (default: {_MODEL})")
    add_json(command)
    add_sampler(command)
    add_reading(command)
    command.set_defaults(run=_remedy)


def _remedy(options: argparse.Namespace) -> int:
    from bayes_grpo.analysis.decisions.remedy.remedy import check_asked, remedy
    from bayes_grpo.analysis.decisions.remedy.summary import summarise_remedy
    from bayes_grpo.analysis.decisions.remedy.table import remedy_table
    from bayes_grpo.analysis.stability.dynamics import check_law

    asked = {"overshoot": options.overshoot, "fluctuation": options.fluctuation}
    tolerated: dict[str, Any] = {name: value for name, value in asked.items() if value is not None}
    check_asked(**tolerated)
    fits, unread = fits_of(options, _MODEL, check_law=check_law)
    answers = [summarise_remedy(remedy(fit, run=run, **tolerated)) for fit, run in fitted_runs(fits)]
    return finish(answers, remedy_table, as_json=options.json, faults=unread)
