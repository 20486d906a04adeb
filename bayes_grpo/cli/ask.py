"""`bayes-grpo ask`: what does this log say?"""

import argparse
from pathlib import Path
from typing import Any

from bayes_grpo.cli.common import add_json, finish, say
from bayes_grpo.cli.fits import add_runs_or_fits, check_runs
from bayes_grpo.cli.numbers import number, positive
from bayes_grpo.cli.reading import add_reading, read_all, say_lost_rewards
from bayes_grpo.errors import InputError


def add_ask(commands: Any) -> None:
    """Define `ask`."""
    command = commands.add_parser(
        "ask",
        help="five answers about a log: plateau, stop or go on, health, staleness, what to log",
        description="Reads a log, fits it quickly, and answers five questions in plain words: where the reward "
        "settles, "
        "whether to stop or go on, whether the run is healthy, how stale rollouts may get, and what to log to "
        "know more.",
    )
    add_runs_or_fits(command)
    command.add_argument("--model", metavar="NAME|FILE", help="what is fitted (default: that of fit)")
    command.add_argument("--until", type=number, metavar="STEP", help="step to forecast to (default: the planned end)")
    command.add_argument(
        "--epsilon",
        type=positive,
        metavar="GAIN",
        help="gain in reward per 100 steps that is worth them (default: 1 %% of the range)",
    )
    command.add_argument("--seed", type=int, default=0, help="default: 0")
    add_json(command)
    add_reading(command)
    command.set_defaults(run=_ask)


def _ask(options: argparse.Namespace) -> int:
    from bayes_grpo.analysis.decisions.ask.ask import ask
    from bayes_grpo.analysis.decisions.ask.summary import summarise_ask
    from bayes_grpo.analysis.decisions.ask.table import ask_table
    from bayes_grpo.analysis.forecast.ahead import check_until
    from bayes_grpo.inference.progress import sampling_progress, use_compilation_cache
    from bayes_grpo.models.files import DEFAULT_MODEL, load_model

    spec = load_model(options.model or DEFAULT_MODEL)
    use_compilation_cache()
    runs, unread = runs_or_fits(options)
    if options.until is not None:
        check_runs(runs, lambda run: check_until(run, options.until))
    named = [(run, str(label)) for run in runs for label in run["run"].values]
    answers = []
    for run, label in named:
        try:
            with sampling_progress(f"{label}: {spec.name}") as progress:
                result = ask(run, run=label, until=options.until, model=spec, seed=options.seed, progress=progress)
        except InputError as error:
            if len(named) == 1:
                raise
            say(f"bayes-grpo: {error}")
            unread.append(error)
            continue
        answers.append(summarise_ask(result, epsilon=options.epsilon))
    return finish(answers, ask_table, as_json=options.json, faults=unread)


def runs_or_fits(options: argparse.Namespace) -> tuple[list[Any], list[InputError]]:
    """The runs of all paths; of saved fits the runs that they are of."""
    from bayes_grpo.inference.attributes import runs_of
    from bayes_grpo.inference.store import is_fit, load_fit

    saved = [path for path in options.runs if is_fit(Path(path))]
    fitted = [runs_of(load_fit(path)) for path in saved]
    options.runs = [path for path in options.runs if path not in saved]
    if not options.runs:
        return fitted, []
    runs, faults = read_all(options)
    say_lost_rewards(runs)
    return fitted + runs, faults
