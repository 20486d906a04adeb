"""What every command shares: messages on stderr, one JSON object on stdout, exit codes."""

import argparse
import json
import sys
from pathlib import Path
from typing import Any

from bayes_grpo.errors import InputError

OK, BAD_INPUT, NOT_CONVERGED, INTERRUPTED = 0, 2, 3, 130


def add_json(parser: argparse.ArgumentParser) -> None:
    """Give a command its --json."""
    parser.add_argument("--json", action="store_true", help="one JSON object on stdout; messages stay on stderr")


def add_sampler(
    parser: argparse.ArgumentParser,
    *,
    draws: int = 1000,
    tune: int = 1000,
    chains: int = 4,
    target_accept: float = 0.95,
    pools: bool = False,
) -> None:
    """Give a command the sampler's options; what pools runs is sampled by NUTS always, and has no choice of method."""
    sampler = parser.add_argument_group("sampler")
    if not pools:
        add_method(sampler)
    for name, default in (("seed", 0), ("draws", draws), ("tune", tune), ("chains", chains)):
        more = " a chain; up to 4 times as many where the chains do not agree yet" if name == "draws" else ""
        sampler.add_argument(f"--{name}", type=int, default=default, help=f"default: {default}{more}")
    sampler.add_argument(
        "--target-accept", type=float, default=target_accept, metavar="P", help=f"default: {target_accept}"
    )


def add_method(parser: Any) -> None:
    """Give a command its --method."""
    parser.add_argument(
        "--method",
        choices=("auto", "importance", "nuts"),
        default="auto",
        help="importance sampling (a fraction of a second), NUTS, or the first and the second where it cannot be trusted "
        "(auto, the default); models that pool runs are always sampled by NUTS",
    )


def sampler_options(options: argparse.Namespace) -> dict[str, Any]:
    """Keyword arguments of `bayes_grpo.fit` from a command's options."""
    names = ("method", "seed", "draws", "tune", "chains", "target_accept")
    return {name: getattr(options, name) for name in names if hasattr(options, name)}


def say(message: str) -> None:
    """Tell a person something."""
    print(message, file=sys.stderr, flush=True)


def print_json(value: Any) -> None:
    """Tell a machine the result."""
    print(json.dumps(value, indent=2, allow_nan=False))


def save_or_refuse(save: Any, content: Any, target: Path) -> None:
    """Save to a file; where the disk refuses, say so in one message."""
    try:
        save(content, target)
    except OSError as error:
        raise InputError(
            str(target), f"could not be written ({error.strerror or error}); nothing was left there"
        ) from error
