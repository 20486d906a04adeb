"""`bayes-grpo inspect`: what of a log was understood, what was assumed, what is missing and how to supply it."""

import argparse
import shutil
import textwrap
from collections.abc import Iterator
from typing import Any

from bayes_grpo.cli.common import BAD_INPUT, OK, add_json, print_json, say
from bayes_grpo.cli.reading import RUN_HELP, add_reading, reading_options
from bayes_grpo.errors import InputError

#: Unused columns shown; --json lists them all.
_SHOWN = 40


def add_inspect(commands: Any) -> None:
    """Define `inspect`."""
    inspect = commands.add_parser(
        "inspect",
        help="show how training logs are read",
        description="Show what of training logs was understood, what was assumed, what is missing and how to supply "
        "it.",
    )
    inspect.add_argument("runs", nargs="+", metavar="RUN", help=RUN_HELP)
    add_json(inspect)
    add_reading(inspect)
    inspect.set_defaults(run=_inspect)


def _inspect(options: argparse.Namespace) -> int:
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
    else:
        width = max(60, min(shutil.get_terminal_size((100, 24)).columns, 120))
        print("\n\n".join("\n".join(_lines(facts, width)) for facts in runs))
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
            "rows": int(steps.size),
            "first_step": float(steps[0]),
            "last_step": float(steps[-1]),
            "columns": _columns(reading, run),
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
            "assumed": reading.notes,
            "missing": {name: {"cost": cost, "cure": cure} for name, (cost, cure) in missing(run).items()},
            "unused": reading.unused,
        }


def _columns(reading: Any, run: Any) -> dict[str, dict[str, Any]]:
    """Of each variable the column it was read from, its unit, and how many values lie in which range."""
    import numpy as np

    columns = {}
    for name, column in reading.columns.items():
        if name in run:
            values = run[name].values[np.isfinite(run[name].values)]
            low, high = (float(values.min()), float(values.max())) if values.size else (None, None)
            unit = run[name].attrs.get("units", "")
            columns[name] = {"column": column, "unit": unit, "values": int(values.size), "min": low, "max": high}
    return columns


def _lines(facts: dict[str, Any], width: int) -> Iterator[str]:
    """One run as text."""
    yield f"{facts['run']}: {facts['format']}" + (f", logged by {facts['trainer']}" if facts["trainer"] else "")
    yield f"  {facts['source']}"
    yield f"  {facts['rows']} rows, optimizer steps {facts['first_step']:g} to {facts['last_step']:g}"
    yield "understood"
    for name, column in facts["columns"].items():
        spread = f" ({facts['spread']})" if name == "reward_spread" else ""
        between = f"{column['min']:.4g} to {column['max']:.4g}"
        yield f"  {name + spread:<28} {column['values']:>7} x {between:<22} from {column['column']!r}"
    if facts["reward_components"]:
        yield from _wrapped("reward functions: " + ", ".join(facts["reward_components"]), width)
    for name, known in facts["hyperparameters"].items():
        yield f"  {name:<20} {known['value']:<10.6g} {known['unit']:<17} ({known['from']})"
    if facts["assumed"]:
        yield "assumed, repaired or left out"
        for note in facts["assumed"]:
            yield from _wrapped(f"- {note}", width)
    if facts["missing"]:
        yield "missing"
        for name, field in facts["missing"].items():
            yield from _wrapped(f"- {name}: {field['cost']}; {field['cure']}", width)
    if facts["unused"]:
        yield f"not used ({len(facts['unused'])})"
        more = len(facts["unused"]) - _SHOWN
        names = ", ".join(facts["unused"][:_SHOWN])
        yield from _wrapped(names + (f", and {more} more (--json lists all)" if more > 0 else ""), width)


def _wrapped(text: str, width: int) -> list[str]:
    return textwrap.wrap(text, width, initial_indent="  ", subsequent_indent="    ", break_on_hyphens=False)
