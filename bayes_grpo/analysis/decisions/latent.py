"""Draws of the expected reward behind each logged one, given all rewards of the run."""

import numpy as np
import xarray as xr

from bayes_grpo.inference.draws import batch, evenly
from bayes_grpo.inference.evaluate import evaluator
from bayes_grpo.inference.layout import observed_of
from bayes_grpo.inference.reopen import reopen
from bayes_grpo.inference.tree import LATENT_DRAWS

_OWN_KEY = 3_000_000


def expected_rewards(fit: xr.DataTree, *, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Optimizer steps with a reward, shape (row,), and draws of the expected reward there, shape (sample, row).

    Parameters
    ----------
    fit : xarray.DataTree
        Of one run; draws that it keeps are taken, else they are made.
    seed : int
        Of draws that are made.
    """
    if "latent" in fit.children:
        kept = fit["latent"].to_dataset()["expected_reward"]
        return kept["optimizer_step"].values, kept.transpose("sample", ...).values
    spec, prepared = reopen(fit)
    values = batch(fit["posterior"].to_dataset(), spec.parameters)
    some = evenly(next(iter(values.values())).size, LATENT_DRAWS)
    observed = observed_of(prepared)
    rng = np.random.default_rng([seed, _OWN_KEY])
    drawn = evaluator(spec).account({name: value[some] for name, value in values.items()}, prepared.data, rng)
    rewards: np.ndarray = drawn.expected_reward[:, observed.position]
    return observed.optimizer_step, rewards
