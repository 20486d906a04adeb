"""`bayes-grpo inspect`: what of a log was understood, what was assumed, what is missing and how to supply it."""

import argparse
from collections.abc import Iterator
from itertools import pairwise
from typing import Any

from bayes_grpo.cli.common import BAD_INPUT, OK, add_json, print_json, say, tell
from bayes_grpo.cli.reading import RUN_HELP, add_reading, reading_options
from bayes_grpo.errors import InputError


def add_inspect(commands: Any) -> None:
    """Define `inspect`."""
    inspect = commands.add_parser(
        "inspect",
        help="show how training logs are read",
        description="Show what of training logs was understood, what was assumed, what is missing and how to "
        "supply it. "
        "Of several runs, as in a folder, a line each.",
    )
    inspect.add_argument("runs", nargs="+", metavar="RUN", help=RUN_HELP)
    inspect.add_argument("--full", action="store_true", help="the whole account of each run, however many there are")
    add_json(inspect)
    add_reading(inspect)
    inspect.set_defaults(run=_inspect)


def _inspect(options: argparse.Namespace) -> int:
    from bayes_grpo.cli.inspect_view import account, overview
    from bayes_grpo.readers import read_log

    known = reading_options(options)
    runs: list[dict[str, Any]] = []
    faults: list[InputError] = []
    for path in options.runs:
        try:
            readings, broken = read_log(path, **known)
        except InputError as error:
            readings, broken = [], [error]
        runs += [facts for reading in readings for facts in _facts(reading)]
        faults += broken
    for fault in faults:
        say(f"bayes-grpo: {fault}")
    if options.json:
        if runs:
            print_json({"runs": runs, "faults": [str(fault) for fault in faults]})
    elif len(runs) == 1 or options.full:
        tell("\n\n".join(map(account, runs)))
    elif runs:
        tell(overview(runs, faults))
    return BAD_INPUT if faults else OK


def _facts(reading: Any) -> Iterator[dict[str, Any]]:
    """What is known of each run of a reading, ready for JSON."""
    from bayes_grpo.readers.missing import missing
    from bayes_grpo.runs.dataset import one_run
    from bayes_grpo.runs.fields import RUN_FIELDS

    for label in reading.run["run"].values:
        run = one_run(reading.run, label)
        steps = run["optimizer_step"].values
        yield {
            "run": str(label),
            "source": str(run["source"].values),
            "format": reading.format,
            "trainer": reading.trainer or None,
            "told_by": reading.told_by,
            "rows": int(steps.size),
            "first_step": float(steps[0]),
            "last_step": float(steps[-1]),
            "columns": {name: _column(run, name, column) for name, column in reading.columns.items() if name in run},
            "reward_components": list(reading.components),
            "spread": run["reward_spread"].attrs.get("spread") if "reward_spread" in run else None,
            "hyperparameters": {
                name: {
                    "value": float(run[name]),
                    "unit": RUN_FIELDS[name].unit,
                    "from": reading.origins.get(name, "the log"),
                }
                for name in RUN_FIELDS
                if name in run
            },
            "assumed": [str(note) for note in reading.notes if note.kind != "left_out"],
            "left_out": [note.text for note in reading.notes if note.kind == "left_out"],
            "missing": {name: gap._asdict() for name, gap in missing(run).items()},
            "unused": reading.unused,
        }


def _column(run: Any, name: str, column: str) -> dict[str, Any]:
    """What is told of one variable: where it comes from, its unit, range and course, and how many rows have it."""
    import numpy as np

    values = run[name].values
    held = values[np.isfinite(values)]
    low, high = (float(held.min()), float(held.max())) if held.size else (None, None)
    return {
        "column": column,
        "unit": run[name].attrs.get("units", ""),
        "values": int(held.size),
        "share": held.size / values.size,
        "min": low,
        "max": high,
        "course": [None if np.isnan(mean) else float(mean) for mean in _course(values)],
    }


def _course(values: Any, pieces: int = 12) -> Any:
    """Means of the values in so many pieces of the rows; NaN where a piece has none."""
    import numpy as np

    edges = np.linspace(0, values.size, min(pieces, values.size) + 1).astype(int)
    parts = (values[a:b][np.isfinite(values[a:b])] for a, b in pairwise(edges))
    return np.array([part.mean() if part.size else np.nan for part in parts])
