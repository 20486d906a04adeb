"""`bayes-grpo simulate bandit`."""

import argparse
from pathlib import Path
from typing import Any

from bayes_grpo.cli.common import OK, add_json, print_json, save_or_refuse, say, say_notes
from bayes_grpo.cli.numbers import number, option_name, whole
from bayes_grpo.errors import InputError, Note

#: Steps of all runs together.
MOST_ROWS = 10_000_000

_INTEGERS = ("group_size", "prompts_per_step", "refresh_interval", "steps", "warmup_steps")
_NUMBERS = ("kl", "learning_rate", "momentum", "adam_beta2", "clip")
_WORDS = ("normalisation", "optimizer", "staleness", "schedule")
_ARMS = ("reward_mean", "reward_sd", "reference", "initial")


def add_simulate(commands: Any) -> None:
    """Define `simulate`."""
    simulate = commands.add_parser(
        "simulate", help="write simulated runs with known truth", description="Write simulated runs with known truth."
    )
    kinds = simulate.add_subparsers(required=True, metavar="KIND")
    bandit = kinds.add_parser(
        "bandit",
        help="GRPO on a softmax bandit",
        description="Train a softmax bandit with GRPO; the file can be given to `bayes-grpo fit`. "
        "Defaults and meanings: documentation, page 'The bandit'.",
    )
    bandit.add_argument("--out", type=Path, default=Path("bandit.nc"), metavar="FILE", help="default: bandit.nc")
    bandit.add_argument(
        "--seeds", type=int, default=1, metavar="N", help="number of runs, seeds 0 to N - 1 (default: 1)"
    )
    for name in _INTEGERS:
        bandit.add_argument(option_name(name), type=whole, metavar="N")
    for name in _NUMBERS:
        bandit.add_argument(option_name(name), type=number, metavar="N")
    for name in _WORDS:
        bandit.add_argument(option_name(name), metavar="WORD")
    for name in _ARMS:
        bandit.add_argument(option_name(name), type=number, nargs="+", metavar="N", help="one number an arm")
    add_json(bandit)
    bandit.set_defaults(run=_bandit)


def _bandit(options: argparse.Namespace) -> int:
    stated = _settings(options)
    from bayes_grpo.bandit import Bandit, linearise, simulate
    from bayes_grpo.runs.files import check_writable
    from bayes_grpo.runs.netcdf import save_runs

    bandit = Bandit(**stated)
    if not 1 <= options.seeds * bandit.steps <= MOST_ROWS:
        raise InputError(
            "command line",
            f"--seeds: expected at least 1, and at most {MOST_ROWS // bandit.steps} runs of {bandit.steps} steps, "
            f"found {options.seeds}",
        )
    check_writable(options.out)
    runs = simulate(bandit, range(options.seeds))
    save_or_refuse(save_runs, runs, options.out)
    truth: dict[str, Any] = {}
    try:
        near = linearise(bandit, "finite" if bandit.binary else "infinite")
        truth = {"plateau": near.expected_reward, "stiffness": near.stiffness.tolist(), "temperature": near.temperature}
    except InputError as error:
        say_notes([Note("limit", "truth", f"no closed form to compare with: {error}")])
    for name, value in truth.items():
        shown = ", ".join(f"{v:.4g}" for v in value) if isinstance(value, list) else f"{value:.4g}"
        say(f"{name}: {shown} (from the drift)")
    say(f"saved {options.seeds} run{'s' if options.seeds > 1 else ''} to {options.out}")
    if options.json:
        print_json({"file": str(options.out), "runs": [str(r) for r in runs["run"].values], "truth": truth or None})
    return OK


def _settings(options: argparse.Namespace) -> dict[str, Any]:
    """The stated settings."""
    names = (*_WORDS, *_INTEGERS, *_NUMBERS, *_ARMS)
    return {name: getattr(options, name) for name in names if getattr(options, name) is not None}
