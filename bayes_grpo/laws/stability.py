"""When a GRPO run rings and when it blows up, exactly: heavy-ball updates on rollouts refreshed every K updates.

Near the plateau one update is ``u <- beta1 u - (1 - beta1) k (lambda d0 + (1 - lambda) d)``, ``d <- d + u`` with ``d`` the
deviation, ``d0`` its value when the rollouts were drawn, and ``lambda`` the share of the lag that importance ratios do not
correct (0: corrected exactly, 1: a frozen gradient). Linear algebra on this map gives the thresholds that the oscillator
states to leading order; NumPy only.
"""

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]


def oscillation_onset(momentum: ArrayLike) -> Floats:
    """Stiffness (1/step) above which a heavy ball rings: ``(1 - sqrt(beta1)) / (1 + sqrt(beta1))``.

    The oscillator's ``c^2 = 4 m k`` says ``(1 - beta1) / (2 (1 + beta1))``, 0.02632 against 0.02633 at beta1 = 0.9.
    Without momentum the mean first overshoots at k = 1.
    """
    root = np.sqrt(np.asarray(momentum, float))
    return np.asarray((1 - root) / (1 + root))


def refresh_cycle(
    stiffness: ArrayLike, momentum: ArrayLike, refresh_interval: int, lag_share: ArrayLike = 1.0
) -> Floats:
    """Linear map of (deviation, last update) over the K updates made on one batch of rollouts, shape (..., 2, 2).

    Parameters
    ----------
    stiffness, momentum, lag_share : array_like
        k (1/step), beta1 and lambda; broadcast together.
    refresh_interval : int
        K, updates per batch of rollouts.
    """
    k, beta1, share = np.broadcast_arrays(*(np.asarray(v, float) for v in (stiffness, momentum, lag_share)))
    cycle = np.broadcast_to(np.eye(2), (*k.shape, 2, 2)).copy()
    for _ in range(refresh_interval):
        cycle = _one_update(cycle, k, beta1, share)
    return cycle


def _one_update(cycle: Floats, k: Floats, beta1: Floats, share: Floats) -> Floats:
    """Follow a cycle by one more update on the same rollouts; d0 is (1, 0) in the cycle's start coordinates."""
    deviation, update = cycle[..., 0, :], cycle[..., 1, :]
    force = (1 - share)[..., None] * deviation + share[..., None] * np.array([1.0, 0.0])
    update = beta1[..., None] * update - ((1 - beta1) * k)[..., None] * force
    return np.stack([deviation + update, update], axis=-2)


def spectral_radius(cycle: Floats) -> Floats:
    """Largest modulus of the eigenvalues of 2 x 2 maps, shape (...): above 1 deviations grow from cycle to cycle."""
    half = (cycle[..., 0, 0] + cycle[..., 1, 1]) / 2
    determinant = cycle[..., 0, 0] * cycle[..., 1, 1] - cycle[..., 0, 1] * cycle[..., 1, 0]
    square = half**2 - determinant
    real = np.abs(half) + np.sqrt(np.maximum(square, 0))
    return np.asarray(np.where(square >= 0, real, np.sqrt(np.maximum(determinant, 0))))


def refresh_threshold(
    stiffness: ArrayLike, momentum: ArrayLike, lag_share: ArrayLike = 1.0, limit: int = 20_000
) -> Floats:
    """Smallest refresh interval K (step) at which the run is unstable, from the exact cycle map; inf beyond ``limit``.

    For a frozen gradient it is the first integer past the root of
    ``K - 2 beta1 (1 - beta1^K) / ((1 - beta1) (1 + beta1^K)) = 2 / k``; leading order is ``1 + 2 / (lambda k)``.

    Parameters
    ----------
    stiffness, momentum, lag_share : array_like
        k (1/step), beta1 and lambda; broadcast together, the result has their shape.
    limit : int
        Largest K looked at.
    """
    k, beta1, share = np.broadcast_arrays(*(np.asarray(v, float) for v in (stiffness, momentum, lag_share)))
    shape = k.shape
    k, beta1, share = k.ravel(), beta1.ravel(), share.ravel()
    out = np.full(k.shape, np.inf)
    open_ = np.arange(k.size)
    cycle = np.broadcast_to(np.eye(2), (k.size, 2, 2)).copy()
    for interval in range(1, limit + 1):
        cycle = _one_update(cycle, k[open_], beta1[open_], share[open_])
        unstable = spectral_radius(cycle) > 1 + 1e-9  # an integer root is marginal, not unstable
        if unstable.any():
            out[open_[unstable]] = interval
            open_, cycle = open_[~unstable], cycle[~unstable]
            if not open_.size:
                break
    return out.reshape(shape)


def leading_refresh_threshold(stiffness: ArrayLike, lag_share: ArrayLike = 1.0) -> Floats:
    """Refresh interval (step) at which lag has eroded all damping, ``K* = 1 + 2 / (lambda k)``."""
    product = np.asarray(stiffness, float) * np.asarray(lag_share, float)
    with np.errstate(divide="ignore"):
        return np.asarray(1 + 2 / product)


def delay_threshold(stiffness: ArrayLike, lag_share: ArrayLike = 1.0) -> Floats:
    """Constant delay (step) at which lag has eroded all damping, ``d* = 1 / (lambda k)``."""
    product = np.asarray(stiffness, float) * np.asarray(lag_share, float)
    with np.errstate(divide="ignore"):
        return np.asarray(1 / product)


