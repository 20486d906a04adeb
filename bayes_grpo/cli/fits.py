"""Saved fits as they are, logs fitted: what commands that answer from a posterior share."""

import argparse
from pathlib import Path
from typing import Any

from bayes_grpo.cli.common import sampler_options
from bayes_grpo.cli.reading import read_all
from bayes_grpo.errors import InputError


def fits_of(options: argparse.Namespace, model: str, several: str | None = None) -> tuple[list[Any], list[InputError]]:
    """Fits of all paths: a saved fit is loaded, logs are fitted by --model, or by ``model``, or together by ``several``."""
    from bayes_grpo.inference.fit import fit
    from bayes_grpo.inference.progress import sampling_progress, use_compilation_cache
    from bayes_grpo.inference.store import is_fit, load_fit
    from bayes_grpo.models.files import load_model
    from bayes_grpo.runs.dataset import combine

    saved = [path for path in options.runs if is_fit(Path(path))]
    fits = [load_fit(path) for path in saved]
    options.runs = [path for path in options.runs if path not in saved]
    if not options.runs:
        return fits, []
    runs, faults = read_all(options)
    if not runs:
        return fits, faults
    together = combine([run.drop_vars("reward_spread", errors="ignore") for run in runs])
    many = together.sizes["run"] > 1
    spec = load_model(options.model or (several if several and many else model))
    use_compilation_cache()
    labels = [None] if spec.pooled else [str(label) for label in together["run"].values]
    for label in labels:
        with sampling_progress(f"{label or f'{together.sizes["run"]} runs'}: {spec.name}") as progress:
            fits.append(fit(together, spec, run=label, progress=progress, **sampler_options(options)))
    return fits, faults


def runs_in(fit: Any) -> list[str | None]:
    """Labels of the runs that were fitted together; of a single run None."""
    return [str(run) for run in fit["posterior"]["run"].values] if "run" in fit["posterior"].dims else [None]
