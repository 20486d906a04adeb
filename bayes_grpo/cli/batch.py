"""`bayes-grpo batch`: any number of logs, a row each."""

import argparse
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from bayes_grpo.cli.common import (
    BAD_INPUT,
    NOT_CONVERGED,
    OK,
    add_json,
    add_sampler,
    check_counts,
    make_folder,
    print_json,
    sampler_options,
    say,
    tell,
)
from bayes_grpo.cli.numbers import positive
from bayes_grpo.cli.reading import add_reading, reading_options
from bayes_grpo.errors import InputError

#: Seconds between two lines of progress where there is no terminal.
_EVERY = 10.0
#: Errors, and files that are no logs, that are named.
_MOST_ERRORS = 5


def add_batch(commands: Any) -> None:
    """Define `batch`."""
    batch = commands.add_parser(
        "batch",
        help="fit any number of logs, a row each, on all processors or on a cluster",
        description="Fit every run of any number of logs by itself. One row a run goes to OUT/batch.parquet. What is "
        "finished is kept at once: the same command goes on where it was ended.",
    )
    batch.add_argument(
        "paths", nargs="+", metavar="PATH", help="logs, folders, patterns ('runs/*.csv'), or @FILE with a path a line"
    )
    batch.add_argument("--out", type=Path, required=True, metavar="FOLDER", help="folder for the table")
    batch.add_argument("--model", metavar="NAME|FILE", help="model name or file (default: that of fit)")
    batch.add_argument(
        "--until", type=positive, metavar="STEP", help="forecast to this step; below 10, times the last logged step"
    )
    batch.add_argument("--diagnose", action="store_true", help="look for failures, too")
    batch.add_argument("--keep-fits", action="store_true", help="keep whole fits in FOLDER/fits")
    where = batch.add_argument_group("where the work is done")
    where.add_argument("--engine", default="local", help="local (default), dask or ray")
    where.add_argument("--address", help="of a Dask scheduler or a Ray head; without one a cluster is made here")
    where.add_argument("--workers", type=int, metavar="N", help="processes (default: one a usable core)")
    add_json(batch)
    add_sampler(batch)
    add_reading(batch, appended=False)
    batch.set_defaults(run=_batch, appended="", faults=lambda options: check_counts(options, workers=1))


def _batch(options: argparse.Namespace) -> int:
    from bayes_grpo.models.files import DEFAULT_MODEL
    from bayes_grpo.report.batch.batch import batch
    from bayes_grpo.report.batch.table import TABLE

    reading = reading_options(options)
    make_folder(options.out)
    try:
        with _progress() as progress:
            table = batch(
                options.paths,
                options.out,
                model=options.model or DEFAULT_MODEL,
                engine=options.engine,
                address=options.address,
                workers=options.workers,
                until=options.until,
                diagnose=options.diagnose,
                keep_fits=options.keep_fits,
                laws=options.law,
                reading=reading,
                progress=progress,
                **sampler_options(options),
            )
    except OSError as error:
        raise InputError(
            str(options.out),
            f"a part of the table could not be written ({error.strerror or error}); what was finished before is kept, "
            "and the same command goes on there",
        ) from error
    return _report(_summary(table, options.out / TABLE), options.json)


def _report(summary: dict[str, Any], json: bool) -> int:
    """Print a summary, and its first errors; the exit code."""
    if json:
        print_json(summary)
    else:
        tell(_words(summary))
    for text in summary["errors"][:_MOST_ERRORS]:
        say(f"bayes-grpo: {text}")
    if len(summary["errors"]) > _MOST_ERRORS:
        say(f"and {len(summary['errors']) - _MOST_ERRORS} more errors, in the column error of the table")
    if summary["left_out"]:
        say(_left_out(summary["left_out"]))
    if summary["errors"]:
        return BAD_INPUT
    return NOT_CONVERGED if summary["not_converged"] else OK


def _summary(table: Any, path: Path) -> dict[str, Any]:
    """What is said of a table, ready for JSON."""

    def counts(name: str) -> dict[str, int]:
        return {str(key): int(n) for key, n in table[name].value_counts().items()} if name in table else {}

    fitted = table["converged"].notna()
    return {
        "table": str(path),
        "runs": len(table),
        "fitted": int(fitted.sum()),
        "methods": counts("method"),
        "not_converged": int((~table["converged"][fitted].astype(bool)).sum()),
        "recommendations": counts("recommendation"),
        "diagnoses": counts("diagnosis"),
        "errors": [str(error) for error in table["error"].dropna()],
        "left_out": dict(table.attrs["left_out"]),
    }


def _words(summary: dict[str, Any]) -> str:
    """The summary in a few lines."""
    by = ", ".join(f"{count} by {name}" for name, count in summary["methods"].items())
    lines = [f"{summary['fitted']} of {summary['runs']} runs fitted" + (f" ({by})" if by else "")]
    if summary["not_converged"]:
        lines.append(f"{summary['not_converged']} fits did not converge: see the columns of diagnostics")
    for title, name in (("recommended", "recommendations"), ("diagnosed", "diagnoses")):
        if summary[name]:
            lines.append(f"{title}: " + ", ".join(f"{count} {key}" for key, count in summary[name].items()))
    if summary["errors"]:
        lines.append(f"{len(summary['errors'])} logs or runs with an error")
    return "\n".join([*lines, f"table: {summary['table']}"])


def _left_out(files: Mapping[str, str]) -> str:
    """How many files were left out, and the first of them."""
    count = "1 file was" if len(files) == 1 else f"{len(files)} files were"
    named = "".join(f"\n  {path}: {reason}" for path, reason in list(files.items())[:_MOST_ERRORS])
    more = (
        f"\n  and {len(files) - _MOST_ERRORS} more, which `bayes-grpo inspect` names"
        if len(files) > _MOST_ERRORS
        else ""
    )
    return f"note: {count} not read as logs:{named}{more}"


@contextmanager
def _progress() -> Iterator[Callable[[Any], None]]:
    """A bar on a terminal, a line now and then elsewhere; both with the rate and the time that is left."""
    began = time.monotonic()

    def told(state: Any) -> str:
        rate = state.fitted / max(time.monotonic() - began, 1e-9)
        left = (state.expected - state.runs) / rate if rate > 0 else float("nan")
        remaining = f", about {left:.0f} s left" if left == left else ""
        errors = f", {state.errors} errors" if state.errors else ""
        return f"{state.runs} of about {state.expected:.0f} runs, {rate:.1f} a second{remaining}{errors}"

    if sys.stderr.isatty():
        from rich.console import Console

        with Console(stderr=True).status("reading and compiling ...") as status:
            yield lambda state: status.update(told(state))
        return
    say("reading and compiling ...")
    last = began

    def line(state: Any) -> None:
        nonlocal last
        if time.monotonic() - last >= _EVERY:
            last = time.monotonic()
            say(told(state))

    yield line
