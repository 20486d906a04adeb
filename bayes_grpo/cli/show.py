"""`bayes-grpo summary`, `plot` and `models`."""

import argparse
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bayes_grpo.cli.common import NOT_CONVERGED, OK, add_json, print_json, save_or_refuse, show, tell
from bayes_grpo.cli.figures import check_figure

if TYPE_CHECKING:
    from bayes_grpo.models.spec import ModelSpec


def add_show(commands: Any) -> None:
    """Define `summary`, `plot` and `models`."""
    summary = commands.add_parser(
        "summary", help="show a saved fit as a table", description="Show a saved fit as a table."
    )
    summary.add_argument("fit", metavar="FIT", type=Path)
    summary.add_argument(
        "--sensitivity",
        action="store_true",
        help="also how much each posterior moves with the weight of prior and rewards",
    )
    add_json(summary)
    summary.set_defaults(run=_summary)

    plot = commands.add_parser("plot", help="draw a saved fit", description="Draw a saved fit.")
    plot.add_argument("fit", metavar="FIT", type=Path)
    plot.add_argument(
        "--kind",
        choices=("curve", "predictive", "left-out"),
        default="curve",
        help="reward curve and posteriors (default), rewards against simulated runs, or where each reward lies in its "
        "leave-one-out prediction",
    )
    plot.add_argument("--out", type=Path, metavar="FILE", help="png, svg or pdf (default: FIT with .png)")
    add_json(plot)
    plot.set_defaults(run=_plot)

    models = commands.add_parser("models", help="list the models, or print one's file to copy and edit")
    models.add_argument("name", nargs="?", metavar="NAME")
    add_json(models)
    models.set_defaults(run=_models)


def _summary(options: argparse.Namespace) -> int:
    from bayes_grpo.analysis.posterior.summary import summarise
    from bayes_grpo.analysis.posterior.table import summary_table
    from bayes_grpo.inference.store import load_fit

    tree = load_fit(options.fit)
    summary: Any = summarise(tree)
    show(summary, summary_table, as_json=options.json)
    if options.sensitivity:
        from bayes_grpo.analysis.posterior.checks import sensitivity
        from bayes_grpo.analysis.posterior.table import sensitivity_table

        summary["sensitivity"] = sensitivity(tree).to_dict("index")
        if not options.json:
            tell(sensitivity_table(summary["sensitivity"]))
    if options.json:
        print_json(summary)
    return OK if summary["converged"] else NOT_CONVERGED


def _plot(options: argparse.Namespace) -> int:
    from bayes_grpo.inference.store import load_fit

    target = options.out or options.fit.with_suffix(".png")
    check_figure(target, "--out")
    tree = load_fit(options.fit)
    from bayes_grpo.analysis.posterior.figure import save_plot

    save_or_refuse(partial(save_plot, kind=options.kind), tree, target)
    print_json({"figure": str(target)}) if options.json else tell(str(target))
    return OK


def _models(options: argparse.Namespace) -> int:
    from bayes_grpo.models.files import list_models, load_model

    if options.name:
        print(load_model(options.name).text, end="")
        return OK
    models = list_models()
    if options.json:
        print_json([{"name": m.name, "summary": m.summary, "equation": m.equation, "source": m.source} for m in models])
        return OK
    tell(_models_table(models))
    return OK


def _models_table(models: "Sequence[ModelSpec]") -> str:
    """Names, summaries and equations of models."""
    from bayes_grpo.analysis.tables import render, titled

    table = titled("")
    table.add_column("model", no_wrap=True)
    table.add_column("what it is")
    for model in models:
        table.add_row(model.name, f"{model.summary}\n{model.equation}")
    return render(table)
