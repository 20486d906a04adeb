"""Draws by chain and as one batch; runs that are laid out once."""

import numpy as np
import xarray as xr

from bayes_grpo.inference.draws import batch, evenly, flatten, labelled, unflatten
from bayes_grpo.inference.reopen import reopen


def test_a_batch_is_chain_after_chain_and_comes_back() -> None:
    values = {"a": np.arange(6.0).reshape(2, 3), "b": np.arange(24.0).reshape(2, 3, 4)}
    flat = flatten(values)
    np.testing.assert_array_equal(flat["a"], np.arange(6))
    np.testing.assert_array_equal(flat["b"][3], values["b"][1, 0])
    for name, value in unflatten(flat, 2).items():
        np.testing.assert_array_equal(value, values[name])
    draws = labelled(values)
    assert draws["b"].dims == ("chain", "draw", "run") and draws.sizes["draw"] == 3
    turned = draws.transpose("draw", "run", "chain")
    np.testing.assert_array_equal(batch(turned, ["b"])["b"], flat["b"])


def test_few_of_many_are_even_and_have_both_ends() -> None:
    np.testing.assert_array_equal(evenly(9, 3), [0, 4, 8])
    np.testing.assert_array_equal(evenly(3, 9), [0, 1, 2])


def test_runs_of_a_fit_are_laid_out_once(small_fit: xr.DataTree) -> None:
    spec, prepared = reopen(small_fit)
    assert reopen(small_fit)[1] is prepared
    copy = small_fit.copy(deep=True)
    shorter = copy["constant_data"].to_dataset().isel(row=slice(30))
    copy["constant_data"] = xr.DataTree(shorter)
    assert reopen(copy, spec)[1].runs[0].sizes["step"] == 30
    assert reopen(small_fit)[1].runs[0].sizes["step"] == prepared.runs[0].sizes["step"]
