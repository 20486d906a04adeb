"""RUN|FIT: saved fits as they are, logs fitted. What commands that answer from a posterior share."""

import argparse
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from bayes_grpo.cli.common import sampler_options
from bayes_grpo.cli.reading import RUN_HELP, read_all
from bayes_grpo.errors import InputError


def add_runs_or_fits(parser: argparse.ArgumentParser) -> None:
    """Give a command its RUN|FIT."""
    parser.add_argument("runs", nargs="+", metavar="RUN|FIT", help=f"saved fit (.nc), or {RUN_HELP}")


def fits_of(
    options: argparse.Namespace,
    model: str,
    several: str | None = None,
    *,
    check_law: Callable[[Any], None] | None = None,
    check_run: Callable[[Any], object] | None = None,
) -> tuple[list[Any], list[InputError]]:
    """Fits of all paths: saved ones as they are, logs by --model, else by ``model``, or together by ``several``.

    Before anything is fitted, ``check_law`` is called with the model of the logs, and ``check_run`` with every run.
    They raise InputError where the question cannot be answered.
    """
    from bayes_grpo.inference.attributes import runs_of
    from bayes_grpo.inference.progress import use_compilation_cache
    from bayes_grpo.models.files import load_model

    fits = saved_fits(options)
    runs, faults = read_all(options) if options.runs else ([], [])
    if check_run is not None:
        check_runs([*map(runs_of, fits), *runs], check_run)
    if not runs:
        return fits, faults
    together = joined(runs)
    spec = load_model(options.model or (several if several and together.sizes["run"] > 1 else model))
    if check_law is not None:
        check_law(spec)
    use_compilation_cache()
    labels = [None] if spec.pooled else [str(label) for label in together["run"].values]
    return fits + [fit_with_progress(together, spec, label, options) for label in labels], faults


def check_runs(runs: Iterable[Any], check: Callable[[Any], object]) -> None:
    """Call ``check`` with every single run, and raise what it has to say of all of them at once."""
    from bayes_grpo.runs.dataset import one_run

    faults = []
    for several in runs:
        for label in several["run"].values:
            try:
                check(one_run(several, str(label)))
            except InputError as error:
                faults.append(error)
    if faults:
        raise faults[0] if len(faults) == 1 else InputError("runs", [str(error) for error in faults])


def saved_fits(options: argparse.Namespace) -> list[Any]:
    """The saved fits among the paths, which are then logs alone."""
    from bayes_grpo.inference.store import is_fit, load_fit

    saved = [path for path in options.runs if is_fit(Path(path))]
    options.runs = [path for path in options.runs if path not in saved]
    return [load_fit(path) for path in saved]


def joined(runs: list[Any]) -> Any:
    """Runs of several logs as one Dataset, without the spread of rewards: what that means may differ between logs."""
    from bayes_grpo.runs.dataset import combine

    return combine([run.drop_vars("reward_spread", errors="ignore") for run in runs])


def fit_with_progress(runs: Any, model: Any, label: str | None, options: argparse.Namespace, **settings: Any) -> Any:
    """A fit of the run that is labelled so, or of all runs together, with its progress on stderr."""
    from bayes_grpo.inference.fit import fit
    from bayes_grpo.inference.progress import sampling_progress

    name = model if isinstance(model, str) else model.name
    with sampling_progress(f"{label or f'{runs.sizes["run"]} runs'}: {name}") as progress:
        return fit(runs, model, run=label, progress=progress, **settings, **sampler_options(options))


def fitted_runs(fits: list[Any]) -> list[tuple[Any, str | None]]:
    """Each run of each fit: the fit, and its label where it was fitted together with others."""
    from bayes_grpo.inference.attributes import pooled, run_labels

    return [(fit, label) for fit in fits for label in (run_labels(fit) if pooled(fit) else [None])]
