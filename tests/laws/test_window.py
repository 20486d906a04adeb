"""Rows that are means over windows, against a dense Gaussian of the points they average."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from bayes_grpo.laws import oscillator as dynamics
from bayes_grpo.laws.kalman import Observations, kalman_filter
from bayes_grpo.laws.linear_paths import simulate_path
from bayes_grpo.laws.oscillator import Transition
from bayes_grpo.laws.smoother import kalman_smoother
from bayes_grpo.laws.window import windowed
from tests.laws.test_kalman import MASS, NOISE, SD, dense_covariance, gaussian

#: Points of each row, and the gap (step) before its first point: windows of many lengths, apart from each other and
#: not.
POINTS = np.array([3, 1, 4, 20, 7, 1, 2, 33])
GAPS = np.array([0.0, 2.0, 1.0, 1.0, 5.0, 1.0, 1.0, 3.0])
DAMPING, STIFFNESS = 0.6, 0.1


def digits_of(points: np.ndarray) -> np.ndarray:
    return np.array([(points - 1) >> bit & 1 for bit in range(int(points.max() - 1).bit_length())], float)


def motion(gap: np.ndarray) -> Transition:
    return dynamics.second_order(gap, MASS, DAMPING, STIFFNESS, NOISE)


def rows() -> Transition:
    return windowed(motion(GAPS), motion(np.ones(POINTS.size)), digits_of(POINTS), POINTS)


def dense() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Mean map of the initial state, covariance of all points, and the matrix that averages them."""
    gaps = np.concatenate([[gap, *[1.0] * (points - 1)] for gap, points in zip(GAPS, POINTS, strict=True)])
    maps, covariance = dense_covariance(gaps, DAMPING, np.full(gaps.size, STIFFNESS), np.full(gaps.size, NOISE))
    row = np.repeat(np.arange(POINTS.size), POINTS)
    average = (row == np.arange(POINTS.size)[:, None]) / POINTS[:, None]
    return maps, covariance, average


def test_likelihood_smoother_and_left_out_densities() -> None:
    rng = np.random.default_rng(4)
    logged, observed = rng.normal(size=POINTS.size), np.ones(POINTS.size)
    observed[[2, 5]] = 0.0
    seen = observed > 0
    observations = Observations(jnp.asarray(logged), jnp.asarray(SD**2 / POINTS), jnp.asarray(observed))
    maps, covariance, average = dense()
    start = np.array([-0.5, 0.03])
    total = average @ covariance @ average.T + np.diag(SD**2 / POINTS)
    residual = (logged - average @ maps @ start)[seen]
    ours = kalman_filter(rows(), observations, *start)
    assert float(ours.log_density.sum()) == pytest.approx(gaussian(residual, total[np.ix_(seen, seen)]), rel=1e-9)
    smoothed = kalman_smoother(rows(), observations, *start)
    precision = np.linalg.inv(total[np.ix_(seen, seen)])
    ends = np.cumsum(POINTS) - 1
    gain = (covariance @ average.T)[np.ix_(ends, np.flatnonzero(seen))] @ precision
    np.testing.assert_allclose(smoothed.mean, (maps @ start)[ends] + gain @ residual, rtol=1e-7, atol=1e-10)
    variance = np.diag(covariance)[ends] - np.einsum("ij,ji->i", gain, (average @ covariance)[np.ix_(seen, ends)])
    np.testing.assert_allclose(smoothed.variance, variance, rtol=1e-6, atol=1e-12)
    left_out = 1 / np.diag(precision)
    error = precision @ residual * left_out
    density = -0.5 * (np.log(2 * np.pi * left_out) + error**2 / left_out)
    np.testing.assert_allclose(np.asarray(smoothed.leave_one_out)[seen], density, rtol=1e-8)


def test_gradients_equal_central_differences() -> None:
    logged = np.random.default_rng(5).normal(size=POINTS.size)

    @jax.jit
    def total(args: jax.Array) -> jax.Array:
        def step(gap: np.ndarray) -> Transition:
            return dynamics.second_order(gap, args[0], args[1], args[2], args[3])

        transition = windowed(step(GAPS), step(np.ones(POINTS.size)), digits_of(POINTS), POINTS)
        observations = Observations(jnp.asarray(logged), jnp.full(POINTS.size, 0.1), jnp.ones(POINTS.size))
        return kalman_filter(transition, observations, -0.5, 0.0).log_density.sum()

    args = np.array([MASS, DAMPING, STIFFNESS, NOISE])
    gradient = np.asarray(jax.grad(total)(args))
    for i, value in enumerate(args):
        step = 1e-4 * value * np.eye(args.size)[i]
        sides = [float(total(args + j * step)) for j in (-2, -1, 1, 2)]
        difference = (sides[0] - 8 * sides[1] + 8 * sides[2] - sides[3]) / (12 * step[i])
        assert gradient[i] == pytest.approx(difference, rel=1e-6), i


def test_simulated_means_have_the_law_of_the_likelihood() -> None:
    """Covariance of 20,000 simulated states and means within 5 standard errors (false-alarm rate below 1e-4)."""
    observations = Observations(jnp.zeros(POINTS.size), jnp.asarray(SD**2 / POINTS), jnp.ones(POINTS.size))
    keys = jax.random.split(jax.random.key(6), 20_000)
    path, logged = jax.jit(jax.vmap(lambda key: simulate_path(rows(), observations, -0.5, 0.03, key)))(keys)
    maps, covariance, average = dense()
    ends = np.eye(covariance.shape[0])[np.cumsum(POINTS) - 1]
    both = np.concatenate([ends, average])
    expected = both @ covariance @ both.T + np.diag(np.concatenate([np.zeros(POINTS.size), SD**2 / POINTS]))
    values = np.concatenate([path, logged], axis=1)
    sd = np.sqrt(np.diag(expected))
    np.testing.assert_array_less(np.abs(values.mean(0) - both @ maps @ [-0.5, 0.03]), 5 * sd / np.sqrt(20_000) + 1e-9)
    error = 5 * np.sqrt((np.outer(sd, sd) ** 2 + expected**2) / 20_000) + 1e-12
    np.testing.assert_array_less(np.abs(np.cov(values.T) - expected), error)
