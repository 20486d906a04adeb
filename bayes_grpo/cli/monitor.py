"""`bayes-grpo monitor`: alarms while a run trains, at a stated rate of false ones."""

import argparse
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bayes_grpo.cli.common import INTERRUPTED, OK, add_json, check_counts, say
from bayes_grpo.cli.numbers import positive
from bayes_grpo.cli.outlets import add_outlets, check_outlets, outlets
from bayes_grpo.cli.reading import RUN_HELP, add_reading, reading_options
from bayes_grpo.errors import InputError

if TYPE_CHECKING:
    from bayes_grpo.analysis.monitor.follow import Look

#: Seconds between looks unless stated otherwise.
DEFAULT_EVERY = 5.0


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
    command.add_argument(
        "--every", type=positive, default=DEFAULT_EVERY, metavar="S", help="seconds between looks (default: 5)"
    )
    command.add_argument("--looks", type=int, metavar="N", help="end after this many looks (default: go on)")
    add_outlets(command)
    add_json(command)
    add_reading(command, appended=False)
    command.set_defaults(run=_monitor, faults=lambda options: check_counts(options, looks=1))


def _monitor(options: argparse.Namespace) -> int:
    from bayes_grpo.analysis.monitor.follow import Monitor
    from bayes_grpo.readers import read_runs

    if not options.path.exists():
        raise InputError(str(options.path), "no such file or folder; expected a log that is being written")
    check_outlets(options)
    options.appended = "last"
    known = reading_options(options)
    monitor = Monitor(options.path, lambda path: read_runs(path, **known), options.false_alarms, options.label)
    last = None
    try:
        with outlets(options) as tell:
            looks = 0
            while options.looks is None or looks < options.looks:
                looks += 1
                look = monitor.look()
                if look is not None and look.message:
                    say(f"{options.path}: {look.message}")
                elif look is not None:
                    last = look
                    tell(look)
                if options.looks is None or looks < options.looks:
                    time.sleep(options.every)
    except KeyboardInterrupt:
        say(f"\nbayes-grpo: interrupted; {_account(last)}")
        return INTERRUPTED
    say(f"note: {_account(last)}")
    return OK


def _account(look: "Look | None") -> str:
    """How many rows were looked at, and how many alarms they raised."""
    if look is None:
        return "no rows could be looked at"
    alarms = "no alarm" if not look.raised else "1 alarm" if len(look.raised) == 1 else f"{len(look.raised)} alarms"
    rows = "1 row" if look.rows == 1 else f"{look.rows} rows"
    return f"{look.run}: {rows} looked at" + (f", up to step {look.step:.0f}: {alarms}" if look.rows else "")