def exact_delay_threshold(stiffness: ArrayLike, momentum: ArrayLike, lag_share: ArrayLike = 1.0) -> Floats:
    """Constant delay (step, continuous) from which a heavy ball on data that old is unstable, exact; inf if none is.

    The modes z of ``d(t+1) = d + u, u <- beta1 u - (1 - beta1) k (lambda d(t - D) + (1 - lambda) d(t))`` solve ``(z - 1) (z - beta1)
    + (1 - beta1) k (1 - lambda) z = -(1 - beta1) k lambda z^(1 - D)``. On the unit circle the moduli of both sides give the
    frequency, their phases the delay. Without momentum and with lambda = 1 and small k it is pi / (2 k).

    Parameters
    ----------
    stiffness, momentum, lag_share : array_like
        k (1/step), beta1 and lambda; broadcast together, the result has their shape.
    """
    k, beta1, share = np.broadcast_arrays(*(np.asarray(v, float) for v in (stiffness, momentum, lag_share)))
    shape = k.shape
    k, beta1, share = (values.ravel()[:, None] for values in (k, beta1, share))
    # Frequencies on a logarithmic grid: the crossing lies near sqrt(k) or k, far below pi.
    frequency = np.geomspace(1e-6, np.pi, 4000)[None, :]
    z = np.exp(1j * frequency)
    with np.errstate(divide="ignore", invalid="ignore"):
        left = ((z - 1) * (z - beta1) + (1 - beta1) * k * (1 - share) * z) / ((1 - beta1) * k * share)
        excess = np.abs(left) - 1
    # Crossings of modulus 1, few of the grid; at each, D = 1 - (phase of -left) / frequency, the least D >= 0.
    row, column = np.nonzero((excess[:, :-1] < 0) != (excess[:, 1:] < 0))
    row, column = (index[share[row, 0] > 0] for index in (row, column))
    before, after = excess[row, column], excess[row, column + 1]
    low, high = frequency[0, column], frequency[0, column + 1]
    at = low + (high - low) * before / (before - after)
    z, k, beta1, share = np.exp(1j * at), k[row, 0], beta1[row, 0], share[row, 0]
    right = -((z - 1) * (z - beta1) + (1 - beta1) * k * (1 - share) * z)
    out = np.full(excess.shape[0], np.inf)
    np.minimum.at(out, row, np.mod(at - np.angle(right), 2 * np.pi) / at)
    return out.reshape(shape)


def critical_stiffness(
    momentum: ArrayLike, refresh_interval: int, lag_share: ArrayLike = 1.0, most: float = 1e4
) -> Floats:
    """Smallest stiffness (1/step) at which updates on rollouts refreshed every K updates are unstable, exact; inf beyond ``most``.

    Parameters
    ----------
    momentum, lag_share : array_like
        beta1 and lambda; broadcast together, the result has their shape.
    refresh_interval : int
        K, updates per batch of rollouts.
    """
    beta1, share = np.broadcast_arrays(np.asarray(momentum, float), np.asarray(lag_share, float))
    shape = beta1.shape
    beta1, share = beta1.ravel(), share.ravel()
    low, high = np.zeros(beta1.size), np.full(beta1.size, np.inf)
    # The first unstable stiffness may be followed by stable ones: look for it from below, in steps of 5 %.
    for k in np.geomspace(1e-4 / refresh_interval, most, 400):
        open_ = np.isinf(high)
        if not open_.any():
            break
        unstable = spectral_radius(refresh_cycle(k, beta1[open_], refresh_interval, share[open_])) > 1 + 1e-9
        high[np.flatnonzero(open_)[unstable]] = k
        low[np.flatnonzero(open_)[~unstable]] = k
    found = np.isfinite(high)
    for _ in range(40):
        middle = (low[found] + high[found]) / 2
        unstable = spectral_radius(refresh_cycle(middle, beta1[found], refresh_interval, share[found])) > 1 + 1e-9
        high[found] = np.where(unstable, middle, high[found])
        low[found] = np.where(unstable, low[found], middle)
    return high.reshape(shape)


def refresh_variance(stiffness: float, momentum: float, refresh_interval: int, noise: float) -> float:
    """Stationary variance of the deviation at the refreshes of a frozen gradient, exact; inf where unstable.

    The K updates of a cycle share one draw of the noise. To leading order the variance is ``K q / (2 c k)`` with ``c = 1 - k
    (K - 1) / 2``: coherence multiplies the noise, lag erodes the damping.

    Parameters
    ----------
    stiffness, momentum, refresh_interval : float, float, int
        k (1/step), beta1 and K.
    noise : float
        Variance q of one update's random change, reward^2/step.
    """
    cycle = refresh_cycle(stiffness, momentum, refresh_interval)
    if spectral_radius(cycle) >= 1:
        return float("inf")
    response = (np.array([1.0, 0.0]) - cycle[:, 0]) / stiffness  # a constant force is a shifted fixed point
    # vec(P) = (I - M x M)^-1 vec(q b b'), the discrete Lyapunov equation.
    covariance = np.linalg.solve(np.eye(4) - np.kron(cycle, cycle), noise * np.kron(response, response))
    return float(covariance[0])
