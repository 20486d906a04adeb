"""`bayes-grpo card`: a block for a model card."""

import argparse
from typing import Any

from bayes_grpo.cli.common import (
    BAD_INPUT,
    NOT_CONVERGED,
    OK,
    add_json,
    add_sampler,
    print_json,
    tell,
)
from bayes_grpo.cli.fits import add_runs_or_fits, fits_of
from bayes_grpo.cli.numbers import number
from bayes_grpo.cli.reading import add_reading


def add_card(commands: Any) -> None:
    """Define `card`."""
    command = commands.add_parser(
        "card",
        help="a block for a Hugging Face model card: plateau, diagnosis, forecast, method",
        description="Prints Markdown for a model card: the plateau with its interval, the forecast, the diagnosis, "
        "what was assumed, and how it was worked out. Append it to README.md of the model's repository.",
    )
    add_runs_or_fits(command)
    command.add_argument("--until", type=number, metavar="STEP", help="step to forecast to (default: the planned end)")
    command.add_argument("--model", metavar="NAME|FILE", help="what is fitted to logs (default: that of fit)")
    add_json(command)
    add_sampler(command)
    add_reading(command)
    command.set_defaults(run=_card)


def _card(options: argparse.Namespace) -> int:
    from bayes_grpo.analysis.forecast.ahead import check_until
    from bayes_grpo.inference.convergence import diagnose_sampling
    from bayes_grpo.models.files import DEFAULT_MODEL
    from bayes_grpo.report.card import card

    def check(run: Any) -> None:
        if options.until is not None:
            check_until(run, options.until)

    fits, unread = fits_of(options, DEFAULT_MODEL, check_run=check)
    blocks = [card(fit, until=options.until, model=options.model, seed=options.seed) for fit in fits]
    if options.json:
        print_json({"cards": [{"run": str(fit.attrs["run"]), "text": b} for fit, b in zip(fits, blocks, strict=True)]})
    elif blocks:
        tell("\n\n".join(blocks))
    if unread:
        return BAD_INPUT
    return NOT_CONVERGED if any(diagnose_sampling(fit).failures() for fit in fits) else OK
