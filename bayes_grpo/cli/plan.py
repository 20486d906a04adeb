"""`bayes-grpo plan`: what a run would bring, before it is made."""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bayes_grpo.cli.common import add_json, finish
from bayes_grpo.cli.figures import add_figure, check_figure, save_figure
from bayes_grpo.cli.numbers import number, variation
from bayes_grpo.errors import InputError

if TYPE_CHECKING:
    from bayes_grpo.runs.planned import PlannedRun

_NUMBERS = {
    "start": ("P", "base success rate: probability that the untrained policy answers right"),
    "group_size": ("G", "completions per prompt (default: 8)"),
    "prompts_per_step": ("B", "prompts per optimizer step (default: 16)"),
    "refresh_interval": ("K", "updates on one batch of rollouts (default: 1)"),
    "learning_rate": ("R", "only its ratio to earlier runs and to other values matters"),
    "kl": ("B", "weight of the KL term (default: 0)"),
    "wrong": ("X", "probability that a wrong answer is rewarded (default: 0)"),
    "right": ("X", "probability that a right answer is rewarded (default: 1)"),
    "clip_range": ("C", "half-width of the clip range (default: 0.2)"),
    "steps": ("N", "optimizer steps (default: 500)"),
    "model_size": ("N", "parameters of the policy; only its ratio to earlier runs matters"),
    "completion_seconds": ("S", "seconds a completion takes, all devices together"),
    "update_seconds": ("S", "seconds an update takes"),
}
_ASKED = {
    "completions": ("N", "budget in completions (default: those of the planned run)"),
    "hours": ("H", "budget in hours"),
    "gain": ("D", "gain in reward that is looked for (default: 5 %% of the range)"),
    "within": ("N", "steps within which it is looked for (default: all)"),
}


def add_plan(commands: Any) -> None:
    """Define `plan`."""
    command = commands.add_parser(
        "plan",
        help="what a run would bring, before it is made: plateau, time, signal, power, best setting in a budget",
        description="Prior prediction of a run from its base success rate and settings: plateau, time to 95 % of the "
        "gain, groups with a signal, noise, staleness, and the power to show a gain; over several values of one "
        "setting "
        "the best within a budget.",
    )
    for name, (mark, text) in (_NUMBERS | _ASKED).items():
        command.add_argument("--" + name.replace("_", "-"), type=number, metavar=mark, help=text)
    command.add_argument(
        "--success",
        type=Path,
        metavar="FILE",
        help="success rates of single prompts: numbers, one a line, or a JSON list",
    )
    command.add_argument("--reward-bounds", type=number, nargs=2, metavar=("LOWER", "UPPER"), help="default: 0 1")
    command.add_argument("--dr-grpo", action="store_true", help="advantages are not divided by the group's deviation")
    command.add_argument(
        "--vary",
        type=variation,
        metavar="NAME=V1,V2,...",
        help="values of a setting to compare: group_size=2,4,8,16",
    )
    command.add_argument(
        "--fits",
        nargs="+",
        default=[],
        metavar="RUN|FIT",
        help="earlier runs of the same task: logs, or saved fits (.nc)",
    )
    command.add_argument("--seed", type=int, default=0, help="default: 0")
    add_figure(command)
    add_json(command)
    command.set_defaults(run=_plan, faults=_faults)


def _faults(options: argparse.Namespace) -> list[str]:
    """What is wrong with the command's own options."""
    faults = []
    if options.success is not None and options.start is not None:
        faults.append("--success: expected it or --start, found both")
    from bayes_grpo.analysis.decisions.plan.setting import plan_faults

    asked = _asked(options)
    if faults or options.unread:  # the seconds that a budget of hours needs may be what could not be read
        asked["hours"] = None
    return faults + plan_faults(options.start, _setting(options), options.vary, **asked)


def _plan(options: argparse.Namespace) -> int:
    check_figure(options.figure)
    from bayes_grpo.analysis.decisions.plan.plan import plan
    from bayes_grpo.analysis.decisions.plan.summary import summarise_plan
    from bayes_grpo.analysis.decisions.plan.table import plan_table
    from bayes_grpo.inference.progress import use_compilation_cache

    use_compilation_cache()
    start = _success(options.success) if options.success is not None else options.start
    result = plan(
        start, _setting(options), vary=options.vary, fits=_fits(options), seed=options.seed, **_asked(options)
    )
    save_figure(options.figure, "plot_plan", result)
    return finish([summarise_plan(result)], plan_table, as_json=options.json)


def _setting(options: argparse.Namespace) -> "PlannedRun":
    from bayes_grpo.runs.planned import PlannedRun

    stated = {name: getattr(options, name) for name in _NUMBERS if name != "start"}
    if options.reward_bounds is not None and "reward_bounds" not in options.unread:
        stated["reward_lower"], stated["reward_upper"] = options.reward_bounds
    given = {name: value for name, value in stated.items() if value is not None}
    return PlannedRun(**given, normalisation="none" if options.dr_grpo else "group")


def _asked(options: argparse.Namespace) -> dict[str, float | None]:
    return {name: getattr(options, name) for name in _ASKED}


def _success(path: Path) -> list[float]:
    """Success rates of a file: the numbers in it, whatever stands between them."""
    import json

    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(str(path), f"expected a file of success rates, one a line ({error})") from error
    words = text.replace(",", " ").split()
    try:
        values = json.loads(text) if text.lstrip().startswith("[") else [float(word) for word in words]
        return [float(value) for value in values]
    except (ValueError, TypeError) as error:
        raise InputError(str(path), "expected success rates from 0 to 1, one a line, or a JSON list of them") from error


def _fits(options: argparse.Namespace) -> list[Any]:
    """Fits of the earlier runs."""
    from bayes_grpo.inference.fit import light_fit
    from bayes_grpo.inference.store import is_fit, load_fit
    from bayes_grpo.readers import read_runs

    fits = []
    for path in options.fits:
        if is_fit(Path(path)):
            fits.append(load_fit(path))
            continue
        lower, upper = options.reward_bounds or (0.0, 1.0)
        for run in read_runs(path, hyperparameters={"reward_lower": lower, "reward_upper": upper}):
            fits += [light_fit(run, run=str(label), seed=options.seed) for label in run["run"].values]
    return fits
