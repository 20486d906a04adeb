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
) -> None:
    """Give a command the sampler's options."""
    sampler = parser.add_argument_group("sampler")
    for name, default in (("seed", 0), ("draws", draws), ("tune", tune), ("chains", chains)):
        more = " a chain; up to 4 times as many where the chains do not agree yet" if name == "draws" else ""
        sampler.add_argument(f"--{name}", type=int, default=default, help=f"default: {default}{more}")
    sampler.add_argument(
        "--target-accept", type=float, default=target_accept, metavar="P", help=f"default: {target_accept}"
    )


def sampler_options(options: argparse.Namespace) -> dict[str, Any]:
    """Keyword arguments of `bayes_grpo.fit` from a command's options."""
    return {name: getattr(options, name) for name in ("seed", "draws", "tune", "chains", "target_accept")}


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
