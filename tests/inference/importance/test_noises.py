"""Coordinates of two noises: they map back, keep densities, and let a fit see both arms of an L."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import xarray as xr

import bayes_grpo
from bayes_grpo.inference.importance.families import FAMILIES
from bayes_grpo.inference.importance.noises import Noises, forgotten_share, noises_of
from bayes_grpo.inference.importance.target import target_of
from bayes_grpo.inference.layout import prepare
from bayes_grpo.inference.timeline import merged_grid


@pytest.mark.parametrize("ratio", [False, True])
def test_the_map_has_an_inverse_and_the_determinant_one(ratio: bool) -> None:
    noises = Noises(observation=2, other=0, ratio=ratio)
    points = np.random.default_rng(0).normal(0, 3, (50, 4))
    share = np.random.default_rng(1).uniform(0.001, 1, 50)
    logarithms = noises.split(points, share)
    np.testing.assert_allclose(noises.join(logarithms, share), points, atol=1e-12)
    np.testing.assert_allclose(noises.split(jnp.asarray(points), share), logarithms, atol=1e-12)
    slopes = jax.vmap(jax.jacfwd(noises.split))(jnp.asarray(points), jnp.asarray(share))
    np.testing.assert_allclose(jnp.linalg.det(slopes), 1, atol=1e-9)


def test_the_coordinates_are_ratio_and_scatter() -> None:
    observation, fluctuation, share = np.array([0.3, 0.01]), np.array([0.1, 0.5]), np.array([0.2, 0.9])
    noises = Noises(observation=0, other=1, ratio=False)
    point = noises.join(np.log(np.stack([observation, fluctuation], axis=-1)), share)
    np.testing.assert_allclose(np.exp(point[:, 1]), fluctuation / observation)
    np.testing.assert_allclose(np.exp(2 * point[:, 0]), observation**2 + share * fluctuation**2)


def test_models_with_two_noises_have_them() -> None:
    families = {"plateau": "Uniform", "fluctuation": "Gamma", "observation_sd": "HalfNormal"}
    assert noises_of(families) == Noises(observation=2, other=1, ratio=False)
    assert noises_of({**families, "fluctuation": "Normal"}) is None  # it may be negative
    assert noises_of({"plateau": "Uniform", "observation_sd": "HalfNormal"}) is None
    assert noises_of({"noise_ratio": "LogStudentT", "observation_sd": "LogStudentT"}) == Noises(1, 0, ratio=True)


def test_a_fluctuation_is_forgotten_at_its_own_rate() -> None:
    one = np.ones(1)
    np.testing.assert_allclose(forgotten_share({"correlation_time": 4 * one, "stiffness": one}, 2.0), 1 - np.exp(-0.5))
    np.testing.assert_allclose(forgotten_share({"stiffness": 0.1 * one}, 5.0), 1 - np.exp(-0.5))
    np.testing.assert_allclose(forgotten_share({"step_sd": one}, 5.0), 0.5)


@pytest.mark.parametrize("model", ["overdamped", "s_curve", "wandering_level", "exponential"])
def test_points_of_the_prior_are_its_draws(model: str, small_run: xr.Dataset) -> None:
    """The parameters at a point are those drawn; its density is that of the parameters times the map's slope."""
    spec = bayes_grpo.load_model(model)
    data = prepare(small_run, spec).data
    target = target_of(spec)
    points, values = target.draw_prior(np.random.default_rng(2), data, 1, 100)
    evaluated = target.evaluate(points, data)
    prior = 0.0
    for name, parameter in spec.parameters.items():
        np.testing.assert_allclose(evaluated.values[name], values[name], rtol=1e-9)
        given = {key: jnp.asarray(value, float) for key, value in data.priors[name].items()}
        prior = prior + FAMILIES[parameter.distribution].density_of_value(jnp.asarray(values[name]), given)

    def at(point: jax.Array) -> jax.Array:
        return jnp.stack(list(target._at(point, data).values.values()))

    slopes = jax.vmap(jax.jacfwd(at))(jnp.asarray(points[0]))
    np.testing.assert_allclose(evaluated.log_prior, prior + jnp.linalg.slogdet(slopes)[1], rtol=1e-6, atol=1e-5)


def test_blocks_of_rows_share_the_coordinates(small_run: xr.Dataset) -> None:
    """A long run is sampled by blocks first: their points must be the same parameters with all rows."""
    spec = bayes_grpo.load_model("s_curve")
    data = prepare(small_run, spec).data
    merged = data._replace(run=data.run._replace(grid=merged_grid(data.run.grid, 8)))
    points, _ = target_of(spec).draw_prior(np.random.default_rng(2), data, 1, 100)
    every, blocks = (target_of(spec).evaluate(points, given).values for given in (data, merged))
    for name, values in every.items():
        np.testing.assert_allclose(values, blocks[name], rtol=1e-9)


def test_a_run_without_a_duration_has_finite_coordinates() -> None:
    share = forgotten_share({"stiffness": np.full(3, 0.1)}, 0.0)
    point = Noises(observation=0, other=1, ratio=False).join(np.zeros((3, 2)), share)
    np.testing.assert_allclose(point, 0, atol=1e-12)
