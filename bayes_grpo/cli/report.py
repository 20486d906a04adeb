"""`bayes-grpo report`: everything about runs on one HTML page."""

import argparse
from pathlib import Path
from typing import Any

from bayes_grpo.cli.common import (
    BAD_INPUT,
    INTERRUPTED,
    NOT_CONVERGED,
    OK,
    add_json,
    add_sampler,
    print_json,
    save_or_refuse,
    say,
    suffix_faults,
    tell,
)
from bayes_grpo.cli.fits import add_runs_or_fits
from bayes_grpo.cli.numbers import number
from bayes_grpo.cli.reading import add_reading
from bayes_grpo.cli.report_tasks import compare_laws, list_tasks, read_summary
from bayes_grpo.errors import InputError, Note


def add_report(commands: Any) -> None:
    """Define `report`."""
    command = commands.add_parser(
        "report",
        help="everything about runs on one HTML page",
        description="One HTML file that opens offline: findings in plain words, trajectory and forecast, posteriors, "
        "regime, threshold, diagnosis, sampler diagnostics and a paragraph on methods; of several runs first a table "
        "that compares them. Logs are fitted by oscillator, and by s_curve for the forecast; saved fits are used "
        "as they are, and two fits of one run by these models make one section.",
    )
    add_runs_or_fits(command)
    command.add_argument("--out", required=True, type=Path, metavar="FILE", help="the page to write, FILE.html")
    command.add_argument(
        "--until",
        type=number,
        metavar="STEP",
        help="optimizer step to forecast to (default: the planned steps, else half as many again as logged)",
    )
    command.add_argument("--models", metavar="A,B,...", help="also compare these laws on each run (default: none)")
    command.add_argument(
        "--model", type=Path, metavar="FILE", help="model file of saved fits whose model did not come with the package"
    )
    command.add_argument("--plan", type=Path, metavar="FILE", help="what was foretold: the output of `plan --json`")
    command.add_argument(
        "--contrast",
        type=Path,
        metavar="FILE",
        help="a comparison of configurations that runs belong to: the output of `contrast --json`",
    )
    add_json(command)
    add_sampler(command)
    add_reading(command)
    command.set_defaults(run=_report, faults=_faults)


def _report(options: argparse.Namespace) -> int:
    from bayes_grpo.runs.files import check_writable

    models = _models(options)
    check_writable(options.out)
    given = {name: read_summary(name, getattr(options, name)) for name in ("plan", "contrast")}
    from bayes_grpo.inference.progress import use_compilation_cache
    from bayes_grpo.report.page import report_html, save_report

    use_compilation_cache()
    left_out: list[tuple[str, str]] = []
    tasks = list_tasks(options, left_out)
    alone = len(options.runs) == 1 and len(tasks) == 1
    runs: list[Any] = []
    interrupted = False
    for count, task in enumerate(tasks, 1):
        say(f"{count} of {len(tasks)}: {task.label}")
        try:
            runs.append(_described(task, models, given, len(runs), options))
        except InputError as error:
            if alone:
                raise
            say(f"bayes-grpo: {error}")
            left_out.append((task.label, str(error)))
        except KeyboardInterrupt:
            interrupted = True
            left_out += [(other.label, "interrupted before its turn") for other in tasks[count - 1 :]]
            break
    if not runs:
        return INTERRUPTED if interrupted else BAD_INPUT
    save_or_refuse(save_report, report_html(runs, left_out=left_out), options.out)
    _tell(options, runs, left_out)
    if interrupted:
        say("bayes-grpo: interrupted; the page has the runs that were done")
        return INTERRUPTED
    return BAD_INPUT if left_out else OK if all(run.converged for run in runs) else NOT_CONVERGED


def _described(
    task: Any,
    models: list[str],
    given: dict[str, Any],
    before: int,
    options: argparse.Namespace,
) -> Any:
    """The report of one run; figures are drawn for the first ones only."""
    from bayes_grpo.report.describe import describe_run
    from bayes_grpo.report.page import MOST_DETAILED

    subject = task.subject()
    comparison, no_comparison = compare_laws(subject, models, options)
    return describe_run(
        subject,
        until=options.until,
        model=options.model,
        comparison=comparison,
        no_comparison=no_comparison,
        **given,
        figures=before < MOST_DETAILED,
        seed=options.seed,
    )


def _models(options: argparse.Namespace) -> list[str]:
    """Names of the laws that are compared."""
    return [name.strip() for name in (options.models or "").split(",") if name.strip()]


def _faults(options: argparse.Namespace) -> list[str]:
    """What is wrong with the command's own options."""
    faults = suffix_faults("--out", options.out, (".html", ".htm"))
    if options.models is not None:
        from bayes_grpo.analysis.comparison.inputs import check_models

        specs, wrong = check_models(_models(options), "loo")
        faults += wrong
        faults += [f"--models: {s.name} pools over runs; here each run is compared alone" for s in specs if s.pooled]
    if options.model is not None:
        from bayes_grpo.models.files import load_model

        load_model(options.model)
    return faults


def _tell(options: argparse.Namespace, runs: list[Any], left_out: list[tuple[str, str]]) -> None:
    """What was written, as JSON or in words."""
    if options.json:
        print_json(
            {
                "file": str(options.out),
                "runs": [run.as_dict() for run in runs],
                "left_out": [{"run": name, "why": why} for name, why in left_out],
                **_noted(runs),
                "findings": [finding for run in runs for finding in run.findings_as_dicts()],
            }
        )
        return
    for run in runs if len(runs) == 1 else []:
        for finding in run.findings:
            tell(("*** " if finding.attention else "- ") + finding.text)
    size = options.out.stat().st_size
    tell(f"{options.out}: {len(runs)} run{'s' * (len(runs) > 1)}, {size / 1e6:.1f} MB")


def _noted(runs: list[Any]) -> Any:
    """The notes of all runs, with their labels where there are several, and why answers are missing."""
    from bayes_grpo.analysis.notes import noted

    notes = [
        note._replace(text=f"{run.label}: {note.text}") if len(runs) > 1 else note for run in runs for note in run.notes
    ]
    for run in runs:
        notes += [Note("left_out", part, f"{run.label}: no {part}: {why}") for part, why in run.absent.items()]
    return noted(notes)
