"""Checks of one fit: sensitivity to prior and likelihood, and leave-one-out predictive draws."""

import logging
from pathlib import Path
from typing import Any

import arviz_stats as az
import numpy as np
import xarray as xr

from bayes_grpo.inference.convergence import varying
from bayes_grpo.inference.draws import batch, unflatten
from bayes_grpo.inference.evaluate import evaluator
from bayes_grpo.inference.reopen import reopen
from bayes_grpo.inference.tree import TreeBuilder
from bayes_grpo.models.spec import ModelSpec


def sensitivity(fit: xr.DataTree) -> Any:
    """How much each posterior moves where prior or likelihood are given a little more or less weight.

    Power-scaling of the joint prior and of the likelihood (Kallioinen et al. 2024) by `arviz_stats.psense_summary`; of
    a model that pools, the prior is that of the population's parameters.

    Parameters
    ----------
    fit : xarray.DataTree
        From `bayes_grpo.fit`, also after `bayes_grpo.load_fit`.

    Returns
    -------
    pandas.DataFrame
        A row a parameter or derived quantity:

        - ``prior``, ``likelihood``: sensitivity to either; above 0.05 it is notable.
        - ``diagnosis``: ArviZ's remark, such as a conflict of the two.

    Examples
    --------
    >>> import bayes_grpo
    >>> fit = bayes_grpo.fit(bayes_grpo.example_run(), "overdamped", draws=50, tune=100, chains=2)
    >>> table = bayes_grpo.sensitivity(fit)
    >>> list(table.columns), bool(table.loc["observation_sd", "prior"] < 0.05)
    (['prior', 'likelihood', 'diagnosis'], True)
    """
    terms = fit["log_likelihood"].to_dataset()
    tree = xr.DataTree.from_dict(
        {
            "posterior": varying(fit["posterior"].to_dataset().sel(draw=terms["draw"])),
            "log_likelihood": terms,
            "log_prior": fit["log_prior"].to_dataset(),
        }
    )
    log = logging.getLogger("arviz_stats.psense")
    level = log.level
    log.setLevel(logging.ERROR)  # its remark stands in the column diagnosis
    try:
        return az.psense_summary(tree, round_to=3)
    finally:
        log.setLevel(level)


def leave_one_out_tree(fit: xr.DataTree, model: str | Path | ModelSpec | None = None, seed: int = 0) -> xr.DataTree:
    """A tree for ArviZ's leave-one-out predictive checks (`arviz_stats.loo_pit`, `arviz_plots.plot_loo_pit`).

    Its group posterior_predictive holds, for each posterior draw, a draw of every reward from p(y_t | all other y,
    theta), and log_likelihood the densities from which the importance ratios follow. Free-running paths would not do:
    they know nothing of the neighbours of the reward that is left out.

    Parameters
    ----------
    fit : xarray.DataTree
        From `bayes_grpo.fit`.
    model : str, Path or ModelSpec, optional
        The model, where it did not come with the package.
    seed : int
        Of the predictive draws.
    """
    spec, prepared = reopen(fit, model)
    terms = fit["leave_one_out"].to_dataset()
    posterior = fit["posterior"].to_dataset().sel(draw=terms["draw"])
    drawn = evaluator(spec).left_out(batch(posterior, spec.parameters), prepared.data, np.random.default_rng(seed))
    values = TreeBuilder(spec, prepared, seed).at_observations(drawn)
    predictive = terms.copy(data=unflatten({"reward": values}, posterior.sizes["chain"]))
    groups = {
        "posterior": varying(posterior),
        "posterior_predictive": predictive,
        "log_likelihood": terms,
        "observed_data": fit["observed_data"].to_dataset(),
    }
    return xr.DataTree.from_dict(groups)
