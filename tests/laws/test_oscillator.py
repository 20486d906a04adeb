"""Transitions against the matrix exponential (Van Loan), gradients against central differences."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.linalg import expm

from bayes_grpo.laws import oscillator as dynamics

# (gap, mass, damping, stiffness): over-, under-, critically and negatively damped, k = 0, tiny and huge gaps.
CASES = [
    (1.0, 9.5, 1.0, 0.01),
    (1.0, 9.5, 1.0, 0.5),
    (1.0, 9.5, 1.0, 1 / 38),
    (1.0, 9.5, 1.0, 1 / 38 * (1 + 1e-9)),
    (30.0, 9.5, 1.0, 1 / 38),
    (30.0, 9.5, 1.0, 1 / 38 * (1 - 1e-7)),
    (10.0, 0.5, 1.0, 0.49),
    (10.0, 0.5, 1.0, 0.01),
    (1.0, 9.5, 0.0, 0.3),
    (25.0, 9.5, 0.0, 0.3),
    (25.0, 9.5, 1e-9, 0.3),
    (3.0, 9.5, -1.0, 0.02),
    (40.0, 9.5, -1.0, 0.02),
    (40.0, 9.5, -1.0, 1 / 38),
    (40.0, 9.5, -0.3, 0.2),
    (4.0, 9.5, 1.0, 0.0),
    (90.0, 9.5, 1.0, 0.0),
    (7.0, 9.5, 0.0, 0.0),
    (1e-3, 9.5, 1.0, 0.02),
    (500.0, 9.5, 1.0, 0.02),
    (500.0, 9.5, 0.05, 0.02),
    (300.0, 0.5, 1.0, 1e-4),
    (12.0, 9.5, 0.8, 0.05),
]
NOISE = 0.3


def van_loan(gap: float, mass: float, damping: float, stiffness: float, noise: float) -> tuple[np.ndarray, np.ndarray]:
    """F and Q by doubling the block matrix exponential of a short gap (Van Loan 1978): sums of positive terms only."""
    drift = np.array([[0.0, 1.0], [-stiffness / mass, -damping / mass]])
    diffusion = np.diag([0.0, noise / mass**2])
    halvings = max(0, int(np.ceil(np.log2(max(np.abs(drift).max(), 1.0) * gap))) + 3)
    block = np.block([[-drift, diffusion], [np.zeros((2, 2)), drift.T]]) * gap / 2**halvings
    exponential = expm(block)
    f = exponential[2:, 2:].T
    q = f @ exponential[:2, 2:]
    for _ in range(halvings):
        q = q + f @ q @ f.T
        f = f @ f
    return f, q


@pytest.mark.parametrize("case", CASES)
def test_transition_equals_the_matrix_exponential(case: tuple[float, ...]) -> None:
    f, q = van_loan(*case, NOISE)
    t = dynamics.second_order(*case, NOISE)
    np.testing.assert_allclose(np.array([[t.f11, t.f12], [t.f21, t.f22]]), f, rtol=1e-10, atol=1e-12 * np.abs(f).max())
    got = np.array([[t.q11, t.q12], [t.q12, t.q22]])
    scale = np.sqrt(np.outer(np.diag(q), np.diag(q)))
    np.testing.assert_allclose(got / scale, q / scale, rtol=1e-9, atol=1e-10)


@jax.jit
def entries(args: jax.Array) -> jax.Array:
    """All seven entries of the transition, shape (7,), of args = (gap, mass, damping, stiffness)."""
    return jnp.stack(dynamics.second_order(args[0], args[1], args[2], args[3], NOISE)[:7])


jacobian = jax.jit(jax.jacrev(entries))


@pytest.mark.parametrize("case", CASES)
def test_gradient_equals_central_differences(case: tuple[float, ...]) -> None:
    args = np.array(case)
    gradient = np.asarray(jacobian(args))
    value = np.abs(np.asarray(entries(args)))
    for i in range(4):
        step = 2e-4 * max(abs(args[i]), 1e-2 if i >= 2 else 0.0)
        sides = [np.asarray(entries(args + j * step * np.eye(4)[i])) for j in (-2, -1, 1, 2)]
        difference = (sides[0] - 8 * sides[1] + 8 * sides[2] - sides[3]) / (12 * step)
        scale = np.maximum(np.abs(difference), value / max(abs(args[i]), 1e-3) * 1e-2 + 1e-12)
        assert (np.abs(gradient[:, i] - difference) <= 1e-5 * scale).all(), (i, gradient[:, i], difference)


def test_gap_zero_is_the_identity_with_finite_gradient() -> None:
    t = dynamics.second_order(0.0, 9.5, 1.0, 0.02, NOISE)
    assert [float(v) for v in t[:7]] == [1.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0]
    assert np.isfinite(jacobian(np.array([0.0, 9.5, 1.0, 0.02]))).all()


@pytest.mark.parametrize("damping", [1.0, 0.2, 1e-13, -0.4])
def test_random_transitions_compose(damping: float) -> None:
    """F(a + b) = F(b) F(a) and Q(a + b) = F(b) Q(a) F(b)' + Q(b), a law no single closed form can fake."""
    rng = np.random.default_rng(3)
    for a, b, k in zip(rng.uniform(0.01, 60, 40), rng.uniform(0.01, 60, 40), 10 ** rng.uniform(-5, 0, 40), strict=True):
        parts = [np.asarray(entries(np.array([gap, 9.5, damping, k]))) for gap in (a, b, a + b)]
        f = [part[:4].reshape(2, 2) for part in parts]
        q = [part[[4, 5, 5, 6]].reshape(2, 2) for part in parts]
        np.testing.assert_allclose(f[1] @ f[0], f[2], rtol=1e-8, atol=1e-9 * np.abs(f[2]).max())
        joined = f[1] @ q[0] @ f[1].T + q[1]
        scale = np.sqrt(np.outer(np.diag(joined), np.diag(joined)))
        np.testing.assert_allclose(q[2] / scale, joined / scale, atol=1e-9)


def test_first_order_is_the_limit_of_small_mass() -> None:
    exact = dynamics.first_order(5.0, 0.03, NOISE)
    small = dynamics.second_order(5.0, 1e-7, 1.0, 0.03, NOISE)
    np.testing.assert_allclose(float(small.f11), float(exact.f11), rtol=1e-6)
    np.testing.assert_allclose(float(small.q11), float(exact.q11), rtol=1e-6)
    still = dynamics.first_order(5.0, 0.0, NOISE)
    assert float(still.f11) == 1.0
    np.testing.assert_allclose(float(still.q11), 5 * NOISE, rtol=1e-14)


def test_long_gap_reaches_the_stationary_variance() -> None:
    t = dynamics.second_order(1e4, 9.5, 0.7, 0.02, NOISE)
    stationary = [NOISE / (2 * 0.7 * 0.02), NOISE / (2 * 0.7 * 9.5)]
    np.testing.assert_allclose([float(t.q11), float(t.q22)], stationary, rtol=1e-10)


def test_closed_forms() -> None:
    assert float(dynamics.closed_form_mass(0.9)) == pytest.approx(9.5)
    assert float(dynamics.mean_age(9, 2.0)) == 6.0
    assert float(dynamics.lagged_damping(0.01, 100.0, 1.0)) == pytest.approx(0.0)
    # The ROM's onset of oscillation, (1 - beta1) / (2 (1 + beta1)), is where the damping ratio is one.
    onset = 0.1 / (2 * 1.9)
    assert float(dynamics.damping_ratio(9.5, 1.0, onset)) == pytest.approx(1.0)
