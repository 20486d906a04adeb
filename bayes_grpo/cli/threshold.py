"""`bayes-grpo threshold` and `bayes-grpo oscillation`: what a posterior says of stability."""

import argparse
from collections.abc import Callable
from typing import Any

from bayes_grpo.cli.common import BAD_INPUT, NOT_CONVERGED, OK, add_json, add_sampler, print_json, say
from bayes_grpo.cli.figures import add_figure, check_figure, save_figure
from bayes_grpo.cli.reading import RUN_HELP, add_reading
from bayes_grpo.errors import InputError

_MODELS = {"one": "oscillator", "several": "pooled_lag"}


def add_threshold(commands: Any) -> None:
    """Define `threshold` and `oscillation`."""
    threshold = _define(
        commands,
        "threshold",
        "how stale rollouts may get before training is unstable",
        "Posterior of the refresh interval and the delay at which training becomes unstable. --refresh-interval K asks about "
        "K updates on one batch of rollouts (else the run's own). One run predicts; several runs of different K are fitted "
        "together and tell how much of the lag counts.",
        _threshold,
    )
    threshold.add_argument(
        "--lag-share", type=float, metavar="L", help="share of the lag that importance ratios leave, 0 to 1, if known"
    )
    for name, text in (("generation", "drawing a batch of rollouts takes"), ("update", "an optimizer update takes")):
        threshold.add_argument(
            f"--{name}-seconds", type=float, metavar="S", help=f"seconds that {text}; else from the log"
        )
    _define(
        commands,
        "oscillation",
        "whether training rings, and where ringing sets in",
        "Posterior of the damping ratio, of period and overshoot, and of the learning rate and the momentum at which ringing "
        "sets in.",
        _oscillation,
    )


def _define(commands: Any, name: str, brief: str, text: str, run: Any) -> argparse.ArgumentParser:
    command: argparse.ArgumentParser = commands.add_parser(name, help=brief, description=text)
    command.add_argument("runs", nargs="+", metavar="RUN|FIT", help=f"saved fit (.nc), or {RUN_HELP}")
    command.add_argument(
        "--model",
        metavar="NAME|FILE",
        help=f"what is fitted to logs (default: {_MODELS['one']}; {_MODELS['several']} for several runs)",
    )
    add_figure(command)
    add_json(command)
    add_sampler(command)
    add_reading(command)
    command.set_defaults(run=run)
    return command


def _threshold(options: argparse.Namespace) -> int:
    from bayes_grpo.analysis.stability.reuse_summary import reuse_summary, reuse_text
    from bayes_grpo.analysis.stability.table import threshold_table
    from bayes_grpo.analysis.stability.threshold import summarise_threshold, threshold

    asked = options.refresh_interval
    if len(options.runs) > 1:  # asked about for all, but not each run's own
        options.refresh_interval = None

    def answer(fit: Any, run: str | None) -> tuple[Any, dict[str, Any]]:
        found = threshold(fit, run=run, refresh_interval=_number(asked), lag_share=options.lag_share)
        summary = summarise_threshold(fit, found) | ({"run": run} if run else {})
        reuse = reuse_summary(
            fit,
            found,
            run=run,
            generation_seconds=options.generation_seconds,
            update_seconds=options.update_seconds,
        )
        summary["warnings"] = summary["warnings"] + [str(note) for note in reuse.pop("notes")]
        return found, summary | reuse

    def table(summary: dict[str, Any]) -> str:
        return f"{summary['run']}\n{reuse_text(summary)}\n{threshold_table(summary)}"

    return _answer(options, answer, table, "plot_threshold")


def _oscillation(options: argparse.Namespace) -> int:
    from bayes_grpo.analysis.stability.oscillation import oscillation, summarise_oscillation
    from bayes_grpo.analysis.stability.table import oscillation_table

    def answer(fit: Any, run: str | None) -> tuple[Any, dict[str, Any]]:
        found = oscillation(fit, run=run)
        return found, summarise_oscillation(fit, found) | ({"run": run} if run else {})

    return _answer(options, answer, oscillation_table, "plot_oscillation")


def _number(text: str | None) -> float | None:
    if text is None:
        return None
    try:
        return float(text)
    except ValueError as error:
        raise InputError(
            "command line", f"refresh_interval: expected a number of at least 1, found {text!r}"
        ) from error


def _answer(
    options: argparse.Namespace,
    answer: Callable[[Any, str | None], tuple[Any, dict[str, Any]]],
    table: Callable[[Any], str],
    plot: str,
) -> int:
    """Answer for every run of every fit; one JSON object, or a table a run; and a figure of all."""
    from bayes_grpo.cli.fits import fits_of, runs_in
    from bayes_grpo.inference.convergence import diagnose_sampling

    check_figure(options.figure)
    drawn, answers, code = {}, [], OK
    fits, faults = fits_of(options, _MODELS["one"], _MODELS["several"])
    for fit in fits:
        for run in runs_in(fit):
            found, summary = answer(fit, run)
            drawn[summary["run"]] = found
            answers.append(summary)
        for failure in diagnose_sampling(fit).failures():
            say(f"*** {fit.attrs['run']}: NOT CONVERGED: {failure}")
            code = NOT_CONVERGED
    if not options.json:
        for one in answers:
            print(table(one), flush=True)
    for text in dict.fromkeys(text for one in answers for text in one["warnings"]):
        say(f"note: {text}")
    if options.json and answers:
        print_json(answers[0] if len(answers) == 1 else {"runs": answers})
    if answers:
        save_figure(options.figure, plot, drawn)
    return BAD_INPUT if faults else code
