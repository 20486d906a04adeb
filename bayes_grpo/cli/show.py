"""`bayes-grpo summary`, `plot` and `models`."""

import argparse
from pathlib import Path
from typing import Any

from bayes_grpo.cli.common import NOT_CONVERGED, OK, add_json, print_json, save_or_refuse
from bayes_grpo.cli.fit import show
from bayes_grpo.errors import InputError


def add_show(commands: Any) -> None:
    """Define `summary`, `plot` and `models`."""
    summary = commands.add_parser(
        "summary", help="show a saved fit as a table", description="Show a saved fit as a table."
    )
    summary.add_argument("fit", metavar="FIT", type=Path)
    add_json(summary)
    summary.set_defaults(run=_summary)

    plot = commands.add_parser("plot", help="draw a saved fit", description="Draw a saved fit.")
    plot.add_argument("fit", metavar="FIT", type=Path)
    plot.add_argument("--out", type=Path, metavar="FILE", help="png, svg or pdf (default: FIT with .png)")
    add_json(plot)
    plot.set_defaults(run=_plot)

    models = commands.add_parser("models", help="list the models, or print one's file to copy and edit")
    models.add_argument("name", nargs="?", metavar="NAME")
    add_json(models)
    models.set_defaults(run=_models)


def _summary(options: argparse.Namespace) -> int:
    from bayes_grpo.store import load_fit
    from bayes_grpo.summary import summarise

    summary = summarise(load_fit(options.fit))
    show(summary, options.json)
    if options.json:
        print_json(summary)
    return OK if summary["converged"] else NOT_CONVERGED


def _plot(options: argparse.Namespace) -> int:
    from bayes_grpo.store import check_writable, load_fit

    target = options.out or options.fit.with_suffix(".png")
    if target.suffix not in (".png", ".svg", ".pdf"):
        raise InputError(
            str(target), f"expected a file ending in .png, .svg or .pdf, found {target.suffix or 'no ending'!r}"
        )
    tree = load_fit(options.fit)
    check_writable(target)
    from bayes_grpo.plots import save_plot

    save_or_refuse(save_plot, tree, target)
    print_json({"figure": str(target)}) if options.json else print(target)
    return OK


def _models(options: argparse.Namespace) -> int:
    from bayes_grpo.model_files import list_models, load_model

    if options.name:
        print(load_model(options.name).text, end="")
        return OK
    models = list_models()
    if options.json:
        print_json([{"name": m.name, "summary": m.summary, "equation": m.equation, "source": m.source} for m in models])
        return OK
    from bayes_grpo.tables import models_table

    print(models_table(models))
    return OK
