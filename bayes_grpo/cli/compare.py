"""`bayes-grpo compare`."""

import argparse
from pathlib import Path
from typing import Any

from bayes_grpo.cli.common import BAD_INPUT, add_json, add_sampler, finish, make_folder, sampler_options, say
from bayes_grpo.cli.reading import RUN_HELP, add_reading, read_all
from bayes_grpo.errors import InputError


def add_compare(commands: Any) -> None:
    """Define `compare`."""
    compare = commands.add_parser(
        "compare",
        help="compare models by how well they predict rewards",
        description="Fit several models to the same runs and compare their predictions of rewards they have not seen.",
    )
    compare.add_argument("runs", nargs="+", metavar="RUN", help=RUN_HELP)
    compare.add_argument(
        "--models",
        required=True,
        metavar="A,B,...",
        help="two or more model names or files; a model that pools is fitted to all runs together",
    )
    compare.add_argument(
        "--criterion",
        default="loo",
        metavar="loo|lfo",
        help="predict each reward from all others (loo, default) or from those before it (lfo)",
    )
    compare.add_argument(
        "--min-observations", type=int, metavar="N", help="lfo: rewards given before the first is predicted"
    )
    compare.add_argument("--out", type=Path, metavar="FOLDER", help="keep every fit there, as RUN.MODEL.nc")
    add_json(compare)
    add_sampler(compare)
    add_reading(compare)
    compare.set_defaults(run=_compare)


def _compare(options: argparse.Namespace) -> int:
    models = [name.strip() for name in options.models.split(",") if name.strip()]
    from bayes_grpo.analysis.comparison.inputs import check_models

    try:
        runs, faults = read_all(options)
    except InputError as error:
        raise InputError(
            error.where, [*error.faults, *check_models(models, options.criterion, options.min_observations)[1]]
        ) from error
    if not runs:
        return BAD_INPUT
    from bayes_grpo.analysis.comparison.compare import compare
    from bayes_grpo.analysis.comparison.table import comparison_table
    from bayes_grpo.inference.progress import sampling_progress, use_compilation_cache

    use_compilation_cache()
    comparison = compare(
        runs,
        models,
        criterion=options.criterion,
        min_observations=options.min_observations,
        progress=sampling_progress,
        on_fit=_saver(options.out),
        **sampler_options(options),
    )
    excluded = [note for note in comparison.notes if note.kind == "left_out"]
    return finish([comparison.as_dict()], comparison_table, as_json=options.json, faults=[*faults, *excluded])


def _saver(folder: Path | None) -> Any:
    """What saves each fit into the folder; a disk that refuses is told of and does not stop the comparison."""
    if folder is None:
        return None
    from bayes_grpo.cli.fit import distinct, file_name
    from bayes_grpo.inference.store import save_fit
    from bayes_grpo.runs.files import check_writable

    make_folder(folder)
    check_writable(folder / "fit.nc")

    used: list[str] = []

    def save(tree: Any) -> None:
        used[:] = distinct([*used, f"{file_name(tree.attrs['run'])}.{tree.attrs['model']}"])
        target = folder / f"{used[-1]}.nc"
        try:
            save_fit(tree, target)
        except OSError as error:
            say(f"bayes-grpo: {target}: could not be saved ({error.strerror or error})")

    return save
