"""Filter and smoother against celerite2, a dense Gaussian and central differences."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.linalg import expm

from bayes_grpo.laws import kalman
from bayes_grpo.laws import oscillator as dynamics
from bayes_grpo.laws.linear_paths import correlated, simulate_path
from bayes_grpo.laws.smoother import kalman_smoother

MASS, NOISE, SD = 9.5, 0.004, 0.3
# Over-, under- and critically damped.
LAWS = [(1.0, 0.01), (0.4, 0.2), (1.0, 1 / 38)]


def scattered(n: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    times = np.sort(rng.uniform(0, 3 * n, n))
    return times, rng.normal(size=n)


def observe(values: np.ndarray, sd: float | np.ndarray = SD) -> kalman.Observations:
    n = len(values)
    return kalman.Observations(jnp.asarray(values), jnp.broadcast_to(jnp.asarray(sd) ** 2, (n,)), jnp.ones(n))


def dense_covariance(
    gaps: np.ndarray, damping: float, stiffness: np.ndarray, noise: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Mean map (n, 2) of the initial state and covariance (n, n) of x, from matrix exponentials row by row."""
    n = len(gaps)
    factors, covariances = [], []
    mean, covariance = np.eye(2), np.zeros((2, 2))
    joint = np.zeros((n, n))
    maps = np.zeros((n, 2))
    for i in range(n):
        drift = np.array([[0.0, 1.0], [-stiffness[i] / MASS, -damping / MASS]])
        block = np.block([[-drift, np.diag([0.0, noise[i] / MASS**2])], [np.zeros((2, 2)), drift.T]])
        exponential = expm(block * gaps[i])
        f = exponential[2:, 2:].T
        factors.append(f)
        mean = f @ mean
        covariance = f @ covariance @ f.T + f @ exponential[:2, 2:]
        covariances.append(covariance)
        maps[i] = mean[0]
    for i in range(n):
        carried = covariances[i][:, 0]
        joint[i, i] = carried[0]
        for j in range(i + 1, n):
            carried = factors[j] @ carried
            joint[i, j] = joint[j, i] = carried[0]
    return maps, joint


def gaussian(residual: np.ndarray, covariance: np.ndarray) -> float:
    _, logdet = np.linalg.slogdet(2 * np.pi * covariance)
    return -0.5 * (logdet + residual @ np.linalg.solve(covariance, residual))


# At critical damping celerite2 itself regularises (1e-7 off the dense Gaussian), so it is no oracle there.
@pytest.mark.parametrize(("damping", "stiffness"), LAWS[:2])
def test_stationary_likelihood_equals_celerite2(damping: float, stiffness: float) -> None:
    celerite2 = pytest.importorskip("celerite2")
    times, values = scattered(300)
    var_x, var_v = NOISE / (2 * damping * stiffness), NOISE / (2 * damping * MASS)
    transition = dynamics.second_order(np.diff(times, prepend=times[0]), MASS, damping, stiffness, NOISE)
    ours = kalman.filter_from(kalman.filter_start(0, 0, var_x, var_v), transition, observe(values)).log_density.sum()
    w0, quality = np.sqrt(stiffness / MASS), np.sqrt(MASS * stiffness) / damping
    gp = celerite2.GaussianProcess(celerite2.terms.SHOTerm(S0=var_x / (w0 * quality), w0=w0, Q=quality), mean=0.0)
    gp.compute(times, yerr=SD)
    assert float(ours) == pytest.approx(gp.log_likelihood(values), rel=1e-9)


