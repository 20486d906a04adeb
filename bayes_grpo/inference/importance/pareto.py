"""Pareto-smoothed importance sampling: the largest weights become quantiles of a fitted tail, whose shape is k-hat.

Vehtari, Simpson, Gelman, Yao and Gabry 2024, "Pareto smoothed importance sampling". ArviZ has it, too, and is the
oracle of the tests; it is not called here because importing it takes longer than a fit.
"""

import numpy as np


def smooth_weights(log_weights: np.ndarray) -> tuple[np.ndarray, float]:
    """Normalised log weights with a smoothed tail, and k-hat.

    Parameters
    ----------
    log_weights : numpy.ndarray
        Unnormalised, shape (point,).

    Returns
    -------
    tuple
        Log weights whose exponentials sum to one, and k-hat: above 0.7 estimates are not to be trusted; infinite where
        there are too few distinct weights to fit a tail.
    """
    shifted = log_weights - log_weights.max()
    count = shifted.size
    tail = int(min(0.2 * count, 3 * np.sqrt(count)))
    order = np.argsort(shifted)
    largest = order[-tail:]
    cutoff = max(float(shifted[order[-tail - 1]]), float(np.log(np.finfo(float).tiny)))
    above = largest[shifted[largest] > cutoff]
    khat = np.inf
    smoothed = shifted.copy()
    if above.size > 4:
        excess = np.exp(shifted[above]) - np.exp(cutoff)
        khat, scale = _fit_pareto(excess)
        if np.isfinite(khat):
            probability = (np.arange(above.size) + 0.5) / above.size
            if abs(khat) < 1e-12:
                quantiles = -scale * np.log1p(-probability)
            else:
                quantiles = scale * np.expm1(-khat * np.log1p(-probability)) / khat
            smoothed[above] = np.minimum(np.log(quantiles + np.exp(cutoff)), 0.0)
    total = np.logaddexp.reduce(smoothed)
    return smoothed - total, float(khat)


def _fit_pareto(excess: np.ndarray) -> tuple[float, float]:
    """Shape and scale of a generalised Pareto distribution (Zhang and Stephens 2009), the shape drawn towards 0.5."""
    ordered = np.sort(excess)
    count = ordered.size
    grid = 30 + int(np.sqrt(count))
    quartile = ordered[int(count / 4 + 0.5) - 1]
    theta = 1 / ordered[-1] + (1 - np.sqrt(grid / (np.arange(grid) + 0.5))) / (3 * quartile)
    shape = np.log1p(-theta[:, None] * ordered).mean(axis=1)
    profile = count * (np.log(-theta / shape) - shape - 1)
    with np.errstate(over="ignore"):  # a shape that is worse by 700 nats gets the weight zero
        weight = 1 / np.exp(profile - profile[:, None]).sum(axis=1)
    kept = weight >= 10 * np.finfo(float).eps
    weight, theta = weight[kept] / weight[kept].sum(), theta[kept]
    mean = float(theta @ weight)
    khat = float(np.log1p(-mean * ordered).mean())
    scale = -khat / mean
    prior = 10.0
    return (count * khat + prior * 0.5) / (count + prior), scale
