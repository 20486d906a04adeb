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
)
from bayes_grpo.cli.reading import RUN_HELP, add_reading
from bayes_grpo.cli.report_tasks import compare_laws, list_tasks
from bayes_grpo.errors import InputError


def add_report(commands: Any) -> None:
    """Define `report`."""
    command = commands.add_parser(
        "report",
        help="everything about runs on one HTML page",
        description="One HTML file that opens offline: findings in plain words, trajectory and forecast, posteriors, regime, threshold, "
        "diagnosis, sampler diagnostics and a paragraph on methods; of several runs first a table that compares them. Logs are "
        "fitted by oscillator, and by population for the forecast; saved fits are used as they are, and two fits of one run "
        "by these models make one section.",
    )
    command.add_argument("runs", nargs="+", metavar="RUN|FIT", help=f"saved fit (.nc), or {RUN_HELP}")
    command.add_argument("--out", required=True, type=Path, metavar="FILE", help="the page to write, FILE.html")
    command.add_argument(
        "--until",
        metavar="STEP",
        help="optimizer step to forecast to (default: the planned steps, else half as many again as logged)",
    )
    command.add_argument("--models", metavar="A,B,...", help="also compare these laws on each run (default: none)")
    command.add_argument(
        "--model", type=Path, metavar="FILE", help="model file of saved fits whose model did not come with the package"
    )
    add_json(command)
    add_sampler(command)
    add_reading(command)
    command.set_defaults(run=_report)


def _report(options: argparse.Namespace) -> int:
    until, models = _checked(options)
    from bayes_grpo.inference.progress import use_compilation_cache
    from bayes_grpo.report.contents import describe_run
    from bayes_grpo.report.page import MOST_DETAILED, report_html, save_report

    use_compilation_cache()
    left_out: list[tuple[str, str]] = []
    tasks = list_tasks(options, left_out)
    runs: list[Any] = []
    interrupted = False
    for count, task in enumerate(tasks, 1):
        say(f"{count} of {len(tasks)}: {task.label}")
        try:
            subject = task.subject()
            compared, why = compare_laws(subject, models, options)
            figures = len(runs) < MOST_DETAILED
            runs.append(
                describe_run(
                    subject, until=until, model=options.model, comparison=compared, no_comparison=why, figures=figures,
                    seed=options.seed,
                )
            )  # fmt: skip
        except InputError as error:
            if len(options.runs) == 1 and len(tasks) == 1:
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


def _checked(options: argparse.Namespace) -> tuple[float | None, list[str]]:
    """The step and the models; all faults of the command line at once, before anything is computed."""
    from bayes_grpo.runs.files import check_writable

    faults, until = [], None
    try:
        until = None if options.until is None else float(options.until)
    except ValueError:
        faults.append(f"--until: expected a number, found {options.until!r}")
    if options.out.suffix not in (".html", ".htm"):
        faults.append(f"--out: expected a name ending in .html, found {options.out}")
    models = [name.strip() for name in (options.models or "").split(",") if name.strip()]
    if options.models is not None:
        from bayes_grpo.analysis.comparison.inputs import check_models

        specs, wrong = check_models(models, "loo")
        faults += wrong
        faults += [f"--models: {s.name} pools over runs; here each run is compared alone" for s in specs if s.pooled]
    if options.model is not None:
        from bayes_grpo.models.files import load_model

        load_model(options.model)
    if faults:
        raise InputError("command line", faults)
    check_writable(options.out)
    return until, models


def _tell(options: argparse.Namespace, runs: list[Any], left_out: list[tuple[str, str]]) -> None:
    """What was written, as JSON or in words."""
    warnings = [(f"{run.label}: " if len(runs) > 1 else "") + text for run in runs for text in run.warnings]
    warnings += [f"{run.label}: no {part}: {why}" for run in runs for part, why in run.absent.items()]
    if options.json:
        print_json(
            {
                "file": str(options.out),
                "runs": [run.as_dict() for run in runs],
                "left_out": [{"run": name, "why": why} for name, why in left_out],
                "warnings": list(dict.fromkeys(warnings)),
                "findings": [one for run in runs for one in run.findings_as_dicts()],
            }
        )
        return
    for run in runs if len(runs) == 1 else []:
        for one in run.findings:
            print(("*** " if one.attention else "- ") + one.text, flush=True)
    size = options.out.stat().st_size
    print(f"{options.out}: {len(runs)} run{'s' * (len(runs) > 1)}, {size / 1e6:.1f} MB", flush=True)
