"""The command line. Only the standard library is imported until a command runs, so that help is instant."""

import argparse
import atexit
import gc
import os
import re
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from bayes_grpo.cli.ask import add_ask
from bayes_grpo.cli.batch import add_batch
from bayes_grpo.cli.card import add_card
from bayes_grpo.cli.checkpoint import add_checkpoint
from bayes_grpo.cli.common import BAD_INPUT, INTERRUPTED, OK, refuse, sampler_faults, say
from bayes_grpo.cli.compare import add_compare
from bayes_grpo.cli.contrast import add_contrast
from bayes_grpo.cli.convert import add_convert
from bayes_grpo.cli.demo import add_demo
from bayes_grpo.cli.diagnose import add_diagnose
from bayes_grpo.cli.entropy_ceiling import add_entropy_ceiling
from bayes_grpo.cli.fit import add_fit
from bayes_grpo.cli.forecast import add_forecast
from bayes_grpo.cli.inspect import add_inspect
from bayes_grpo.cli.invariance import add_invariance
from bayes_grpo.cli.monitor import add_monitor
from bayes_grpo.cli.numbers import number_faults
from bayes_grpo.cli.plan import add_plan
from bayes_grpo.cli.plateau import add_plateau
from bayes_grpo.cli.reading import reading_faults
from bayes_grpo.cli.remedy import add_remedy
from bayes_grpo.cli.report import add_report
from bayes_grpo.cli.show import add_show
from bayes_grpo.cli.simulate import add_simulate
from bayes_grpo.cli.threshold import add_threshold
from bayes_grpo.cli.watch import add_watch
from bayes_grpo.errors import InputError

#: Arguments of functions that are options of commands, and that only a log can show to be impossible.
_ARGUMENTS = ("until", "schedule", "persistence")
#: Objects that are made between two searches for garbage.
_OBJECTS = 100_000
#: Commands in the order in which help lists them.
_COMMANDS = (
    add_ask,
    add_fit,
    add_inspect,
    add_convert,
    add_compare,
    add_card,
    add_checkpoint,
    add_contrast,
    add_show,
    add_forecast,
    add_watch,
    add_monitor,
    add_diagnose,
    add_entropy_ceiling,
    add_report,
    add_batch,
    add_threshold,
    add_remedy,
    add_plan,
    add_plateau,
    add_invariance,
    add_simulate,
    add_demo,
)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; return the exit code (0 done, 2 bad input, 3 fit not converged, 130 interrupted)."""
    options = _parser().parse_args(arguments)
    try:
        with _rare_collections():
            for path in options.law:
                from bayes_grpo.laws.dynamics import load_law

                load_law(path)
            refuse(_faults(options))
            return int(options.run(options))
    except InputError as error:
        say(f"bayes-grpo: {_with_options(str(error), options)}")
        return BAD_INPUT
    except KeyboardInterrupt:
        say("\nbayes-grpo: interrupted; fits finished before are kept, the one in progress was not saved")
        return INTERRUPTED
    except BrokenPipeError:
        # The reader of stdout has gone (as in `| head`): end quietly, and keep Python from complaining at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return OK


def _faults(options: argparse.Namespace) -> list[str]:
    """What is wrong with the command line, before a log is read: the sampler, the hyperparameters, the command's own.

    A command that checks more has a function ``faults`` among its defaults; faults of others are told once these are
    mended.
    """
    unread = number_faults(options)
    own = options.faults(options) if hasattr(options, "faults") else []
    return [*unread, *sampler_faults(options), *reading_faults(options), *own]


def _with_options(message: str, options: argparse.Namespace) -> str:
    """A message in which arguments that were given are named as they are typed."""
    given = [name for name in _ARGUMENTS if getattr(options, name, None) is not None]
    return re.sub(rf"\b(?<!--)({'|'.join(given)})(?=: expected)", r"--\1", message) if given else message


@contextmanager
def _rare_collections() -> Iterator[None]:
    """Look for garbage less often: imports and traces make many objects that stay, a tenth of the time of a command."""
    before = gc.get_threshold()
    gc.set_threshold(_OBJECTS, *before[1:])
    atexit.register(gc.freeze)  # the process ends: no search for garbage before its memory is given back
    try:
        yield
    finally:
        gc.set_threshold(*before)


class _Version(argparse.Action):
    """Prints the version, which is looked up only then."""

    def __call__(self, parser: argparse.ArgumentParser, *_: object) -> None:
        from importlib.metadata import version

        print(f"bayes-grpo {version('bayes-grpo')}")
        parser.exit()


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="bayes-grpo",
        description="Posteriors over plateau, stiffness and damping from the log of a GRPO training run.",
        epilog="exit codes: 0 done, 2 bad input, 3 the fit did not converge, 130 interrupted",
    )
    parser.add_argument("--version", action=_Version, nargs=0, help="print the version and end")
    parser.add_argument(
        "--law",
        action="append",
        default=[],
        metavar="FILE",
        help="a Python file that defines a law of your own; it is executed (may be given several times)",
    )
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    for add in _COMMANDS:
        add(commands)
    return parser
