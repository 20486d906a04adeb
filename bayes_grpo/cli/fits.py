"""RUN|FIT: saved fits as they are, logs fitted. What commands that answer from a posterior share."""

import argparse
from pathlib import Path
from typing import Any

from bayes_grpo.cli.common import sampler_options
from bayes_grpo.cli.reading import RUN_HELP, read_all
from bayes_grpo.errors import InputError


def add_runs_or_fits(parser: argparse.ArgumentParser) -> None:
    """Give a command its RUN|FIT."""
    parser.add_argument("runs", nargs="+", metavar="RUN|FIT", help=f"saved fit (.nc), or {RUN_HELP}")


def fits_of(options: argparse.Namespace, model: str, several: str | None = None) -> tuple[list[Any], list[InputError]]:
    """Fits of all paths: saved ones as they are, logs by --model, else by ``model``, or together by ``several``."""
    from bayes_grpo.inference.progress import use_compilation_cache
    from bayes_grpo.models.files import load_model

    fits = saved_fits(options)
    if not options.runs:
        return fits, []
    runs, faults = read_all(options)
    if not runs:
        return fits, faults
    together = joined(runs)
    spec = load_model(options.model or (several if several and together.sizes["run"] > 1 else model))
    use_compilation_cache()
    labels = [None] if spec.pooled else [str(label) for label in together["run"].values]
    return fits + [fit_with_progress(together, spec, label, options) for label in labels], faults


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
