"""`bayes-grpo fit`."""

import argparse
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from bayes_grpo.cli.common import (
    BAD_INPUT,
    NOT_CONVERGED,
    OK,
    add_json,
    add_sampler,
    print_json,
    say,
    show,
)
from bayes_grpo.cli.fits import fit_with_progress, joined
from bayes_grpo.cli.reading import RUN_HELP, add_reading, read_all
from bayes_grpo.errors import InputError

#: Bytes of a label in a file's name; most file systems take 255 for the whole name.
_LONGEST_NAME = 150


def add_fit(commands: Any) -> None:
    """Define `fit`."""
    fit = commands.add_parser("fit", help="fit a model to training logs", description="Fit a model to training logs.")
    fit.add_argument("runs", nargs="+", metavar="RUN", help=RUN_HELP)
    fit.add_argument(
        "--model", metavar="NAME|FILE", help="model name or file (default: s_curve; oscillator is the paper's law)"
    )
    fit.add_argument("--out", type=Path, metavar="FILE", help="result file (default: RUN.MODEL.nc here)")
    add_json(fit)
    add_sampler(fit)
    add_reading(fit)
    fit.add_argument(
        "--backend", choices=("numpyro", "pymc"), default="numpyro", help="library that samples (default: numpyro)"
    )
    fit.set_defaults(run=_fit)


def _fit(options: argparse.Namespace) -> int:
    from bayes_grpo.models.files import DEFAULT_MODEL, load_model

    spec = load_model(options.model or DEFAULT_MODEL)
    runs, faults = read_all(options)
    jobs = _jobs(runs, spec)
    targets = _targets(options.out, [label or "runs" for _, label in jobs], spec.name)

    from bayes_grpo.inference.progress import use_compilation_cache
    from bayes_grpo.runs.files import check_writable

    for target in targets:
        check_writable(target)
    use_compilation_cache()
    summaries, code = [], BAD_INPUT if faults else OK
    for (dataset, label), target in zip(jobs, targets, strict=True):
        try:
            summary, saved = _fit_one(dataset, label, spec, options, target)
        except InputError as error:
            if len(jobs) == 1:
                raise
            say(f"bayes-grpo: {error}")
            code = BAD_INPUT
            continue
        summaries.append(summary)
        if code == OK and not (summary["converged"] and saved):
            code = BAD_INPUT if not saved else NOT_CONVERGED
    if options.json and summaries:
        print_json(summaries[0] if len(jobs) == 1 and not faults else {"fits": summaries})
    return code


def _jobs(runs: list[Any], spec: Any) -> list[tuple[Any, str | None]]:
    """What is fitted: each run by its label, or all runs together (no label) where the model pools."""
    if spec.pooled and runs:
        return [(joined(runs), None)]
    return [(dataset, str(label)) for dataset in runs for label in dataset["run"].values]


def file_name(label: str) -> str:
    """A run's label as part of a file's name: no separators, no leading dot, and short enough for any file system."""
    name = "".join(c if c.isalnum() or c in "-_." else "_" for c in label)
    return name.encode()[:_LONGEST_NAME].decode(errors="ignore").strip("._") or "run"


def distinct(names: Sequence[str]) -> list[str]:
    """File names in which those that are there already, letters large or small, get a number: NAME~2."""
    used: list[str] = []
    for name in names:
        count = sum(1 for other in used if re.fullmatch(re.escape(name) + r"(~\d+)?", other, re.IGNORECASE))
        used.append(f"{name}~{count + 1}" if count else name)
    return used


def _targets(out: Path | None, labels: list[str], model: str) -> list[Path]:
    """One result file a run; several runs put their label into the file's name."""
    if out is not None and len(labels) == 1:
        return [out]
    base = [f"{out.stem}.{file_name(label)}" if out else f"{file_name(label)}.{model}" for label in labels]
    folder = out.parent if out else Path()
    suffix = (out.suffix if out else "") or ".nc"
    return [folder / f"{name}{suffix}" for name in distinct(base)]


def _fit_one(
    dataset: Any, label: str | None, spec: Any, options: argparse.Namespace, target: Path
) -> tuple[dict[str, Any], bool]:
    """Fit, show and save one run; what was computed is shown even where it cannot be saved."""
    from bayes_grpo.analysis.posterior.summary import summarise
    from bayes_grpo.analysis.posterior.table import summary_table
    from bayes_grpo.inference.store import save_fit

    tree = fit_with_progress(dataset, spec, label, options, backend=options.backend)
    summary: Any = summarise(tree)
    show(summary, summary_table, as_json=options.json)
    try:
        save_fit(tree, target)
    except OSError as error:
        say(
            f"bayes-grpo: {target}: could not be saved ({error.strerror or error}); nothing was left there; free space "
            "or choose --out"
        )
        return summary, False
    say(f"saved {target}")
    return summary, True
