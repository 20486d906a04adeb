"""Labels of runs by the reward and entropy alone; they know nothing of the diagnosis."""

import numpy as np


def label_of(reward: np.ndarray, entropy: np.ndarray) -> str:
    """Collapsed, recovered, concentrated, healthy or between."""
    width = max(5, reward.size // 10)
    if reward.size < 2 * width:
        return "between"
    smooth = np.convolve(reward, np.ones(width) / width, "valid")
    best, start, last = smooth.max(), smooth[0], reward[-5:].mean()
    noise = np.sqrt(np.mean(np.diff(reward) ** 2) / 2) / np.sqrt(5)
    if reward.min() >= 0 and last < best / 2 and best - last > 4 * noise:
        return "collapsed"
    highest = np.maximum.accumulate(smooth)
    if reward.min() >= 0 and (smooth < highest / 2).any() and (highest - smooth).max() > 4 * noise:
        return "recovered"
    if entropy.size and entropy[-(entropy.size // 5) :].mean() < 0.05 * entropy[:3].mean():
        return "concentrated"
    return "healthy" if best - reward[-width:].mean() < (best - start) / 3 + 3 * noise else "between"


def lost_a_third(step: np.ndarray, reward: np.ndarray) -> float:
    """Step from which on the mean of 3 rows stays a third of the gain below its best."""
    smooth = np.convolve(reward, np.ones(3) / 3, "valid")
    peak = int(smooth.argmax())
    below = smooth < smooth[peak] - (smooth[peak] - smooth[: peak + 1].min()) / 3
    back = np.flatnonzero(~below)
    return float(step[2:][min(back[-1] + 1, step.size - 3)])
