"""`bayes-grpo threshold` and `bayes-grpo oscillation`: what a posterior says of stability."""

import argparse
from collections.abc import Callable
from typing import Any

from bayes_grpo.cli.common import add_json, add_sampler, finish
from bayes_grpo.cli.figures import add_figure, check_figure, save_figure
from bayes_grpo.cli.fits import add_runs_or_fits, fits_of, fitted_runs
from bayes_grpo.cli.numbers import positive, share
from bayes_grpo.cli.reading import add_reading, stated_hyperparameters

#: What is fitted to the log of one run, and to those of several together.
_MODEL, _POOLED_MODEL = "oscillator", "pooled_lag"


def add_threshold(commands: Any) -> None:
    """Define `threshold` and `oscillation`."""
    threshold = _define(
        commands,
        "threshold",
        "how stale rollouts may get before training is unstable",
        "Posterior of the refresh interval and the delay at which training becomes unstable. --refresh-interval K "
        "asks about K updates on one batch of rollouts (else the run's own). One run predicts; several runs of "
        "different K are fitted together and tell how much of the lag counts. What clipping leaves of the gain rests "
        "on --kl-weight, --reference-reward, --wrong-reward, --right-reward and --clip-range: state what is known, "
        "for logs and for saved fits alike.",
        _threshold,
    )
    threshold.add_argument(
        "--lag-share",
        type=share,
        metavar="L",
        help="share of the lag that importance ratios leave, 0 to 1, if known",
    )
    for name, text in (("generation", "drawing a batch of rollouts takes"), ("update", "an optimizer update takes")):
        threshold.add_argument(
            f"--{name}-seconds", type=positive, metavar="S", help=f"seconds that {text}; else from the log"
        )
    _define(
        commands,
        "oscillation",
        "whether training rings, and where ringing sets in",
        "Posterior of the damping ratio, of period and overshoot, and of the learning rate and the momentum at which "
        "ringing sets in.",
        _oscillation,
    )


def _define(commands: Any, name: str, brief: str, text: str, run: Any) -> argparse.ArgumentParser:
    command: argparse.ArgumentParser = commands.add_parser(name, help=brief, description=text)
    add_runs_or_fits(command)
    command.add_argument(
        "--model",
        metavar="NAME|FILE",
        help=f"what is fitted to logs (default: {_MODEL}; {_POOLED_MODEL} for several runs)",
    )
    add_figure(command)
    add_json(command)
    add_sampler(command)
    add_reading(command)
    command.set_defaults(run=run)
    return command


def _threshold(options: argparse.Namespace) -> int:
    from bayes_grpo.analysis.notes import noted, notes_of
    from bayes_grpo.analysis.stability.conditions import STATED
    from bayes_grpo.analysis.stability.reuse_summary import reuse_summary
    from bayes_grpo.analysis.stability.reuse_table import reuse_text
    from bayes_grpo.analysis.stability.table import threshold_table
    from bayes_grpo.analysis.stability.threshold import threshold
    from bayes_grpo.analysis.stability.threshold_summary import summarise_threshold
    from bayes_grpo.inference.attributes import pooled

    stated = stated_hyperparameters(options)
    beside = {name: stated[name] for name in STATED if name in stated}
    if len(options.runs) > 1:  # this K is asked about; what each log says of its own K stays
        options.refresh_interval = None

    def ask(fit: Any, run: str | None) -> Any:
        return threshold(
            fit,
            run=run,
            refresh_interval=stated.get("refresh_interval"),
            lag_share=options.lag_share,
            hyperparameters=beside,
        )

    def summarise(result: Any, fit: Any) -> Any:
        summary = summarise_threshold(result, fit)
        reuse = reuse_summary(
            fit,
            result,
            run=result.attrs["run"] if pooled(fit) else None,
            generation_seconds=options.generation_seconds,
            update_seconds=options.update_seconds,
        )
        return summary | reuse | noted([*notes_of(summary), *notes_of(reuse)])

    def table(summary: Any) -> str:
        return f"{summary['run']}\n{reuse_text(summary)}\n{threshold_table(summary)}"

    return _answer(options, ask, summarise, table, "plot_threshold")


def _oscillation(options: argparse.Namespace) -> int:
    from bayes_grpo.analysis.stability.oscillation import oscillation, summarise_oscillation
    from bayes_grpo.analysis.stability.table import oscillation_table

    def ask(fit: Any, run: str | None) -> Any:
        return oscillation(fit, run=run)

    return _answer(options, ask, summarise_oscillation, oscillation_table, "plot_oscillation")


def _answer(
    options: argparse.Namespace,
    ask: Callable[[Any, str | None], Any],
    summarise: Callable[[Any, Any], Any],
    table: Callable[[Any], str],
    plot: str,
) -> int:
    """Answer for every run of every fit; a figure has all of them."""
    from bayes_grpo.analysis.stability.dynamics import check_law

    check_figure(options.figure)
    fits, faults = fits_of(options, _MODEL, _POOLED_MODEL, check_law=check_law)
    answers, results = [], {}
    for fit, run in fitted_runs(fits):
        result = ask(fit, run)
        results[result.attrs["run"]] = result
        answers.append(summarise(result, fit))
    code = finish(answers, table, as_json=options.json, faults=faults)
    if results:
        save_figure(options.figure, plot, results)
    return code
