"""Thresholds against the eigenvalues of brute-force products, known roots, and the oscillator's leading order."""

import numpy as np
import pytest
from scipy.optimize import brentq

from bayes_grpo.laws import oscillator as dynamics
from bayes_grpo.laws.delay import delay_threshold, exact_delay_threshold
from bayes_grpo.laws.stability import (
    critical_stiffness,
    leading_refresh_threshold,
    oscillation_onset,
    refresh_cycle,
    refresh_threshold,
    spectral_radius,
)


@pytest.mark.parametrize(("stiffness", "momentum", "interval"), [(0.05, 0.8, 7), (0.3, 0.0, 3), (0.01, 0.95, 40)])
def test_cycle_of_a_frozen_gradient_has_its_closed_form(stiffness: float, momentum: float, interval: int) -> None:
    power = momentum**interval
    s = momentum * (1 - power) / (1 - momentum)
    expected = [[1 - stiffness * (interval - s), s], [-stiffness * (1 - power), power]]
    np.testing.assert_allclose(refresh_cycle(stiffness, momentum, interval), expected, atol=1e-13)


def test_cycle_equals_updates_followed_one_by_one() -> None:
    k, beta1, share, interval = 0.04, 0.7, 0.6, 9
    for start in (np.array([1.0, 0.0]), np.array([0.3, -0.2])):
        deviation, update = start
        drawn = deviation
        for _ in range(interval):
            update = beta1 * update - (1 - beta1) * k * (share * drawn + (1 - share) * deviation)
            deviation += update
        np.testing.assert_allclose(refresh_cycle(k, beta1, interval, share) @ start, [deviation, update], rtol=1e-12)


def test_spectral_radius_equals_eigenvalues() -> None:
    maps = np.random.default_rng(0).normal(size=(200, 2, 2))
    expected = np.abs(np.linalg.eigvals(maps)).max(-1)
    np.testing.assert_allclose(spectral_radius(maps), expected, rtol=1e-10)


def test_refresh_threshold_has_the_known_values() -> None:
    np.testing.assert_array_equal(refresh_threshold(0.00998, [0, 0.5, 0.9]), [201, 203, 219])
    np.testing.assert_array_equal(refresh_threshold(0.00499, [0, 0.5, 0.9]), [401, 403, 419])


@pytest.mark.parametrize("stiffness", [0.003, 0.02, 0.1])
@pytest.mark.parametrize("momentum", [0.3, 0.9])
def test_refresh_threshold_is_the_first_integer_past_the_root(stiffness: float, momentum: float) -> None:
    def beyond(interval: float) -> float:
        power = momentum**interval
        return interval - 2 * momentum * (1 - power) / ((1 - momentum) * (1 + power)) - 2 / stiffness

    root = brentq(beyond, 1.0, 1e5)
    assert refresh_threshold(stiffness, momentum) == np.ceil(root)


def test_no_threshold_while_half_of_the_lag_is_corrected() -> None:
    """Within a cycle the iterate moves towards -lambda / (1 - lambda) of its start: a contraction for lambda < 1/2."""
    assert np.isinf(refresh_threshold(0.05, 0.9, [0.0, 0.2, 0.45])).all()
    assert np.isfinite(refresh_threshold(0.05, 0.9, [0.6, 1.0])).all()


def test_leading_orders() -> None:
    """The oscillator's damping vanishes exactly at the leading-order thresholds."""
    interval, delay = leading_refresh_threshold(0.02, 0.5), delay_threshold(0.02, 0.5)
    assert float(dynamics.lagged_damping(0.02, dynamics.mean_age(interval), 0.5)) == pytest.approx(0, abs=1e-15)
    assert float(dynamics.lagged_damping(0.02, delay, 0.5)) == pytest.approx(0, abs=1e-15)
    assert np.isinf(leading_refresh_threshold(0.02, 0.0))


@pytest.mark.parametrize("momentum", [0.5, 0.9, 0.99])
def test_oscillation_onset_is_where_heavy_ball_turns_complex(momentum: float) -> None:
    onset = float(oscillation_onset(momentum))

    def complex_pair(stiffness: float) -> bool:
        return bool(np.iscomplex(np.linalg.eigvals(refresh_cycle(stiffness, momentum, 1))).any())

    assert complex_pair(onset * 1.0001) and not complex_pair(onset * 0.9999)
    mass = float(dynamics.closed_form_mass(momentum))
    assert 1 / (4 * mass) == pytest.approx(onset, rel=(1 - momentum) ** 2 / 8)


def delayed_polynomial(stiffness: float, momentum: float, share: float, delay: int) -> np.ndarray:
    """Coefficients of the modes' polynomial, highest power first, after multiplying by z^delay."""
    coefficients = np.zeros(delay + 3)
    coefficients[:3] = 1, -(1 + momentum) + (1 - momentum) * stiffness * (1 - share), momentum
    coefficients[delay + 1] += (1 - momentum) * stiffness * share
    return coefficients


@pytest.mark.parametrize(
    ("stiffness", "momentum", "share"), [(0.05, 0.9, 1.0), (0.05, 0.0, 1.0), (0.05, 0.5, 0.7), (0.2, 0.9, 0.6)]
)
def test_delay_threshold_is_where_the_polynomial_leaves_the_unit_circle(
    stiffness: float, momentum: float, share: float
) -> None:
    unstable = [
        delay
        for delay in range(100)
        if np.abs(np.roots(delayed_polynomial(stiffness, momentum, share, delay))).max() > 1 + 1e-9
    ]
    assert np.ceil(exact_delay_threshold(stiffness, momentum, share)) == unstable[0]


def test_delay_threshold_without_inertia_is_half_pi_over_k() -> None:
    found = exact_delay_threshold([0.001, 0.002], 0.0)
    np.testing.assert_allclose(found, np.pi / 2 / np.array([0.001, 0.002]) - 0.5, rtol=1e-4)
    assert np.isinf(exact_delay_threshold(0.01, 0.9, 0.4))  # less than half of the lag counts: never


def test_critical_stiffness_inverts_the_refresh_threshold() -> None:
    """Golden values: K* = 201, 203, 219 at k = 0.00998, so that those K are critical just at or below it."""
    for momentum, interval in ((0.0, 201), (0.5, 203), (0.9, 219)):
        critical = float(critical_stiffness(momentum, interval))
        assert critical <= 0.00998 < float(critical_stiffness(momentum, interval - 1))
        assert refresh_threshold(critical * 1.001, momentum) == interval
        assert refresh_threshold(critical * 0.999, momentum) > interval


def test_critical_stiffness_of_fresh_rollouts_is_a_heavy_balls() -> None:
    np.testing.assert_allclose(critical_stiffness([0.0, 0.5, 0.9], 1), [2, 6, 38], rtol=1e-6)
