"""Moments of a settled path: its mean, its variance and for how long it remembers."""

import numpy as np


def moments_of(path: np.ndarray) -> dict[str, float]:
    """Mean, variance and correlation time of a stationary path, shape (updates,).

    The time is the sum of the autocorrelations over positive lags, cut at six times itself (Sokal's window). The
    variance is about the path's own mean, which takes away 2 time / updates of it; that share is given back.
    """
    n = path.size
    centred = path - path.mean()
    power = np.abs(np.fft.rfft(centred, 2 * n)) ** 2
    correlation = np.fft.irfft(power)[:n] / np.arange(n, 0, -1)
    sums = 0.5 + np.cumsum(correlation[1:] / correlation[0])
    inside = np.arange(1, n) < 6 * np.maximum(sums, 0.5)
    time = float(sums[int(np.argmin(inside))] if not inside.all() else sums[-1])
    return {
        "reward": float(path.mean()),
        "variance": float(centred.var() / max(1 - 2 * time / n, 0.1)),
        "time": time,
    }
