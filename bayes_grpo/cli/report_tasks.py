"""What `bayes-grpo report` has to do: a task for each run, saved or still to be fitted."""

import argparse
import json
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

from bayes_grpo.cli.common import sampler_options, say
from bayes_grpo.cli.fits import fit_with_progress
from bayes_grpo.cli.reading import reading_options
from bayes_grpo.errors import InputError

#: What is fitted to logs, for the posterior and for the forecast.
MODELS = ("oscillator", "s_curve")


#: What a page needs of the summaries of other commands: keys, and of the rows in the first one theirs.
_NEEDED = {
    "plan": (
        ("options", "statement", "gain", "within", "notes"),
        ("option", "plateau", "steps_to_95", "probability_gain", "power"),
    ),
    "contrast": (
        ("ranking", "statement", "by", "notes"),
        ("configuration", "runs", "value", "probability_best"),
    ),
}


class Task(NamedTuple):
    """A run to report: its label, and what fits or loads it."""

    label: str
    subject: Callable[[], Any]


def list_tasks(options: argparse.Namespace, left_out: list[tuple[str, str]]) -> list[Task]:
    """A task for each run of each path; paths that cannot be read are named and left out.

    Raises
    ------
    InputError
        If the only path cannot be read, or a run has passed the step to forecast to.
    """
    from bayes_grpo.inference.store import load_fit
    from bayes_grpo.readers import read_runs
    from bayes_grpo.report.single import Subject, look_into, pair

    known = reading_options(options)
    saved, logs = [], []
    for path in options.runs:
        try:
            fits = look_into(path)
            saved += fits or []
            logs += read_runs(path, **known) if fits is None else []
        except InputError as error:
            if len(options.runs) == 1:
                raise
            say(f"bayes-grpo: {error}")
            left_out.append((str(path), str(error)))

    if options.until is not None:
        _check_until(logs, saved, options.until)

    def loaded(main: Any, ahead: Any) -> Any:
        fit = load_fit(main.where)
        return Subject(fit, main.run, fit if ahead.where == main.where else load_fit(ahead.where))

    def fitted(run: Any, label: str) -> Any:
        posterior_fit, forecast_fit = (fit_with_progress(run, model, label, options) for model in MODELS)
        return Subject(posterior_fit, label, forecast_fit)

    return [
        *(Task(main.run, partial(loaded, main, ahead)) for main, ahead in pair(saved)),
        *(Task(str(label), partial(fitted, run, str(label))) for run in logs for label in run["run"].values),
    ]


def _check_until(logs: list[Any], saved: list[Any], until: float) -> None:
    """Refuse a step to forecast to that a run has passed."""
    from bayes_grpo.analysis.forecast.ahead import check_until
    from bayes_grpo.cli.fits import check_runs

    check_runs(logs, lambda run: check_until(run, until))
    passed = [f"{main.run}: ends at step {main.logged[-1, 0]:g}" for main in saved if main.logged[-1, 0] >= until]
    if passed:
        raise InputError(
            "command line", [f"--until: expected a step after the last logged one; {text}" for text in passed]
        )


def compare_laws(subject: Any, models: list[str], options: argparse.Namespace) -> tuple[Any, str]:
    """Comparison of laws on a run, or why there is none."""
    if not models:
        return None, ""
    from bayes_grpo.analysis.comparison.compare import compare
    from bayes_grpo.inference.attributes import runs_of
    from bayes_grpo.inference.progress import sampling_progress
    from bayes_grpo.report.single import one_of

    run = runs_of(one_of(subject.fit, subject.run))
    try:
        return compare(run, models, progress=sampling_progress, **sampler_options(options)).as_dict(), ""
    except InputError as error:
        return None, str(error)


def read_summary(command: str, path: Path | None) -> Any:
    """What `bayes-grpo plan --json` or `contrast --json` printed into a file; None without one."""
    if path is None:
        return None
    keys, of_rows = _NEEDED[command]
    where, cure = str(path), f"expected the output of `bayes-grpo {command} --json`"
    try:
        summary = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise InputError(where, f"cannot be read ({error.strerror}); {cure}") from error
    except ValueError as error:
        raise InputError(where, f"{cure}, found no JSON") from error
    rows = summary.get(keys[0]) if isinstance(summary, dict) else None
    if not isinstance(rows, list) or not rows or not all(isinstance(row, dict) for row in rows):
        raise InputError(where, f"{cure}, found no {keys[0]}")
    lacking = [name for name in keys if name not in summary]
    lacking += [f"{keys[0]}.{name}" for name in of_rows if any(name not in row for row in rows)]
    if lacking:
        raise InputError(where, [f"{name}: missing; {cure}" for name in lacking])
    return summary
