"""`bayes-grpo contrast`: is one configuration better than another?"""

import argparse
from pathlib import Path
from typing import Any

from bayes_grpo.cli.common import add_json, finish
from bayes_grpo.cli.figures import add_figure, check_figure, save_figure
from bayes_grpo.cli.numbers import positive
from bayes_grpo.cli.reading import RUN_HELP, add_reading

_NAMES = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"


def add_contrast(commands: Any) -> None:
    """Define `contrast`."""
    command = commands.add_parser(
        "contrast",
        help="is one configuration better than another, and what would settle it",
        description="Compares configurations, each given by one run or several seeds: plateau, reward at a common step "
        "and cost, speed, noise; with the probability that one is better, and the further seeds or steps that would "
        "settle it. More than two configurations (--against may be repeated) are ranked.",
    )
    command.add_argument(
        "runs", nargs="+", metavar="RUN|FIT", help=f"the first configuration: fits (.nc), or {RUN_HELP}"
    )
    command.add_argument(
        "--against",
        nargs="+",
        action="append",
        required=True,
        metavar="RUN|FIT",
        help="the runs of another configuration; may be repeated",
    )
    command.add_argument(
        "--names", nargs="+", default=[], metavar="NAME", help="of the configurations (default: A B ...)"
    )
    command.add_argument(
        "--by",
        default="plateau",
        metavar="MEASURE",
        help="what decides: plateau (default), reward_at_step, steps_to_95, ...",
    )
    command.add_argument(
        "--worth",
        type=positive,
        metavar="GAIN",
        help="difference in reward that matters (default: 1 %% of the range)",
    )
    command.add_argument("--model", metavar="NAME|FILE", help="what is fitted to logs (default: that of fit)")
    command.add_argument("--any-start", action="store_true", help="compare runs from clearly different starts too")
    command.add_argument("--seed", type=int, default=0, help="default: 0")
    add_figure(command)
    add_json(command)
    add_reading(command)
    command.set_defaults(run=_contrast, faults=_faults)


def _faults(options: argparse.Namespace) -> list[str]:
    """What is wrong with the command's own options."""
    faults = []
    sides = [options.runs, *options.against]
    names = _names(options)
    if len(names) != len(sides) or len(set(names)) != len(names):
        faults.append(f"--names: expected {len(sides)} different names, found {' '.join(names)}")
    from bayes_grpo.analysis.decisions.contrast.measures import MEASURES

    if options.by not in MEASURES:
        faults.append(f"--by: expected one of {', '.join(MEASURES)}, found {options.by}")
    return faults


def _names(options: argparse.Namespace) -> list[str]:
    return options.names or list(_NAMES[: 1 + len(options.against)])


def _contrast(options: argparse.Namespace) -> int:
    sides, names = [options.runs, *options.against], _names(options)
    check_figure(options.figure)
    from bayes_grpo.analysis.decisions.contrast.contrast import contrast
    from bayes_grpo.analysis.decisions.contrast.summary import summarise_contrast
    from bayes_grpo.analysis.decisions.contrast.table import contrast_table
    from bayes_grpo.cli.reading import read_all
    from bayes_grpo.inference.fit import light_fit
    from bayes_grpo.inference.progress import use_compilation_cache
    from bayes_grpo.inference.store import is_fit, load_fit
    from bayes_grpo.models.files import DEFAULT_MODEL, load_model

    spec = load_model(options.model or DEFAULT_MODEL)
    use_compilation_cache()
    configurations: dict[str, list[Any]] = {}
    unread: list[Any] = []
    for name, paths in zip(names, sides, strict=True):
        saved = [path for path in paths if is_fit(Path(path))]
        options.runs = [path for path in paths if path not in saved]
        runs, missing = read_all(options) if options.runs else ([], [])
        unread += missing
        fits = [light_fit(run, spec, run=str(label), seed=options.seed) for run in runs for label in run["run"].values]
        configurations[name] = [load_fit(path) for path in saved] + fits
    result = contrast(configurations, any_start=options.any_start, seed=options.seed)
    summary = summarise_contrast(result, by=options.by, worth=options.worth, seed=options.seed)
    save_figure(options.figure, "plot_contrast", result)
    return finish([summary], contrast_table, as_json=options.json, faults=unread)
