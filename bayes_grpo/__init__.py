"""Posteriors over the training dynamics of GRPO runs.

Every verb of the command line can be called from here: `__all__` lists them. Nothing heavy is imported until a verb is
used. Runs of known truth come from `bayes_grpo.bandit`, thresholds in closed form from `bayes_grpo.laws.stability`, and
what is attached to a TRL trainer from `bayes_grpo.trl`.
"""

import sys
from importlib import import_module
from types import ModuleType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from bayes_grpo.analysis.ceiling.ceiling import entropy_ceiling as entropy_ceiling
    from bayes_grpo.analysis.ceiling.figure import plot_entropy_ceiling as plot_entropy_ceiling
    from bayes_grpo.analysis.ceiling.summary import summarise_entropy_ceiling as summarise_entropy_ceiling
    from bayes_grpo.analysis.comparison.compare import compare as compare
    from bayes_grpo.analysis.comparison.compare import compare_fits as compare_fits
    from bayes_grpo.analysis.comparison.crossval import lfo as lfo
    from bayes_grpo.analysis.comparison.crossval import loo as loo
    from bayes_grpo.analysis.decisions.ask.ask import ask as ask
    from bayes_grpo.analysis.decisions.ask.summary import summarise_ask as summarise_ask
    from bayes_grpo.analysis.decisions.checkpoint.checkpoint import checkpoint as checkpoint
    from bayes_grpo.analysis.decisions.checkpoint.figure import plot_checkpoint as plot_checkpoint
    from bayes_grpo.analysis.decisions.checkpoint.summary import summarise_checkpoint as summarise_checkpoint
    from bayes_grpo.analysis.decisions.contrast.contrast import contrast as contrast
    from bayes_grpo.analysis.decisions.contrast.figure import plot_contrast as plot_contrast
    from bayes_grpo.analysis.decisions.contrast.summary import summarise_contrast as summarise_contrast
    from bayes_grpo.analysis.decisions.plan.figure import plot_plan as plot_plan
    from bayes_grpo.analysis.decisions.plan.plan import plan as plan
    from bayes_grpo.analysis.decisions.plan.summary import summarise_plan as summarise_plan
    from bayes_grpo.analysis.decisions.remedy.remedy import remedy as remedy
    from bayes_grpo.analysis.decisions.remedy.summary import summarise_remedy as summarise_remedy
    from bayes_grpo.analysis.diagnosis.diagnose import diagnose as diagnose
    from bayes_grpo.analysis.diagnosis.figure import plot_diagnosis as plot_diagnosis
    from bayes_grpo.analysis.diagnosis.summary import summarise_diagnosis as summarise_diagnosis
    from bayes_grpo.analysis.forecast.figure import plot_forecast as plot_forecast
    from bayes_grpo.analysis.forecast.forecast import forecast as forecast
    from bayes_grpo.analysis.forecast.summary import summarise_forecast as summarise_forecast
    from bayes_grpo.analysis.invariance.figure import plot_invariance as plot_invariance
    from bayes_grpo.analysis.invariance.invariance import invariance as invariance
    from bayes_grpo.analysis.invariance.summary import summarise_invariance as summarise_invariance
    from bayes_grpo.analysis.monitor.verl import VerlLogger as VerlLogger
    from bayes_grpo.analysis.plateau.plateau import balance_plateau as balance_plateau
    from bayes_grpo.analysis.posterior.checks import sensitivity as sensitivity
    from bayes_grpo.analysis.posterior.figure import plot_fit as plot_fit
    from bayes_grpo.analysis.posterior.figure import plot_marginals as plot_marginals
    from bayes_grpo.analysis.posterior.figure import save_plot as save_plot
    from bayes_grpo.analysis.posterior.summary import summarise as summarise
    from bayes_grpo.analysis.stability.figure import plot_oscillation as plot_oscillation
    from bayes_grpo.analysis.stability.figure import plot_threshold as plot_threshold
    from bayes_grpo.analysis.stability.oscillation import oscillation as oscillation
    from bayes_grpo.analysis.stability.oscillation import summarise_oscillation as summarise_oscillation
    from bayes_grpo.analysis.stability.reuse_summary import reuse_summary as reuse_summary
    from bayes_grpo.analysis.stability.threshold import threshold as threshold
    from bayes_grpo.analysis.stability.threshold_summary import summarise_threshold as summarise_threshold
    from bayes_grpo.errors import InputError as InputError
    from bayes_grpo.inference.backends.numpyro import to_numpyro as to_numpyro
    from bayes_grpo.inference.backends.pymc import pymc_model as pymc_model
    from bayes_grpo.inference.backends.pymc import to_pymc as to_pymc
    from bayes_grpo.inference.fit import fit as fit
    from bayes_grpo.inference.fit import prior_predictive as prior_predictive
    from bayes_grpo.inference.store import load_fit as load_fit
    from bayes_grpo.inference.store import save_fit as save_fit
    from bayes_grpo.models.files import list_models as list_models
    from bayes_grpo.models.files import load_model as load_model
    from bayes_grpo.models.spec import ModelSpec as ModelSpec
    from bayes_grpo.readers import example_run as example_run
    from bayes_grpo.readers import read_run as read_run
    from bayes_grpo.readers import read_runs as read_runs
    from bayes_grpo.report.batch.batch import batch as batch
    from bayes_grpo.report.card import card as card
    from bayes_grpo.report.describe import describe_run as describe_run
    from bayes_grpo.report.page import report_html as report_html
    from bayes_grpo.report.page import save_report as save_report
    from bayes_grpo.report.single import pair_fits as pair_fits
    from bayes_grpo.runs.dataset import combine as combine
    from bayes_grpo.runs.dataset import make_run as make_run
    from bayes_grpo.runs.netcdf import save_runs as save_runs
    from bayes_grpo.runs.planned import PlannedRun as PlannedRun

