"""The options of `bayes-grpo watch` for a page in a browser, and the page while the command runs."""

import argparse
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from bayes_grpo.cli.common import say
from bayes_grpo.cli.numbers import whole

if TYPE_CHECKING:
    from bayes_grpo.analysis.forecast.live import Refitter
    from bayes_grpo.analysis.forecast.watching import Update

DEFAULT_HOST, DEFAULT_PORT, _LAST_PORT = "127.0.0.1", 8720, 65535


def add_page(command: Any) -> None:
    """Give a command the options of the page."""
    page = command.add_argument_group("page in a browser")
    page.add_argument("--serve", action="store_true", help="show the run on a page; its address is printed on stderr")
    page.add_argument("--port", type=whole, metavar="N", help=f"default: {DEFAULT_PORT}; 0 for any free one")
    page.add_argument(
        "--host",
        metavar="ADDRESS",
        help=f"address to listen on (default: {DEFAULT_HOST}, which only this machine reaches)",
    )


def page_faults(options: argparse.Namespace) -> list[str]:
    """What is wrong with the options of the page; sets their defaults."""
    stray = [f"--{name}: only with --serve" for name in ("port", "host") if getattr(options, name) is not None]
    if not options.serve:
        return stray
    options.host = options.host or DEFAULT_HOST
    options.port = DEFAULT_PORT if options.port is None else options.port
    if not 0 <= options.port <= _LAST_PORT:
        return [f"--port: expected a whole number from 0 to {_LAST_PORT}, found {options.port}"]
    return []


@contextmanager
def page(options: argparse.Namespace, refit: "Refitter") -> "Iterator[Callable[[Update], None]]":
    """Serve the page while the context lasts; what it gives takes in each look at the log."""
    if not options.serve:
        yield lambda update: None
        return
    from bayes_grpo.report.live.page import live_page
    from bayes_grpo.report.live.server import LiveServer
    from bayes_grpo.report.live.state import LiveState

    state = LiveState()

    def publish(update: "Update") -> None:
        nonlocal state
        state = state.after(update, refit)
        server.publish(live_page(state, refit.false_alarms, options.every))

    with LiveServer(options.host, options.port) as server:
        server.publish(live_page(state, refit.false_alarms, options.every))
        say(f"the run is shown at {server.url}")
        if options.host != DEFAULT_HOST:
            say("whoever reaches this address and has the token sees the run; nothing is encrypted")
        yield publish
