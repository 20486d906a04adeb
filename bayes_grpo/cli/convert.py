"""`bayes-grpo convert`."""

import argparse
from pathlib import Path
from typing import Any

from bayes_grpo.cli.common import BAD_INPUT, OK, add_json, print_json, refuse, save_or_refuse, say, suffix_faults
from bayes_grpo.cli.reading import RUN_HELP, add_reading, read_all


def add_convert(commands: Any) -> None:
    """Define `convert`."""
    convert = commands.add_parser(
        "convert",
        help="write runs of any format as NetCDF",
        description="Write runs of any format as NetCDF, which fit, inspect and convert read.",
    )
    convert.add_argument("runs", nargs="+", metavar="RUN", help=RUN_HELP)
    convert.add_argument("--out", type=Path, required=True, metavar="FILE", help="file to write (.nc)")
    add_json(convert)
    add_reading(convert)
    convert.set_defaults(run=_convert)


def _convert(options: argparse.Namespace) -> int:
    from bayes_grpo.runs.dataset import combine
    from bayes_grpo.runs.files import check_writable
    from bayes_grpo.runs.netcdf import save_runs

    refuse(suffix_faults("--out", options.out, (".nc",)))
    check_writable(options.out)
    runs, faults = read_all(options)
    if not runs:
        return BAD_INPUT
    joined = combine(runs)
    save_or_refuse(save_runs, joined, options.out)
    labels = [str(label) for label in joined["run"].values]
    say(f"saved {options.out}: {len(labels)} run{'s' if len(labels) != 1 else ''}, {', '.join(labels[:8])}")
    if options.json:
        print_json({"file": str(options.out), "runs": labels, "faults": [str(fault) for fault in faults]})
    return BAD_INPUT if faults else OK
