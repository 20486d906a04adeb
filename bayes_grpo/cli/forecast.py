"""`bayes-grpo forecast`: the remaining training, and whether it is worth it."""

import argparse
from pathlib import Path
from typing import Any

from bayes_grpo.cli.common import (
    add_json,
    add_sampler,
    finish,
    sampler_options,
    save_or_refuse,
    suffix_faults,
)
from bayes_grpo.cli.figures import add_figure, check_figure, numbered, save_figure
from bayes_grpo.cli.fits import add_runs_or_fits
from bayes_grpo.cli.numbers import number, positive, share
from bayes_grpo.cli.reading import add_reading, read_all, say_lost_rewards
from bayes_grpo.errors import InputError

DEFAULT_MODEL = "mixture"


def add_forecast(commands: Any) -> None:
    """Define `forecast`."""
    command = commands.add_parser(
        "forecast",
        help="what the rest of the training will bring, and whether to stop",
        description="Posterior forecast of the expected and the logged reward to a step, with the learning rate that "
        "is left, the step at which 95 % of the gain is made, and a recommendation under a stated rule.",
    )
    add_runs_or_fits(command)
    command.add_argument("--until", type=number, required=True, metavar="STEP", help="optimizer step to forecast to")
    command.add_argument(
        "--schedule",
        default="planned",
        metavar="WORD|FILE",
        help="learning rate to come: planned (as the log began: constant, linear or cosine), constant, linear, "
        "cosine, or a CSV file with the columns step and learning_rate (default: planned)",
    )
    command.add_argument(
        "--epsilon",
        type=positive,
        metavar="GAIN",
        help="gain in reward per 100 steps that is worth them (default: 1 %% of the range)",
    )
    command.add_argument(
        "--step-seconds",
        type=positive,
        metavar="S",
        help="seconds an optimizer step takes, for gains per hour (default: as logged)",
    )
    command.add_argument(
        "--persistence",
        type=share,
        metavar="W",
        help="weight of staying at the present level, 0 to 1 (default: the model's)",
    )
    command.add_argument("--paths", type=Path, metavar="FILE", help="write the sampled paths (.nc or .csv)")
    add_figure(command)
    command.add_argument(
        "--model", metavar="NAME|FILE", help=f"what is fitted to logs (default: {DEFAULT_MODEL}), or was to a saved fit"
    )
    add_json(command)
    add_sampler(command)
    add_reading(command)
    command.set_defaults(run=_forecast, faults=lambda options: suffix_faults("--paths", options.paths, (".nc", ".csv")))


def _forecast(options: argparse.Namespace) -> int:
    _check_files(options)
    from bayes_grpo.analysis.forecast.summary import summarise_forecast
    from bayes_grpo.analysis.forecast.table import forecast_table

    sources, faults = _sources(options)
    answers: list[Any] = []
    for count, (source, label, fit) in enumerate(sources):
        result = _result(options, source, label)
        worth = {"epsilon": options.epsilon, "step_seconds": options.step_seconds}
        answers.append(summarise_forecast(result, fit, **worth))
        _write(options, result, count, len(sources))
    return finish(answers, forecast_table, as_json=options.json, faults=faults)


def _sources(options: argparse.Namespace) -> tuple[list[tuple[Any, str | None, Any]], list[InputError]]:
    """What is forecast, with the label of its run and the fit, if it is one.

    Logs as they are where the mixture is asked for.
    """
    from bayes_grpo.analysis.forecast.ahead import StepsAhead
    from bayes_grpo.cli.fits import check_runs, fits_of, fitted_runs, joined, saved_fits
    from bayes_grpo.inference.attributes import runs_of
    from bayes_grpo.inference.progress import use_compilation_cache

    def check(run: Any) -> object:
        return StepsAhead.of(run, options.until, options.schedule, options.persistence)

    if options.model not in (None, DEFAULT_MODEL):
        fits, faults = fits_of(options, options.model, check_run=check)
        return [(fit, label, fit) for fit, label in fitted_runs(fits)], faults
    use_compilation_cache()
    fits = saved_fits(options)
    runs, faults = read_all(options) if options.runs else ([], [])
    say_lost_rewards(runs)
    check_runs([*map(runs_of, fits), *runs], check)
    logs = joined(runs) if runs else None
    labels = [] if logs is None else [str(label) for label in logs["run"].values]
    return [(fit, label, fit) for fit, label in fitted_runs(fits)] + [(logs, label, None) for label in labels], faults


def _result(options: argparse.Namespace, source: Any, label: str | None) -> Any:
    from contextlib import nullcontext

    import xarray as xr

    from bayes_grpo.analysis.forecast.forecast import forecast
    from bayes_grpo.inference.progress import sampling_progress
    from bayes_grpo.inference.sampler_settings import Sampler

    saved = isinstance(source, xr.DataTree)
    model = None if options.model == DEFAULT_MODEL else options.model
    with nullcontext() if saved else sampling_progress(f"{label}: {DEFAULT_MODEL}") as progress:
        return forecast(
            source,
            options.until,
            run=label,
            model=model,
            schedule=options.schedule,
            persistence=options.persistence,
            seed=options.seed,
            sampler=Sampler(**sampler_options(options)),
            progress=progress,
        )


def _check_files(options: argparse.Namespace) -> None:
    """Refuse files that cannot be written before anything is computed."""
    check_figure(options.figure)
    if options.paths is not None:
        from bayes_grpo.runs.files import check_writable

        check_writable(options.paths)


def _write(options: argparse.Namespace, result: Any, index: int, count: int) -> None:
    """Paths and figure, where they are asked for."""
    if options.paths is not None:
        save_or_refuse(_save_paths, result, numbered(options.paths, index, count))
    if options.figure is not None:
        save_figure(numbered(options.figure, index, count), "plot_forecast", result)


def _save_paths(result: Any, target: Path) -> None:
    from bayes_grpo.runs.files import write_atomically, write_netcdf

    if target.suffix == ".nc":
        write_netcdf(result, target)
        return
    inside = result.isel(step=(result["optimizer_step"] <= result.attrs["until"]).values)
    table = inside[["expected_reward", "reward"]].to_dataframe().reset_index()
    columns = ["sample", "optimizer_step", "expected_reward", "reward"]
    write_atomically(target, table[columns].to_csv(index=False).encode())
