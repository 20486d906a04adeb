"""Up to which constant delay of its data training is stable: to leading order, and exactly for a heavy ball.

This module needs NumPy only.
"""

import numpy as np

from bayes_grpo.laws.shapes import Floats, Numbers


def delay_threshold(stiffness: Numbers, lag_share: Numbers = 1.0) -> Floats:
    """Constant delay (step) at which lag has eroded all damping, to leading order: ``d* = 1 / (lambda k)``.

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
    >>> from bayes_grpo.laws.delay import delay_threshold
    >>> float(delay_threshold(0.02, 0.5))
    100.0
    """
    product = np.asarray(stiffness, float) * np.asarray(lag_share, float)
    with np.errstate(divide="ignore"):
        return np.asarray(1 / product)


def exact_delay_threshold(stiffness: Numbers, momentum: Numbers, lag_share: Numbers = 1.0) -> Floats:
    """Constant delay (step, continuous) above which a heavy ball on data that old is unstable, exact; inf if none.

    The modes z of ``d(t+1) = d + u, u <- beta1 u - (1 - beta1) k (lambda d(t - D) + (1 - lambda) d(t))`` solve ``(z -
    1) (z - beta1) + (1 - beta1) k (1 - lambda) z = -(1 - beta1) k lambda z^(1 - D)``. On the unit circle the moduli of
    both sides give the frequency, and their phases give the delay. Without momentum, with lambda = 1 and for small k
    it is pi / (2 k).

    Parameters
    ----------
    stiffness, momentum, lag_share : array_like
        k (1/step), beta1 and lambda; they are broadcast together.

    Returns
    -------
    numpy.ndarray
        Of the shape that the arguments are broadcast to.

    Examples
    --------
    >>> from bayes_grpo.laws.delay import exact_delay_threshold
    >>> round(float(exact_delay_threshold(0.05, 0.9)), 1)
    25.3
    """
    k, beta1, share = np.broadcast_arrays(*(np.asarray(v, float) for v in (stiffness, momentum, lag_share)))
    shape = k.shape
    k, beta1, share = (values.ravel()[:, None] for values in (k, beta1, share))
    # Frequencies on a logarithmic grid: the crossing is near sqrt(k) or k, far below pi.
    frequency = np.geomspace(1e-6, np.pi, 4000)[None, :]
    z = np.exp(1j * frequency)
    with np.errstate(divide="ignore", invalid="ignore"):
        left = ((z - 1) * (z - beta1) + (1 - beta1) * k * (1 - share) * z) / ((1 - beta1) * k * share)
        excess = np.abs(left) - 1
    # Few points of the grid are next to a crossing of modulus 1. At each of these the delay is the least D >= 0 with
    # D = 1 - (phase of -left) / frequency, up to whole turns.
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
