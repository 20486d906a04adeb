"""`bayes-grpo watch`: forecast a run while another program trains it."""

import argparse
import json
import sys
import time
from pathlib import Path
from typing import Any

from bayes_grpo.cli.common import OK, add_json, add_method, check_counts, say, tell
from bayes_grpo.cli.numbers import positive
from bayes_grpo.cli.outlets import add_outlets, check_outlets, outlets
from bayes_grpo.cli.reading import RUN_HELP, add_reading, reading_options
from bayes_grpo.cli.watch_page import add_page, page, page_faults
from bayes_grpo.errors import InputError

DEFAULT_MODEL, DEFAULT_EVERY = "mixture", 5.0


def add_watch(commands: Any) -> None:
    """Define `watch`."""
    command = commands.add_parser(
        "watch",
        help="forecast a run while it is trained",
        description="Follow a log that a trainer is writing: fit again whenever it has grown, and show plateau, "
        "remaining gain, P(unstable) and the recommendation. Ctrl-C ends it. With --json, a line of JSON for every "
        "refit and for every alarm. With --serve, a page in a browser as well.",
    )
    command.add_argument("path", type=Path, metavar="RUN", help=RUN_HELP)
    command.add_argument(
        "--run",
        dest="label",
        metavar="LABEL|N|last",
        help="which run, where there are several: its label, or its number in a file to which runs were appended "
        "(default: last)",
    )
    command.add_argument(
        "--until", type=positive, metavar="STEP", help="step to forecast to (default: the planned last one)"
    )
    command.add_argument("--schedule", default="planned", metavar="WORD|FILE", help="as for forecast")
    command.add_argument(
        "--every", type=positive, default=DEFAULT_EVERY, metavar="S", help="seconds between looks (default: 5)"
    )
    command.add_argument("--refits", type=int, metavar="N", help="end after this many refits (default: go on)")
    command.add_argument("--model", default=DEFAULT_MODEL, metavar="NAME|FILE", help=f"default: {DEFAULT_MODEL}")
    command.add_argument("--seed", type=int, default=0, help="default: 0")
    add_outlets(command)
    add_method(command)
    add_json(command)
    add_page(command)
    add_reading(command, appended=False)
    command.set_defaults(run=_watch, faults=_faults)


def _faults(options: argparse.Namespace) -> list[str]:
    return [*check_counts(options, refits=1), *page_faults(options)]


def _watch(options: argparse.Namespace) -> int:
    numbered = options.label is not None and (options.label.isdigit() or options.label == "last")
    options.appended = options.label if numbered else "last"
    known = reading_options(options)
    if not options.path.exists():
        raise InputError(str(options.path), "no such file or folder; expected a log that is being written")
    check_outlets(options)
    from bayes_grpo.analysis.forecast.live import Refitter
    from bayes_grpo.analysis.forecast.watching import Update, Watcher
    from bayes_grpo.analysis.monitor.follow import Monitor
    from bayes_grpo.inference.progress import use_compilation_cache
    from bayes_grpo.readers import read_runs

    _check_now(options, known)
    use_compilation_cache()
    refit = Refitter(
        options.model,
        until=options.until,
        schedule=options.schedule,
        seed=options.seed,
        method=options.method,
        false_alarms=options.false_alarms,
    )
    watcher = Watcher(options.path, lambda path: read_runs(path, **known), refit, None if numbered else options.label)
    monitor = Monitor(options.path, watcher.read, options.false_alarms)
    with page(options, refit) as publish, outlets(options) as tell_alarms:

        def take(update: Update) -> None:
            publish(update)
            if update.run is not None:
                tell_alarms(monitor.test(update.run.isel(run=0)))

        if options.json or not sys.stdout.isatty():
            return _lines(watcher, options, take)
        return _screen(watcher, options, take)


def _check_now(options: argparse.Namespace, known: dict[str, Any]) -> None:
    """Refuse at once what the log as it is shows to be impossible; one that cannot be read yet may still grow."""
    from bayes_grpo.analysis.alarms import boundary_for, spacing_of
    from bayes_grpo.analysis.forecast.ahead import check_until
    from bayes_grpo.readers import read_runs
    from bayes_grpo.runs.dataset import one_run
    from bayes_grpo.runs.schedules import check_schedule

    check_schedule(options.schedule)
    try:
        run = read_runs(options.path, **known)[-1]
    except InputError:
        return
    single = one_run(run, str(run["run"].values[-1]))
    boundary_for(options.false_alarms, spacing_of(single["optimizer_step"].values))
    if options.until is not None:
        check_until(single, options.until)


def _lines(watcher: Any, options: argparse.Namespace, take: Any) -> int:
    """A line a refit: JSON, or a sentence."""
    from bayes_grpo.analysis.forecast.table import live_line

    refits = 0
    while options.refits is None or refits < options.refits:
        update = watcher.look()
        if update is not None:
            take(update)
        if update is not None and update.summary is None:
            say(f"{options.path}: {update.message}")
        if update is not None and update.summary is not None:
            refits += 1
            tell(json.dumps(update.summary, allow_nan=False) if options.json else live_line(update.summary))
        if options.refits is None or refits < options.refits:
            time.sleep(options.every)
    return OK


def _screen(watcher: Any, options: argparse.Namespace, take: Any) -> int:
    """A view that is drawn again with every change."""
    from rich.live import Live

    from bayes_grpo.cli.watch_view import live_view

    refits, state = 0, None
    with Live(live_view(None, "reading ..."), auto_refresh=False) as live:
        while options.refits is None or refits < options.refits:
            update = watcher.look()
            if update is not None:
                take(update)
                state = (
                    update if update.summary is not None or state is None else state._replace(message=update.message)
                )
                refits += update.summary is not None
                live.update(live_view(state, update.message), refresh=True)
            if options.refits is None or refits < options.refits:
                time.sleep(options.every)
    return OK
