"""Whether the reward went on rising after a supposed onset: what pays is no failure.

Entropy falls early in most runs without an entropy bonus, and reward is what it buys: ``R = b - a exp(H)`` (arXiv
2505.22617). Entropy at its floor has nothing left to buy with: a run whose reward rises on from there had more to gain
than its entropy, and the fall was no failure. The same holds for every failure that is a loss of reward.
"""

import numpy as np

from bayes_grpo.laws.normal import normal_cdf

#: The rows right after an onset, in which the failure does its work, and the last rows seen are compared by means over
#: this share of the rows, at least so many.
WINDOW_SHARE, WINDOW_LEAST = 0.1, 5
#: A rise counts from this share of all that the reward has moved over on.
RISE_SHARE = 0.2
#: What is left of the weight of an onset after which the reward certainly went on rising.
DESPITE_RISE = 1e-6


def went_on_rising(reward: np.ndarray, onsets: np.ndarray, seen: np.ndarray) -> np.ndarray:
    """Probability that the reward rose after each onset, given the rows up to each row in ``seen``.

    Parameters
    ----------
    reward : numpy.ndarray
        Shape (rows,), on the scale of the channels, NaN where not logged.
    onsets, seen : numpy.ndarray of int
        Rows.

    Returns
    -------
    numpy.ndarray
        Shape (seen, onset); 0 where fewer than two windows of rows follow the onset.
    """
    observed = np.isfinite(reward)
    values, count = np.where(observed, reward, 0.0), np.concatenate([[0], np.cumsum(observed)])
    total = np.concatenate([[0.0], np.cumsum(values)])
    window = max(WINDOW_LEAST, round(WINDOW_SHARE * reward.size))
    noise = max(float(np.std(np.diff(reward[observed]))) / np.sqrt(2), 1e-9)

    def mean(begin: np.ndarray, end: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        number = count[end] - count[begin]
        return (total[end] - total[begin]) / np.maximum(number, 1), number

    first, rows_first = mean(onsets, np.minimum(onsets + window, reward.size))
    last, rows_last = mean(np.maximum(seen + 1 - window, 0), seen + 1)
    moved = np.array([_range_of_means(reward[: row + 1], window) for row in seen])
    error = noise * np.sqrt(1 / np.maximum(rows_first, 1) + 1 / np.maximum(rows_last, 1)[:, None])
    rise = last[:, None] - first - RISE_SHARE * moved[:, None]
    long_enough = (seen[:, None] - onsets + 1 >= 2 * window) & (rows_first > 0) & (rows_last[:, None] > 0)
    return np.where(long_enough, normal_cdf(rise / error), 0.0)


def log_penalty(rising: np.ndarray) -> np.ndarray:
    """Log factor on a failure whose onset is followed by a rise with this probability."""
    penalty: np.ndarray = np.log(1 - rising * (1 - DESPITE_RISE))
    return penalty


def _range_of_means(reward: np.ndarray, window: int) -> float:
    """Range of the running means of a window; of the rewards that are there."""
    values = reward[np.isfinite(reward)]
    if values.size < 2 * window:
        return float(np.ptp(values)) if values.size else 0.0
    means = np.convolve(values, np.full(window, 1 / window), "valid")
    return float(np.ptp(means))
