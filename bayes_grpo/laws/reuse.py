"""What reusing a batch of rollouts does beside lag: importance ratios spread, and clipping starves the drive; NumPy only.

On one batch the policy moves the same way in every update, so after j updates the log ratio of a token has the standard deviation ``s j``:

    log r_j ~ N(-s^2 j^2 / 2, s^2 j^2),    ESS / N = exp(-s^2 j^2),    KL(old || now) = s^2 j^2 / 2
    clipped tokens after j updates = P(|s j z| > log(1 + eps)) / 2

Half of the spread is clipped, because a token is clipped only where it moves the way its advantage asks. Every logged channel of these
gives s, the growth of the log ratio per update.
"""

from collections.abc import Callable, Mapping

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import ndtr

Floats = NDArray[np.float64]

#: Largest standard deviation of the log ratio under clipping, over log(1 + clip range).
SATURATION = 1.7
#: Growths between which one is sought that explains a clip share.
_GROWTHS = np.geomspace(1e-5, 10.0, 400)


def clipped_at_age(growth: ArrayLike, age: ArrayLike, clip_range: ArrayLike) -> Floats:
    """Share of tokens whose ratio is clipped, ``age`` updates after the rollouts were drawn; arguments are broadcast together."""
    spread = np.maximum(np.asarray(growth, float) * np.asarray(age, float), 1e-12)
    clip = np.asarray(clip_range, float)
    low = np.where(clip < 1, np.log1p(-np.minimum(clip, 1 - 1e-12)), -np.inf)
    return np.asarray((ndtr(-np.log1p(clip) / spread) + ndtr(low / spread)) / 2)


def clipped_share(growth: ArrayLike, refresh_interval: int, clip_range: ArrayLike) -> Floats:
    """Mean share of clipped tokens over the K updates of a batch, of the growth's shape."""
    ages = np.arange(refresh_interval)
    growth = np.asarray(growth, float)[..., None]
    return np.asarray(clipped_at_age(growth, ages, np.asarray(clip_range)[..., None]).mean(-1))


def effective_share_limit(growth: ArrayLike, clip_range: float, least: float = 0.5) -> Floats:
    """Age (step) at which the effective sample size falls to ``least`` of the batch: ``sqrt(log(1 / least)) / s``.

    Infinite where clipping stops the spread before: a clipped token is pushed no further, and in the laboratory the log ratio's
    standard deviation stayed below `SATURATION` times the logarithm of the clip range's upper end.
    """
    growth = np.asarray(growth, float)
    spread = np.sqrt(np.log(1 / least))
    if SATURATION * np.log1p(clip_range) < spread:
        return np.full_like(growth, np.inf)
    with np.errstate(divide="ignore"):
        return np.asarray(spread / growth)


def mean_square_age(refresh_interval: float) -> float:
    """Mean of j^2 over the updates j = 0 .. K - 1 of a batch."""
    k = refresh_interval
    return (k - 1) * (2 * k - 1) / 6


def growth_of_clip(share: ArrayLike, refresh_interval: int, clip_range: float) -> Floats:
    """Growth that explains a mean clip share, by inversion of `clipped_share`; 0 for none, infinite beyond what any growth gives."""
    table = np.array([float(clipped_share(g, refresh_interval, clip_range)) for g in _GROWTHS])
    value = np.interp(np.asarray(share, float), table, np.log(_GROWTHS), left=-np.inf, right=np.inf)
    return np.asarray(np.exp(value))


def growth_channels(
    refresh_interval: int, clip_range: float | None
) -> Mapping[str, Callable[[NDArray[np.float64]], NDArray[np.float64]]]:
    """For every channel, the growth that its mean over a batch's updates implies."""
    square = mean_square_age(refresh_interval)
    channels: dict[str, Callable[[Floats], Floats]] = {
        "log_ratio_variance": lambda v: np.sqrt(np.maximum(v, 0) / square),
        "effective_sample_share": lambda v: np.sqrt(np.maximum(-np.log(np.clip(v, 1e-12, 1)), 0) / square),
        "update_kl": lambda v: np.sqrt(2 * np.maximum(v, 0) / square),
        "log_ratio_mean": lambda v: np.sqrt(2 * np.maximum(-v, 0) / square),
    }
    if clip_range is not None and clip_range < 1:
        channels["clip_ratio"] = lambda v: growth_of_clip(v, refresh_interval, clip_range)
    return channels