@pytest.mark.parametrize(("damping", "stiffness"), [*LAWS, (0.0, 0.1), (-0.2, 0.05)])
def test_likelihood_equals_a_dense_gaussian(damping: float, stiffness: float) -> None:
    """Known start, irregular gaps, a learning-rate schedule, varying noise, repeated steps and missing rows."""
    times, values = scattered(40, seed=1)
    times[7] = times[6]
    gaps = np.diff(times, prepend=times[0])
    rate = np.linspace(1.0, 0.2, 40)
    sd = np.linspace(0.1, 0.4, 40)
    observed = np.ones(40)
    observed[[3, 11, 12]] = 0.0
    transition = dynamics.second_order(gaps, MASS, damping, stiffness * rate, NOISE * rate**2)
    rows = observe(values, sd)._replace(observed=jnp.asarray(observed))
    result = kalman.kalman_filter(transition, rows, -0.6, 0.02)
    maps, covariance = dense_covariance(gaps, damping, stiffness * rate, NOISE * rate**2)
    seen = observed > 0
    residual = (values - maps @ np.array([-0.6, 0.02]))[seen]
    total = covariance[np.ix_(seen, seen)] + np.diag(sd[seen] ** 2)
    assert float(result.log_density.sum()) == pytest.approx(gaussian(residual, total), rel=1e-9)
    assert np.asarray(result.log_density)[~seen].tolist() == [0.0, 0.0, 0.0]


def test_pointwise_terms_are_one_step_ahead_densities() -> None:
    times, values = scattered(12, seed=2)
    gaps = np.diff(times, prepend=times[0])
    transition = dynamics.second_order(gaps, MASS, 0.7, 0.05, NOISE)
    terms = np.asarray(kalman.kalman_filter(transition, observe(values), 0.3).log_density)
    maps, covariance = dense_covariance(gaps, 0.7, np.full(12, 0.05), np.full(12, NOISE))
    residual, total = values - 0.3 * maps[:, 0], covariance + SD**2 * np.eye(12)
    sums = [gaussian(residual[:i], total[:i, :i]) for i in range(1, 13)]
    np.testing.assert_allclose(np.cumsum(terms), sums, rtol=1e-9)


def test_smoother_equals_conditioning_of_a_dense_gaussian() -> None:
    times, values = scattered(25, seed=3)
    times[9] = times[8]
    gaps = np.diff(times, prepend=times[0])
    transition = dynamics.second_order(gaps, MASS, 0.6, 0.05, NOISE)
    observed = np.ones(25)
    observed[[0, 5, 24]] = 0.0
    rows = observe(values)._replace(observed=jnp.asarray(observed))
    smoothed = kalman_smoother(transition, rows, 0.4, -0.01)
    maps, covariance = dense_covariance(gaps, 0.6, np.full(25, 0.05), np.full(25, NOISE))
    prior = maps @ np.array([0.4, -0.01])
    seen = observed > 0
    gain = covariance[:, seen] @ np.linalg.inv(covariance[np.ix_(seen, seen)] + SD**2 * np.eye(seen.sum()))
    np.testing.assert_allclose(smoothed.mean, prior + gain @ (values - prior)[seen], rtol=1e-8, atol=1e-11)
    expected = np.diag(covariance - gain @ covariance[seen, :])
    np.testing.assert_allclose(smoothed.variance, expected, rtol=1e-6, atol=1e-12)
    # The last filtered state has seen everything.
    filtered = kalman.kalman_filter(transition, rows, 0.4, -0.01)
    assert float(filtered.mean[-1]) == pytest.approx(float(smoothed.mean[-1]), rel=1e-10)
    assert float(filtered.variance[-1]) == pytest.approx(float(smoothed.variance[-1]), rel=1e-8)


