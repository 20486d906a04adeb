"""`bayes-grpo plateau`: where training will settle, before it begins."""

import argparse
from typing import Any

from bayes_grpo.cli.common import OK, add_json, print_json, say, tell
from bayes_grpo.cli.numbers import number, option_name

_NUMBERS = {
    "kl": ("B", None, "weight of the KL term (TRL's beta); 0 is none"),
    "group_size": ("G", None, "completions per prompt"),
    "start": ("P", None, "success probability of the reference policy, which is the start"),
    "wrong": ("X", "0", "probability that a wrong answer is rewarded (default: 0)"),
    "right": ("X", "1", "probability that a right answer is rewarded (default: 1)"),
    "clipped": ("S", "0", "share of the drive that clipping removes, as logged (default: 0)"),
}


def add_plateau(commands: Any) -> None:
    """Define `plateau`."""
    plateau = commands.add_parser(
        "plateau",
        help="where the reward will settle, before training",
        description="Where the drive of the rewards balances the pull of the reference: the plateau of GRPO with a "
        "KL term and rewards of 0 or 1, in closed form, with a table over group sizes and KL weights.",
    )
    for name, (mark, default, text) in _NUMBERS.items():
        plateau.add_argument(
            option_name(name),
            type=number,
            metavar=mark,
            default=default,
            required=default is None,
            help=text,
        )
    plateau.add_argument("--dr-grpo", action="store_true", help="advantages are not divided by the group's deviation")
    add_json(plateau)
    plateau.set_defaults(run=_plateau)


def _plateau(options: argparse.Namespace) -> int:
    from bayes_grpo.analysis.plateau.plateau import plateau_table
    from bayes_grpo.analysis.plateau.table import plateau_text

    values = {name: getattr(options, name) for name in _NUMBERS}
    normalisation = "none" if options.dr_grpo else "group"
    result = values | {"normalisation": normalisation} | plateau_table(**values, normalisation=normalisation)
    result = result | {"start_probability": values["start"], "start": result["start"]}
    if options.json:
        print_json(result)
    else:
        tell(plateau_text(result))
    say("note: rewards are taken as 0 or 1 and prompts as equally hard; prompts of different difficulty settle apart")
    return OK
