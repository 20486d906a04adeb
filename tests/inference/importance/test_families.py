"""Prior families against NumPyro's distributions, which NUTS samples."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.stats import kstest

from bayes_grpo.inference.backends.numpyro import distribution
from bayes_grpo.inference.importance.families import DAMPING, FAMILIES
from bayes_grpo.models.spec import DISTRIBUTIONS

ARGUMENTS = {
    "Normal": {"loc": 0.3, "scale": 0.7},
    "HalfNormal": {"scale": 0.4},
    "LogNormal": {"loc": -1.0, "scale": 0.5},
    "LogitNormal": {"loc": -2.0, "scale": 1.5},
    "StudentT": {"df": 4.0, "loc": 1.0, "scale": 0.25},
    "LogStudentT": {"df": 4.0, "loc": -1.0, "scale": 0.8},
    "LogitStudentT": {"df": 4.0, "loc": -3.0, "scale": 1.2},
    "HalfCauchy": {"scale": 0.3},
    "Uniform": {"low": -1.0, "high": 3.0},
    "Exponential": {"rate": 2.0},
    "Gamma": {"concentration": 3.0, "rate": 50.0},
    "InverseGamma": {"concentration": 3.0, "rate": 0.5},
    "Beta": {"concentration1": 1.5, "concentration0": 9.0},
}


def given(name: str) -> dict[str, jax.Array]:
    return {key: jnp.asarray(value) for key, value in ARGUMENTS[name].items()}


def test_every_family_that_a_model_file_may_name_is_there() -> None:
    assert set(FAMILIES) == set(DISTRIBUTIONS) == set(ARGUMENTS)


@pytest.mark.parametrize("name", sorted(FAMILIES))
def test_densities_are_numpyros(name: str) -> None:
    family, oracle = FAMILIES[name], distribution(name, ARGUMENTS[name])
    values = oracle.sample(jax.random.key(0), (200,))
    np.testing.assert_allclose(
        family.density_of_value(values, given(name)), oracle.log_prob(values), rtol=1e-8, atol=1e-9
    )
    # In the point: the density of x times the slope of the map, by automatic differentiation.
    points = family.point(family.draw(np.random.default_rng(3), ARGUMENTS[name], (200,)), ARGUMENTS[name])
    values, slope = jax.vmap(jax.value_and_grad(lambda point: family.value(point, given(name))))(points)
    expected = oracle.log_prob(values) + jnp.log(jnp.abs(slope))
    np.testing.assert_allclose(family.density_of_point(points, given(name)), expected, rtol=1e-7, atol=1e-7)


@pytest.mark.parametrize("name", sorted(FAMILIES))
def test_draws_have_the_density(name: str) -> None:
    """Kolmogorov-Smirnov test of 4,000 draws; false-alarm rate 1e-4 each."""
    family, oracle = FAMILIES[name], distribution(name, ARGUMENTS[name])
    arguments = ARGUMENTS[name]
    points = family.point(family.draw(np.random.default_rng(1), arguments, (4000,)), arguments)
    values = family.value(points, arguments)
    # On NumPy's arrays, which stay NumPy's, the maps give what they give on JAX's.
    assert isinstance(points, np.ndarray) and isinstance(values, np.ndarray)
    np.testing.assert_allclose(family.value(jnp.asarray(points), given(name)), values, rtol=1e-9)
    expected = np.sort(np.asarray(oracle.sample(jax.random.key(2), (200_000,))))
    place = np.searchsorted(expected, np.asarray(values)) / expected.size
    assert kstest(place, "uniform").pvalue > 1e-4


def test_the_dampings_coordinate_is_smooth_at_one() -> None:
    z = jnp.array([-3.0, 0.0, 0.999999, 1.000001, 2.5])
    np.testing.assert_allclose(DAMPING.inverse(DAMPING.value(z, {}), {}), z, rtol=1e-12)
    slope = jax.vmap(jax.grad(lambda point: DAMPING.value(point, {})))(z)
    np.testing.assert_allclose(DAMPING.log_slope(z, {}), jnp.log(slope), atol=1e-12)
