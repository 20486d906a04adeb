"""When a GRPO run rings and when it blows up, exactly: heavy-ball updates on rollouts refreshed every K updates.

Near the plateau one update is ``u <- beta1 u - (1 - beta1) k (lambda d0 + (1 - lambda) d)``, ``d <- d + u``. Here
``d`` is the deviation from the plateau, ``d0`` its value when the rollouts were drawn, and ``lambda`` the share of the
lag that importance ratios do not correct (0: corrected exactly, 1: a frozen gradient). Linear algebra on this map
gives exactly the thresholds that the oscillator gives to leading order. This module needs NumPy only.
"""

import numpy as np
from jaxtyping import Float

from bayes_grpo.laws.delay import delay_threshold
from bayes_grpo.laws.shapes import Floats, Numbers

#: 2 x 2 maps of (deviation, last update).
Maps = Float[np.ndarray, "*shape 2 2"]


def oscillation_onset(momentum: Numbers) -> Floats:
    """Stiffness (1/step) above which a heavy ball rings: ``(1 - sqrt(beta1)) / (1 + sqrt(beta1))``.

    The oscillator's ``c^2 = 4 m k`` gives ``(1 - beta1) / (2 (1 + beta1))``: 0.02632 against the exact 0.02633 at
    beta1 = 0.9. Without momentum the mean first overshoots at k = 1.

    Parameters
    ----------
    momentum : array_like
        beta1.

    Returns
    -------
    numpy.ndarray
        Of the momentum's shape.

    Examples
    --------
    >>> from bayes_grpo.laws.stability import oscillation_onset
    >>> round(float(oscillation_onset(0.9)), 5)
    0.02633
    """
    root = np.sqrt(np.asarray(momentum, float))
    return np.asarray((1 - root) / (1 + root))


def refresh_cycle(stiffness: Numbers, momentum: Numbers, refresh_interval: int, lag_share: Numbers = 1.0) -> Maps:
    """Linear map of (deviation, last update) over the K updates that are made on one batch of rollouts.

    Parameters
    ----------
    stiffness, momentum : array_like
        k (1/step) and beta1.
    refresh_interval : int
        K, updates per batch of rollouts.
    lag_share : array_like
        The share lambda; it is broadcast with stiffness and momentum.

    Returns
    -------
    numpy.ndarray
        Shape (..., 2, 2).

    Examples
    --------
    Of fresh rollouts, from (1, 0): the update is -(1 - beta1) k, and the deviation falls by as much.

    >>> from bayes_grpo.laws.stability import refresh_cycle
    >>> refresh_cycle(0.2, 0.5, 1)[:, 0].round(3).tolist()
    [0.9, -0.1]
    """
    k, beta1, share = np.broadcast_arrays(*(np.asarray(v, float) for v in (stiffness, momentum, lag_share)))
    cycle = np.broadcast_to(np.eye(2), (*k.shape, 2, 2)).copy()
    for _ in range(refresh_interval):
        cycle = _one_update(cycle, k, beta1, share)
    return cycle


def _one_update(cycle: Maps, k: Floats, beta1: Floats, share: Floats) -> Maps:
    """Extend a cycle by one more update on the same rollouts; in the coordinates at its start, d0 is (1, 0)."""
    deviation, update = cycle[..., 0, :], cycle[..., 1, :]
    force = (1 - share)[..., None] * deviation + share[..., None] * np.array([1.0, 0.0])
    update = beta1[..., None] * update - ((1 - beta1) * k)[..., None] * force
    return np.stack([deviation + update, update], axis=-2)


def spectral_radius(cycle: Maps) -> Float[np.ndarray, "*shape"]:
    """Largest modulus of the eigenvalues of 2 x 2 maps: above 1, deviations grow from cycle to cycle.

    Parameters
    ----------
    cycle : numpy.ndarray
        Maps as of `refresh_cycle`, shape (..., 2, 2).

    Returns
    -------
    numpy.ndarray
        Shape (...).

    Examples
    --------
    >>> from bayes_grpo.laws.stability import refresh_cycle, spectral_radius
    >>> round(float(spectral_radius(refresh_cycle(0.2, 0.9, 1))), 3)
    0.949
    """
    half = (cycle[..., 0, 0] + cycle[..., 1, 1]) / 2
    determinant = cycle[..., 0, 0] * cycle[..., 1, 1] - cycle[..., 0, 1] * cycle[..., 1, 0]
    square = half**2 - determinant
    real = np.abs(half) + np.sqrt(np.maximum(square, 0))
    return np.asarray(np.where(square >= 0, real, np.sqrt(np.maximum(determinant, 0))))


