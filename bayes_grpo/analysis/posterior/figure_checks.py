"""Figures that check a fit against its data, by arviz-plots. Importing this module imports matplotlib."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import xarray as xr

from bayes_grpo.analysis.figures import named
from bayes_grpo.analysis.posterior.checks import leave_one_out_tree
from bayes_grpo.models.spec import ModelSpec

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def plot_predictive(fit: xr.DataTree, paths: int = 50) -> "Figure":
    """Draw the distribution of the logged rewards over all steps, and that of rewards along simulated runs.

    Parameters
    ----------
    fit : xarray.DataTree
        From `bayes_grpo.fit`.
    paths : int
        Simulated runs that are drawn.
    """
    import arviz_plots as azp

    groups = {name: fit[name].to_dataset() for name in ("posterior_predictive", "observed_data")}
    return _figure(
        azp.plot_ppc_dist(xr.DataTree.from_dict(groups), num_samples=paths, backend="matplotlib"), fit, "logged reward"
    )


def plot_leave_one_out(
    fit: xr.DataTree, model: str | Path | ModelSpec | None = None, *, coverage: bool = False, seed: int = 0
) -> "Figure":
    """Draw where each reward lies in its leave-one-out prediction (LOO-PIT); uniform if the model is calibrated.

    The test that is shown allows for the dependence of these values.

    Parameters
    ----------
    fit : xarray.DataTree
        From `bayes_grpo.fit`.
    model : str, Path or ModelSpec, optional
        The model, where it did not come with the package.
    coverage : bool
        Show the coverage of central intervals instead.
    seed : int
        Of the predictive draws.
    """
    import arviz_plots as azp

    tree = leave_one_out_tree(fit, model, seed)
    label = "probability of a central interval" if coverage else "place in the leave-one-out predictive distribution"
    return _figure(azp.plot_loo_pit(tree, coverage=coverage, backend="matplotlib"), fit, label)


def _figure(collection: Any, fit: xr.DataTree, label: str) -> "Figure":
    figure: Figure = collection.viz["figure"].item()
    figure.set_layout_engine("constrained")
    figure.axes[0].set_title(f"{named(fit.attrs['run'])}: {fit.attrs['model']}", fontsize=12, parse_math=False)
    figure.axes[0].set_xlabel(label)
    return figure
