"""Posteriors over the training dynamics of GRPO runs.

The verbs of the command line, importable from here: `read_run`, `read_runs`, `fit`, `summarise`, `plot_fit`, `save_plot`, `save_fit`,
`load_fit`, `save_runs`, `load_model`, `list_models`, `prior_predictive`, `make_run`, `combine`. Nothing heavy is imported until
one is used. Simulated runs: `bayes_grpo.bandit`; thresholds in closed form: `bayes_grpo.stability`.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from bayes_grpo.errors import InputError
    from bayes_grpo.fitting import fit, prior_predictive
    from bayes_grpo.plots import plot_fit, save_plot
    from bayes_grpo.readers import read_run, read_runs
    from bayes_grpo.schema import combine, make_run
    from bayes_grpo.spec import ModelSpec, list_models, load_model
    from bayes_grpo.store import load_fit, save_fit, save_runs
    from bayes_grpo.summary import summarise

_HOMES = {
    "InputError": "errors",
    "ModelSpec": "spec",
    "combine": "schema",
    "fit": "fitting",
    "list_models": "spec",
    "load_fit": "store",
    "load_model": "spec",
    "make_run": "schema",
    "plot_fit": "plots",
    "prior_predictive": "fitting",
    "read_run": "readers",
    "read_runs": "readers",
    "save_fit": "store",
    "save_plot": "plots",
    "save_runs": "store",
    "summarise": "summary",
}

__all__ = [
    "InputError",
    "ModelSpec",
    "combine",
    "fit",
    "list_models",
    "load_fit",
    "load_model",
    "make_run",
    "plot_fit",
    "prior_predictive",
    "read_run",
    "read_runs",
    "save_fit",
    "save_plot",
    "save_runs",
    "summarise",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'bayes_grpo' has no attribute {name!r}")
    return getattr(import_module(f"bayes_grpo.{_HOMES[name]}"), name)
