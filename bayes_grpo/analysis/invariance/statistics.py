"""Statistics of runs of one group size, compared with the same statistics of simulated runs."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from scipy.stats import t as student

from bayes_grpo.laws.finite_groups import finite_group_factor

#: Stretches that a mean trajectory is cut into.
BINS = 12
#: Rewards that the later half of a run needs for its fluctuation to be looked at.
LEAST_ROWS = 8

STATISTICS = ("trajectory", "fluctuation", "autocorrelation")


class Check(NamedTuple):
    """Posterior-predictive p-value, and how many predictive standard deviations the runs are off."""

    p_value: float
    discrepancy: float


def mean_trajectory(rewards: Sequence[np.ndarray], steps: Sequence[np.ndarray], edges: np.ndarray) -> np.ndarray:
    """Mean reward over runs in each stretch of steps.

    Shape (..., bins), from rewards (..., n) of each run; NaN where no run was.
    """
    parts = []
    for reward, step in zip(rewards, steps, strict=True):
        index = np.clip(np.searchsorted(edges, step, side="right") - 1, 0, edges.size - 2)
        count = np.bincount(index, minlength=edges.size - 1)
        member = (index[:, None] == np.arange(edges.size - 1)).astype(float)
        parts.append(np.where(count > 0, reward @ member / np.maximum(count, 1), np.nan))
    stacked = np.stack(parts)
    there = np.isfinite(stacked)
    count = there.sum(0)
    return np.where(count > 0, np.where(there, stacked, 0.0).sum(0) / np.maximum(count, 1), np.nan)


def settled_scatter(rewards: Sequence[np.ndarray]) -> tuple[np.ndarray, np.ndarray] | None:
    """Log variance and lag-1 autocorrelation of the later half of runs about its straight line, means over the runs.

    Shape (...,) each from rewards (..., n) a run; None where all runs are too short.
    """
    per_run = []
    for reward in rewards:
        later = reward[..., reward.shape[-1] // 2 :]
        if later.shape[-1] < LEAST_ROWS:
            continue
        time = np.linspace(-1, 1, later.shape[-1])
        slope = (later @ time / (time @ time))[..., None]
        left = later - later.mean(-1, keepdims=True) - slope * time
        variance = (left**2).mean(-1)
        lagged = (left[..., 1:] * left[..., :-1]).mean(-1)
        safe = np.maximum(variance, 1e-300)
        per_run.append((np.log(safe), lagged / safe))
    if not per_run:
        return None
    scatter, autocorrelation = (np.mean(values, axis=0) for values in zip(*per_run, strict=True))
    return scatter, autocorrelation


def check_trajectory(observed: np.ndarray, simulated: np.ndarray) -> Check:
    """Mean square of the standardised deviations over stretches, shape (bins,) against (draw, bins); chance gives 1."""
    there = np.isfinite(observed)
    mean, sd = simulated[:, there].mean(0), simulated[:, there].std(0)
    square = (((observed[there] - mean) / sd) ** 2).mean()
    squares = (((simulated[:, there] - mean) / sd) ** 2).mean(1)
    return _unless_undefined(_tail(squares >= square), float(np.sqrt(square)), squares)


def check_scalar(observed: float, simulated: np.ndarray) -> Check:
    """Two-sided, of one number against its predictive draws."""
    p_value = min(1.0, 2 * min(_tail(simulated >= observed), _tail(simulated <= observed)))
    return _unless_undefined(p_value, float((observed - simulated.mean()) / simulated.std()), simulated)


def _unless_undefined(p_value: float, discrepancy: float, drawn: np.ndarray) -> Check:
    """The check; without numbers where a prediction has none, for a comparison with NaN would count as beyond."""
    return Check(p_value, discrepancy) if np.isfinite(drawn).all() else Check(np.nan, np.nan)


def _tail(beyond: np.ndarray) -> float:
    return float((1 + beyond.sum()) / (1 + beyond.size))


def jointly(checks: Sequence[Check]) -> Check:
    """Several group sizes as one check: the smallest p-value times their number (Bonferroni), largest discrepancy."""
    p_value = min(1.0, len(checks) * min(check.p_value for check in checks))
    return Check(p_value, max((check.discrepancy for check in checks), key=abs))


def within_group_exponent(
    deviation: np.ndarray, success: np.ndarray, sizes: np.ndarray, *, finite: bool, prob: float
) -> tuple[float, float, float] | None:
    """Exponent of the group size in the within-group spread of binary rewards, beyond what theory says.

    Least squares over runs of ``log(deviation / expected)`` on ``log G``; its posterior under a flat prior is Student's
    t.

    Parameters
    ----------
    deviation, success, sizes : numpy.ndarray
        Mean standard deviation within groups (one degree of freedom taken off), success probability, G; shape (run,).
    finite : bool
        Whether ``expected`` is that of finite groups, or ``sqrt(p (1 - p))``.
    prob : float
        Probability of the interval.

    Returns
    -------
    tuple or None
        Mean (which is the median), lower and upper limit; None with fewer than three runs or one group size.
    """
    known = np.isfinite(deviation) & (deviation > 0) & (success > 0) & (success < 1) & (sizes > 1)
    deviation, success, sizes = deviation[known], success[known], sizes[known]
    if sizes.size < 3 or np.unique(sizes).size < 2:
        return None
    expected = np.sqrt(success * (1 - success))
    if finite:
        factor = np.array([float(finite_group_factor(p, g)) for p, g in zip(success, sizes, strict=True)])
        expected = expected * factor * np.sqrt(sizes / (sizes - 1))
    x = np.log(sizes) - np.log(sizes).mean()
    y = np.log(deviation / expected)
    slope = float(x @ y / (x @ x))
    residual = y - y.mean() - slope * x
    freedom = sizes.size - 2
    error = float(np.sqrt(residual @ residual / freedom / (x @ x)))
    width = float(student.ppf((1 + prob) / 2, freedom)) * error
    return slope, slope - width, slope + width