#: The public names and the modules that define them. `__all__` and the imports on first use follow from it.
_HOMES = {
    "InputError": "errors",
    "ModelSpec": "models.spec",
    "PlannedRun": "runs.planned",
    "VerlLogger": "analysis.monitor.verl",
    "ask": "analysis.decisions.ask.ask",
    "balance_plateau": "analysis.plateau.plateau",
    "batch": "report.batch.batch",
    "card": "report.card",
    "checkpoint": "analysis.decisions.checkpoint.checkpoint",
    "combine": "runs.dataset",
    "compare": "analysis.comparison.compare",
    "compare_fits": "analysis.comparison.compare",
    "contrast": "analysis.decisions.contrast.contrast",
    "describe_run": "report.describe",
    "diagnose": "analysis.diagnosis.diagnose",
    "entropy_ceiling": "analysis.ceiling.ceiling",
    "example_run": "readers",
    "fit": "inference.fit",
    "forecast": "analysis.forecast.forecast",
    "invariance": "analysis.invariance.invariance",
    "lfo": "analysis.comparison.crossval",
    "list_models": "models.files",
    "load_fit": "inference.store",
    "load_model": "models.files",
    "loo": "analysis.comparison.crossval",
    "make_run": "runs.dataset",
    "oscillation": "analysis.stability.oscillation",
    "pair_fits": "report.single",
    "plan": "analysis.decisions.plan.plan",
    "plot_checkpoint": "analysis.decisions.checkpoint.figure",
    "plot_contrast": "analysis.decisions.contrast.figure",
    "plot_diagnosis": "analysis.diagnosis.figure",
    "plot_entropy_ceiling": "analysis.ceiling.figure",
    "plot_fit": "analysis.posterior.figure",
    "plot_forecast": "analysis.forecast.figure",
    "plot_invariance": "analysis.invariance.figure",
    "plot_marginals": "analysis.posterior.figure",
    "plot_oscillation": "analysis.stability.figure",
    "plot_plan": "analysis.decisions.plan.figure",
    "plot_threshold": "analysis.stability.figure",
    "prior_predictive": "inference.fit",
    "pymc_model": "inference.backends.pymc",
    "read_run": "readers",
    "read_runs": "readers",
    "remedy": "analysis.decisions.remedy.remedy",
    "report_html": "report.page",
    "reuse_summary": "analysis.stability.reuse_summary",
    "save_fit": "inference.store",
    "save_plot": "analysis.posterior.figure",
    "save_report": "report.page",
    "save_runs": "runs.netcdf",
    "sensitivity": "analysis.posterior.checks",
    "summarise": "analysis.posterior.summary",
    "summarise_ask": "analysis.decisions.ask.summary",
    "summarise_checkpoint": "analysis.decisions.checkpoint.summary",
    "summarise_contrast": "analysis.decisions.contrast.summary",
    "summarise_diagnosis": "analysis.diagnosis.summary",
    "summarise_entropy_ceiling": "analysis.ceiling.summary",
    "summarise_forecast": "analysis.forecast.summary",
    "summarise_invariance": "analysis.invariance.summary",
    "summarise_oscillation": "analysis.stability.oscillation",
    "summarise_plan": "analysis.decisions.plan.summary",
    "summarise_remedy": "analysis.decisions.remedy.summary",
    "summarise_threshold": "analysis.stability.threshold_summary",
    "threshold": "analysis.stability.threshold",
    "to_numpyro": "inference.backends.numpyro",
    "to_pymc": "inference.backends.pymc",
}

#: Modules that scripts written for version 0.1.0 import, and where their content is now.
_MOVED = {"trl_live": "trl.forecaster", "stability": "laws.stability"}

__all__ = list(_HOMES)


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'bayes_grpo' has no attribute {name!r}")
    return getattr(import_module(f"bayes_grpo.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})


class _MovedModule(ModuleType):
    """A module under its old name; its content is imported on first use."""

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return getattr(import_module(f"bayes_grpo.{_MOVED[self.__name__.rpartition('.')[2]]}"), name)


for _old in _MOVED:
    sys.modules[f"{__name__}.{_old}"] = _MovedModule(f"{__name__}.{_old}")