def refresh_threshold(stiffness: Numbers, momentum: Numbers, lag_share: Numbers = 1.0, limit: int = 20_000) -> Floats:
    """Smallest refresh interval K (step) at which the run is unstable, exact; inf beyond ``limit``.

    For a frozen gradient it is the first integer past the root of
    ``K - 2 beta1 (1 - beta1^K) / ((1 - beta1) (1 + beta1^K)) = 2 / k``; the leading order is ``1 + 2 / (lambda k)``.

    Parameters
    ----------
    stiffness, momentum, lag_share : array_like
        k (1/step), beta1 and lambda; they are broadcast together.
    limit : int
        Largest K that is tried.

    Returns
    -------
    numpy.ndarray
        Of the shape that the arguments are broadcast to.

    Examples
    --------
    >>> from bayes_grpo.laws.stability import refresh_threshold
    >>> refresh_threshold(0.00998, [0, 0.5, 0.9]).tolist()
    [201.0, 203.0, 219.0]
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


def leading_refresh_threshold(stiffness: Numbers, lag_share: Numbers = 1.0) -> Floats:
    """Refresh interval (step) at which lag has eroded all damping, to leading order: ``K* = 1 + 2 / (lambda k)``.

    Parameters
    ----------
    stiffness, lag_share : array_like
        k (1/step) and lambda; they are broadcast together.

    Returns
    -------
    numpy.ndarray
        Of the shape that the arguments are broadcast to; inf where lambda is 0.

    Examples
    --------
    >>> from bayes_grpo.laws.stability import leading_refresh_threshold
    >>> float(leading_refresh_threshold(0.02, 0.5))
    201.0
    """
    return np.asarray(1 + 2 * delay_threshold(stiffness, lag_share))


def critical_stiffness(momentum: Numbers, refresh_interval: int, lag_share: Numbers = 1.0, most: float = 1e4) -> Floats:
    """Smallest stiffness (1/step) at which updates on rollouts refreshed every K updates are unstable, exact.

    Parameters
    ----------
    momentum : array_like
        beta1.
    refresh_interval : int
        K, updates per batch of rollouts.
    lag_share : array_like
        The share lambda; it is broadcast with the momentum.
    most : float
        Largest stiffness that is tried.

    Returns
    -------
    numpy.ndarray
        Of the shape that the arguments are broadcast to; inf beyond ``most``.

    Examples
    --------
    Of fresh rollouts it is that of a heavy ball, ``2 (1 + beta1) / (1 - beta1)``:

    >>> from bayes_grpo.laws.stability import critical_stiffness
    >>> critical_stiffness([0.0, 0.5], 1).round(6).tolist()
    [2.0, 6.0]
    """
    beta1, share = np.broadcast_arrays(np.asarray(momentum, float), np.asarray(lag_share, float))
    shape = beta1.shape
    beta1, share = beta1.ravel(), share.ravel()
    low, high = np.zeros(beta1.size), np.full(beta1.size, np.inf)
    # The first unstable stiffness may be followed by stable ones, so it is sought from below, in steps of 5 %.
    for k in np.geomspace(1e-4 / refresh_interval, most, 400):
        open_ = np.isinf(high)
        if not open_.any():
            break
        unstable = spectral_radius(refresh_cycle(k, beta1[open_], refresh_interval, share[open_])) > 1 + 1e-9
        high[np.flatnonzero(open_)[unstable]] = k
        low[np.flatnonzero(open_)[~unstable]] = k
    finite = np.isfinite(high)
    for _ in range(40):
        middle = (low[finite] + high[finite]) / 2
        unstable = spectral_radius(refresh_cycle(middle, beta1[finite], refresh_interval, share[finite])) > 1 + 1e-9
        high[finite] = np.where(unstable, middle, high[finite])
        low[finite] = np.where(unstable, low[finite], middle)
    return high.reshape(shape)


def refresh_variance(stiffness: float, momentum: float, refresh_interval: int, noise: float) -> float:
    """Stationary variance of the deviation at the refreshes of a frozen gradient, exact; inf where unstable.

    The K updates of a cycle share one draw of the noise. To leading order the variance is ``K q / (2 c k)`` with
    ``c = 1 - k (K - 1) / 2``: the shared draw multiplies the noise, and lag erodes the damping.

    Parameters
    ----------
    stiffness, momentum, refresh_interval : float, float, int
        k (1/step), beta1 and K.
    noise : float
        Variance q of one update's random change, reward^2/step.

    Returns
    -------
    float
        Variance, reward^2.

    Examples
    --------
    >>> from bayes_grpo.laws.stability import refresh_variance
    >>> round(refresh_variance(0.02, 0.0, 1, 0.001), 5)
    0.02525
    """
    cycle = refresh_cycle(stiffness, momentum, refresh_interval)
    if spectral_radius(cycle) >= 1:
        return float("inf")
    response = (np.array([1.0, 0.0]) - cycle[:, 0]) / stiffness  # a constant force is a shifted fixed point
    # vec(P) = (I - M x M)^-1 vec(q b b'), the discrete Lyapunov equation.
    covariance = np.linalg.solve(np.eye(4) - np.kron(cycle, cycle), noise * np.kron(response, response))
    return float(covariance[0])
