"""`bayes-grpo forecast`: the remaining training, and whether it is worth it."""

import argparse
from pathlib import Path
from typing import Any

from bayes_grpo.cli.common import BAD_INPUT, NOT_CONVERGED, OK, add_json, add_sampler, print_json, save_or_refuse, say
from bayes_grpo.cli.figures import add_figure, check_figure, numbered, save_figure
from bayes_grpo.cli.reading import RUN_HELP, add_reading
from bayes_grpo.errors import InputError

DEFAULT_MODEL = "population"


def add_forecast(commands: Any) -> None:
    """Define `forecast`."""
    command = commands.add_parser(
        "forecast",
        help="what the rest of the training will bring, and whether to stop",
        description="Posterior forecast of the expected and the logged reward to a step, with the learning rate that is left, the "
        "step at which 95 % of the gain is made, and a recommendation under a stated rule.",
    )
    command.add_argument("runs", nargs="+", metavar="RUN|FIT", help=f"saved fit (.nc), or {RUN_HELP}")
    command.add_argument("--until", required=True, metavar="STEP", help="optimizer step to forecast to")
    command.add_argument(
        "--schedule",
        default="planned",
        metavar="WORD|FILE",
        help="learning rate to come: planned (as the log began: constant, linear or cosine), constant, linear, cosine, or a "
        "CSV file with the columns step and learning_rate (default: planned)",
    )
    command.add_argument(
        "--epsilon", metavar="GAIN", help="gain in reward per 100 steps that is worth them (default: 1 %% of the range)"
    )
    command.add_argument(
        "--step-seconds",
        metavar="S",
        help="seconds an optimizer step takes, for gains per hour (default: as logged)",
    )
    command.add_argument(
        "--persistence", metavar="W", help="weight of staying at the present level, 0 to 1 (default: the model's)"
    )
    command.add_argument("--paths", type=Path, metavar="FILE", help="write the sampled paths (.nc or .csv)")
    add_figure(command)
    command.add_argument(
        "--model", metavar="NAME|FILE", help=f"what is fitted to logs (default: {DEFAULT_MODEL}), or was to a saved fit"
    )
    add_json(command)
    add_sampler(command)
    add_reading(command)
    command.set_defaults(run=_forecast)


def _forecast(options: argparse.Namespace) -> int:
    numbers = _numbers(options)
    from bayes_grpo.analysis.forecast.forecast import forecast
    from bayes_grpo.analysis.forecast.summary import summarise_forecast
    from bayes_grpo.analysis.forecast.table import forecast_table
    from bayes_grpo.cli.fits import fits_of, runs_in
    from bayes_grpo.inference.convergence import diagnose_sampling

    answers, code = [], OK
    fits, faults = fits_of(options, DEFAULT_MODEL)
    wanted = [(fit, run) for fit in fits for run in runs_in(fit)]
    for count, (fit, run) in enumerate(wanted):
        found = forecast(
            fit,
            numbers["until"],
            run=run,
            model=options.model,
            schedule=options.schedule,
            persistence=numbers["persistence"],
            seed=options.seed,
        )
        answers.append(summarise_forecast(found, fit, epsilon=numbers["epsilon"], step_seconds=numbers["step_seconds"]))
        if diagnose_sampling(fit).failures():
            code = NOT_CONVERGED
        _write(options, found, count, len(wanted))
    for answer in answers if not options.json else []:
        print(forecast_table(answer), flush=True)
    for text in dict.fromkeys(text for answer in answers for text in answer["warnings"]):
        say(f"*** {text}" if text.startswith("NOT CONVERGED") else f"note: {text}")
    if options.json and answers:
        print_json(answers[0] if len(answers) == 1 else {"runs": answers})
    return BAD_INPUT if faults else code


def _numbers(options: argparse.Namespace) -> dict[str, Any]:
    found: dict[str, Any] = {}
    faults = []
    for name in ("until", "epsilon", "step_seconds", "persistence"):
        text = getattr(options, name)
        try:
            found[name] = None if text is None else float(text)
        except ValueError:
            faults.append(f"--{name.replace('_', '-')}: expected a number, found {text!r}")
            continue
        if found[name] is not None and name in ("epsilon", "step_seconds") and not found[name] > 0:
            faults.append(f"--{name.replace('_', '-')}: expected a number above 0, found {text}")
    if options.paths is not None and options.paths.suffix not in (".nc", ".csv"):
        faults.append(f"--paths: expected a name ending in .nc, .csv, found {options.paths}")
    if faults:
        raise InputError("command line", faults)
    check_figure(options.figure)
    if options.paths is not None:
        from bayes_grpo.runs.files import check_writable

        check_writable(options.paths)
    return found


def _write(options: argparse.Namespace, found: Any, index: int, count: int) -> None:
    """Paths and figure."""
    if options.paths is not None:
        save_or_refuse(_save_paths, found, numbered(options.paths, index, count))
    if options.figure is not None:
        save_figure(numbered(options.figure, index, count), "plot_forecast", found)


def _save_paths(found: Any, target: Path) -> None:
    from bayes_grpo.runs.files import write_atomically, write_netcdf

    if target.suffix == ".nc":
        write_netcdf(found, target)
        return
    inside = found.isel(step=(found["optimizer_step"] <= found.attrs["until"]).values)
    table = inside[["expected_reward", "reward"]].to_dataframe().reset_index()
    columns = ["sample", "optimizer_step", "expected_reward", "reward"]
    write_atomically(target, table[columns].to_csv(index=False).encode())
