"""Posteriors over the training dynamics of GRPO runs.

The verbs of the command line, importable from here: `read_run`, `read_runs`, `fit`, `summarise`, `plot_fit`, `save_plot`, `save_fit`,
`load_fit`, `save_runs`, `load_model`, `list_models`, `prior_predictive`, `pymc_model`, `make_run`, `combine`, `compare`,
`compare_fits`, `loo`, `lfo`, `sensitivity`, `invariance`, `threshold`, `oscillation`, `forecast`, `diagnose`,
`summarise_diagnosis`, `pair_fits`, `describe_run`, `report_html`, `save_report` and `plot_marginals`, `plot_invariance`, `plot_threshold`, `plot_oscillation`, `plot_forecast`, `plot_diagnosis`. Nothing heavy is
imported until one is used. Simulated runs: `bayes_grpo.bandit`; thresholds in closed form: `bayes_grpo.stability`.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from bayes_grpo.backends.pymc import pymc_model
    from bayes_grpo.checks import sensitivity
    from bayes_grpo.comparison import compare, compare_fits
    from bayes_grpo.crossval import lfo, loo
    from bayes_grpo.diagnosis import diagnose, summarise_diagnosis
    from bayes_grpo.errors import InputError
    from bayes_grpo.fitting import fit, prior_predictive
    from bayes_grpo.forecasting import forecast
    from bayes_grpo.group_invariance import invariance
    from bayes_grpo.model_files import list_models, load_model
    from bayes_grpo.plots import plot_fit, plot_marginals, save_plot
    from bayes_grpo.plots_diagnosis import plot_diagnosis
    from bayes_grpo.plots_forecast import plot_forecast
    from bayes_grpo.plots_predictions import plot_invariance, plot_oscillation, plot_threshold
    from bayes_grpo.readers import read_run, read_runs
    from bayes_grpo.report.contents import describe_run
    from bayes_grpo.report.page import report_html, save_report
    from bayes_grpo.report.single import pair_fits
    from bayes_grpo.ringing import oscillation
    from bayes_grpo.schema import combine, make_run
    from bayes_grpo.spec import ModelSpec
    from bayes_grpo.store import load_fit, save_fit, save_runs
    from bayes_grpo.summary import summarise
    from bayes_grpo.thresholds import threshold

_HOMES = {
    "InputError": "errors",
    "ModelSpec": "spec",
    "combine": "schema",
    "compare": "comparison",
    "compare_fits": "comparison",
    "describe_run": "report.contents",
    "diagnose": "diagnosis",
    "fit": "fitting",
    "forecast": "forecasting",
    "invariance": "group_invariance",
    "lfo": "crossval",
    "list_models": "model_files",
    "load_fit": "store",
    "load_model": "model_files",
    "loo": "crossval",
    "make_run": "schema",
    "pair_fits": "report.single",
    "plot_diagnosis": "plots_diagnosis",
    "plot_fit": "plots",
    "plot_forecast": "plots_forecast",
    "plot_marginals": "plots",
    "plot_invariance": "plots_predictions",
    "plot_oscillation": "plots_predictions",
    "plot_threshold": "plots_predictions",
    "prior_predictive": "fitting",
    "pymc_model": "backends.pymc",
    "read_run": "readers",
    "read_runs": "readers",
    "save_fit": "store",
    "report_html": "report.page",
    "save_plot": "plots",
    "save_report": "report.page",
    "save_runs": "store",
    "sensitivity": "checks",
    "summarise": "summary",
    "summarise_diagnosis": "diagnosis",
    "oscillation": "ringing",
    "threshold": "thresholds",
}

__all__ = [
    "InputError",
    "ModelSpec",
    "combine",
    "compare",
    "compare_fits",
    "describe_run",
    "diagnose",
    "fit",
    "forecast",
    "invariance",
    "lfo",
    "list_models",
    "load_fit",
    "load_model",
    "loo",
    "make_run",
    "oscillation",
    "pair_fits",
    "plot_diagnosis",
    "plot_fit",
    "plot_forecast",
    "plot_invariance",
    "plot_marginals",
    "plot_oscillation",
    "plot_threshold",
    "prior_predictive",
    "pymc_model",
    "read_run",
    "read_runs",
    "report_html",
    "save_fit",
    "save_plot",
    "save_report",
    "save_runs",
    "sensitivity",
    "summarise",
    "summarise_diagnosis",
    "threshold",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'bayes_grpo' has no attribute {name!r}")
    return getattr(import_module(f"bayes_grpo.{_HOMES[name]}"), name)
