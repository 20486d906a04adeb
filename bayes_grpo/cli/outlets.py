"""The options of `bayes-grpo monitor` and `watch` that say where alarms go, and alarms on their way there."""

import argparse
import contextlib
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bayes_grpo.cli.common import say
from bayes_grpo.cli.numbers import positive

if TYPE_CHECKING:
    from bayes_grpo.analysis.monitor.follow import Look

#: False alarms per 1,000 steps unless stated otherwise.
DEFAULT_RATE = 0.3


def add_outlets(command: Any) -> None:
    """Give a command the options of alarms: their rate, and where they go."""
    group = command.add_argument_group("alarms")
    group.add_argument(
        "--false-alarms",
        type=positive,
        default=DEFAULT_RATE,
        metavar="RATE",
        help=f"false alarms per 1,000 steps of a healthy run (default: {DEFAULT_RATE})",
    )
    group.add_argument("--webhook", metavar="URL", help="address that alarms are posted to as JSON")
    group.add_argument("--prometheus", type=Path, metavar="FILE", help="text file for Prometheus, renewed at each look")
    group.add_argument("--trackio", metavar="PROJECT", help="project of trackio that alarms go to, as alerts of a run")
    group.add_argument("--wandb", metavar="PROJECT", help="project of W&B that alarms go to, as alerts of a run")


def check_outlets(options: argparse.Namespace) -> None:
    """Refuse an address or a file that no alarm can reach.

    Raises
    ------
    InputError
        If there is one.
    """
    from bayes_grpo.analysis.monitor.outlets import check_webhook
    from bayes_grpo.runs.files import check_writable

    if options.webhook:
        check_webhook(options.webhook)
    if options.prometheus:
        check_writable(options.prometheus)


@contextlib.contextmanager
def outlets(options: argparse.Namespace) -> "Iterator[Callable[[Look], None]]":
    """Runs of the trackers are open while the context lasts; what it gives hands a look's alarms to every outlet."""
    from bayes_grpo.analysis.monitor.outlets import Outlets, alarm_row, alarm_sentence
    from bayes_grpo.analysis.monitor.trackers import TRACKERS, close_run, open_run

    trackers = [tracker for tracker in TRACKERS if getattr(options, tracker) is not None]
    reached = Outlets(options.false_alarms, options.webhook, options.prometheus, trackers)

    def tell(look: "Look") -> None:
        for alarm in look.new:
            say(alarm_sentence(look.run, alarm, options.false_alarms))
            if options.json:
                print(json.dumps(alarm_row(look.run, alarm, options.false_alarms), allow_nan=False), flush=True)
            for fault in reached.send(look.run, alarm):
                say(fault)
        reached.write_state(look)

    with contextlib.ExitStack() as opened:
        for tracker in trackers:
            open_run(tracker, getattr(options, tracker), f"monitor of {options.path.name}")
            opened.callback(close_run, tracker)
        yield tell
