"""The NumPyro program: its density, and the coordinate in which NUTS moves the damping, which leaves the prior be."""

import jax
import jax.numpy as jnp
import numpy as np
import numpyro
import pytest
import xarray as xr
from numpyro.infer.util import log_density

from bayes_grpo import InputError, combine, load_model, to_numpyro
from bayes_grpo.inference.backends.numpyro import DampingCoordinate

# Unstable, about zero, ordinary, above one; not at 0 and 1, where the pieces meet.
DAMPING = jnp.array([-3.0, -0.2, -1e-3, 1e-3, 0.4, 0.999, 1.001, 2.5, 40.0])


def test_the_damping_coordinate_has_its_inverse_and_its_jacobian() -> None:
    coordinate = DampingCoordinate(0.3)
    moved = coordinate(DAMPING)
    np.testing.assert_allclose(coordinate.inv(moved), DAMPING, rtol=1e-12)
    assert (np.diff(moved) > 0).all()
    slope = jax.vmap(jax.grad(coordinate))(DAMPING)
    np.testing.assert_allclose(coordinate.log_abs_det_jacobian(DAMPING, moved), np.log(slope), rtol=1e-12, atol=1e-15)


def test_the_bare_program_has_the_density_of_a_fit(small_run: xr.Dataset, small_fit: xr.DataTree) -> None:
    """Log density of prior and rewards at draws of the posterior: the sum of what the fit stores."""
    program = to_numpyro(small_run, "overdamped")
    draws = small_fit["posterior"].to_dataset().isel(chain=0, draw=slice(0, 40, 8))
    prior, rewards = (
        sum(small_fit[group].to_dataset()[name] for name in small_fit[group].to_dataset().data_vars)
        for group in ("log_prior", "log_likelihood")
    )
    stored = prior.isel(chain=0, draw=slice(0, 40, 8)) + rewards.isel(chain=0, draw=slice(0, 40, 8)).sum(
        [dim for dim in rewards.dims if dim not in ("chain", "draw")]
    )
    names = load_model("overdamped").parameters
    for place in range(draws.sizes["draw"]):
        point = {name: float(draws[name][place]) for name in names}
        density, _ = log_density(program, (), {}, point)
        np.testing.assert_allclose(float(density), float(stored[place]), rtol=1e-9)


def test_a_program_of_one_of_several_runs(small_run: xr.Dataset) -> None:
    other = small_run.assign_coords(run=["other"])
    two = combine([small_run, other.assign(reward=other["reward"] * 0.9)])
    with pytest.raises(InputError, match="small, other"):
        to_numpyro(two, "overdamped")
    trace = numpyro.handlers.trace(numpyro.handlers.seed(to_numpyro(two, "overdamped", "other"), 0)).get_trace()
    assert {"plateau", "stiffness", "reward"} <= set(trace)