def test_leave_one_out_densities_equal_those_of_a_dense_gaussian() -> None:
    """From the precision matrix: mean y - [C^-1 r]_t / [C^-1]_tt, variance 1 / [C^-1]_tt."""
    times, values = scattered(25, seed=3)
    times[9] = times[8]
    gaps = np.diff(times, prepend=times[0])
    transition = dynamics.second_order(gaps, MASS, 0.6, 0.05, NOISE)
    observed = np.ones(25)
    observed[[0, 5, 24]] = 0.0
    rows = observe(values)._replace(observed=jnp.asarray(observed))
    ours = np.asarray(kalman_smoother(transition, rows, 0.4, -0.01).leave_one_out)
    maps, covariance = dense_covariance(gaps, 0.6, np.full(25, 0.05), np.full(25, NOISE))
    seen = observed > 0
    precision = np.linalg.inv(covariance[np.ix_(seen, seen)] + SD**2 * np.eye(seen.sum()))
    variance = 1 / np.diag(precision)
    error = precision @ (values - maps @ np.array([0.4, -0.01]))[seen] * variance
    dense = -0.5 * (np.log(2 * np.pi * variance) + error**2 / variance)
    np.testing.assert_allclose(ours[seen], dense, rtol=1e-9)
    assert ours[~seen].tolist() == [0.0, 0.0, 0.0]


@pytest.mark.parametrize(("damping", "stiffness"), [*LAWS, (1e-6, 0.1), (-0.1, 0.05)])
def test_gradient_equals_central_differences(damping: float, stiffness: float) -> None:
    times, values = scattered(60, seed=5)
    gaps = np.diff(times, prepend=times[0])

    @jax.jit
    def total(args: jax.Array) -> jax.Array:
        transition = dynamics.second_order(gaps, args[0], args[1], args[2], args[3])
        rows = observe(values)._replace(variance=jnp.full(60, args[4] ** 2))
        return kalman.kalman_filter(transition, rows, args[5], args[6]).log_density.sum()

    args = np.array([MASS, damping, stiffness, NOISE, SD, -0.4, 0.02])
    gradient = np.asarray(jax.grad(total)(args))
    for i in range(args.size):
        step = 2e-4 * max(abs(args[i]), 1e-2)
        sides = [float(total(args + j * step * np.eye(args.size)[i])) for j in (-2, -1, 1, 2)]
        difference = (sides[0] - 8 * sides[1] + 8 * sides[2] - sides[3]) / (12 * step)
        assert gradient[i] == pytest.approx(difference, rel=1e-5, abs=1e-5), i


def test_simulated_paths_have_the_law_of_the_likelihood() -> None:
    """Mean and covariance of 20,000 paths within 5 standard errors (false-alarm rate below 1e-4 for 10 rows)."""
    gaps = np.array([0.0, 1.0, 4.0, 0.0, 20.0, 2.0, 1.0, 60.0, 3.0, 1.0])
    transition = dynamics.second_order(gaps, MASS, 0.5, 0.05, NOISE)
    keys = jax.random.split(jax.random.key(6), 20_000)
    draw = jax.jit(jax.vmap(lambda key: simulate_path(transition, observe(np.zeros(10)), -0.5, 0.01, key)))
    path, logged = (np.asarray(values) for values in draw(keys))
    maps, covariance = dense_covariance(gaps, 0.5, np.full(10, 0.05), np.full(10, NOISE))
    sd = np.sqrt(np.diag(covariance))
    np.testing.assert_array_less(np.abs(path.mean(0) - maps @ [-0.5, 0.01]), 5 * sd / np.sqrt(20_000) + 1e-9)
    error = 5 * np.sqrt((np.outer(sd, sd) ** 2 + covariance**2) / 20_000) + 1e-12
    np.testing.assert_array_less(np.abs(np.cov(path.T) - covariance), error)
    noise = np.var(logged - path, axis=0)
    np.testing.assert_array_less(np.abs(noise - SD**2), 5 * SD**2 * np.sqrt(2 / 20_000))


def test_noise_of_a_variance_that_interpolation_put_below_zero_is_none() -> None:
    """A run of Sunshine535 whose rate decays to zero had one of -1e-20, and no number after it."""
    np.testing.assert_array_equal(correlated(jnp.float64(-1e-20), jnp.float64(0), jnp.float64(0), jnp.ones(2)), 0)
