"""`bayes-grpo monitor`: alarms while a run trains, at a stated rate of false ones."""

import argparse
import contextlib
import time
from pathlib import Path
from typing import Any

from bayes_grpo.cli.common import OK, add_json, check_counts, read_numbers, refuse, say
from bayes_grpo.cli.reading import RUN_HELP, add_reading, reading_options
from bayes_grpo.errors import InputError

#: False alarms per 1,000 steps unless stated otherwise, and seconds between looks.
DEFAULT_RATE, DEFAULT_EVERY = 0.2, 5.0


def add_monitor(commands: Any) -> None:
    """Define `monitor`."""
    command = commands.add_parser(
        "monitor",
        help="raise an alarm when the reward of a run falls",
        description="Follow a log that a trainer is writing and raise an alarm when its reward falls. The test "
        "looks at "
        "every row and keeps a stated rate of false alarms per 1,000 steps, calibrated on healthy runs. Alarms go to "
        "stderr, with --json as lines of JSON to stdout, to a webhook, to trackio or W&B as alerts, and to a file for "
        "Prometheus. Ctrl-C ends it.",
    )
    command.add_argument("path", type=Path, metavar="RUN", help=RUN_HELP)
    command.add_argument(
        "--run", dest="label", metavar="LABEL", help="which run, where there are several (default: last)"
    )
    add_false_alarms(command)
    command.add_argument("--every", default=DEFAULT_EVERY, metavar="S", help="seconds between looks (default: 5)")
    command.add_argument("--looks", type=int, metavar="N", help="end after this many looks (default: go on)")
    command.add_argument("--webhook", metavar="URL", help="address that alarms are posted to as JSON")
    command.add_argument(
        "--prometheus", type=Path, metavar="FILE", help="text file for Prometheus, renewed at each look"
    )
    command.add_argument(
        "--trackio", metavar="PROJECT", help="project of trackio that alarms go to, as alerts of a run"
    )
    command.add_argument("--wandb", metavar="PROJECT", help="project of W&B that alarms go to, as alerts of a run")
    add_json(command)
    add_reading(command, appended=False)
    command.set_defaults(run=_monitor)


def add_false_alarms(command: Any) -> None:
    """Give a command its --false-alarms."""
    command.add_argument(
        "--false-alarms",
        default=DEFAULT_RATE,
        metavar="RATE",
        help=f"false alarms per 1,000 steps of a healthy run (default: {DEFAULT_RATE})",
    )


def _monitor(options: argparse.Namespace) -> int:
    from bayes_grpo.analysis.monitor.follow import Monitor
    from bayes_grpo.analysis.monitor.outlets import check_webhook
    from bayes_grpo.analysis.monitor.trackers import close_run, open_run
    from bayes_grpo.readers import read_runs
    from bayes_grpo.runs.files import check_writable

    if not options.path.exists():
        raise InputError(str(options.path), "no such file or folder; expected a log that is being written")
    positive = ("every", "false_alarms")
    numbers, faults = read_numbers(options, *positive, above_zero=positive)
    refuse(faults + check_counts(options, looks=1))
    vars(options).update(numbers)
    if options.webhook:
        check_webhook(options.webhook)
    if options.prometheus:
        check_writable(options.prometheus)
    options.appended = "last"
    known = reading_options(options)
    monitor = Monitor(options.path, lambda path: read_runs(path, **known), options.false_alarms, options.label)
    with contextlib.ExitStack() as opened:
        for tracker in _trackers(options):
            open_run(tracker, getattr(options, tracker), f"monitor of {options.path.name}")
            opened.callback(close_run, tracker)
        _follow(monitor, options)
    return OK


def _trackers(options: argparse.Namespace) -> list[str]:
    """The trackers that alarms go to."""
    from bayes_grpo.analysis.monitor.trackers import TRACKERS

    return [tracker for tracker in TRACKERS if getattr(options, tracker) is not None]


def _follow(monitor: Any, options: argparse.Namespace) -> None:
    looks = 0
    while options.looks is None or looks < options.looks:
        looks += 1
        _tell(monitor, options)
        if options.looks is None or looks < options.looks:
            time.sleep(options.every)


def _tell(monitor: Any, options: argparse.Namespace) -> None:
    """Look, and hand what is new to every outlet."""
    import json

    from bayes_grpo.analysis.monitor.outlets import alarm_row, alarm_sentence, post, prometheus_text, write_prometheus
    from bayes_grpo.analysis.monitor.trackers import send_alert

    look = monitor.look()
    if look is None:
        return
    if look.message:
        say(f"{options.path}: {look.message}")
        return
    for alarm in look.new:
        sentence = alarm_sentence(look.run, alarm, options.false_alarms)
        row = alarm_row(look.run, alarm, options.false_alarms)
        say(sentence)
        if options.json:
            print(json.dumps(row, allow_nan=False), flush=True)
        if options.webhook and (fault := post(options.webhook, row | {"text": sentence})):
            say(f"the alarm could not be posted: {fault}")
        for tracker in _trackers(options):
            if fault := send_alert(tracker, sentence):
                say(f"the alarm could not be sent as an alert: {fault}")
    if options.prometheus:
        text = prometheus_text(look.run, look.step, look.statistic, look.boundary, look.raised)
        write_prometheus(options.prometheus, text)
