"""What the reuse of a batch of rollouts does beside lag: importance ratios spread, and clipping weakens the drive.

On one batch the policy moves the same way in every update. So after j updates the log ratio of a token has the
standard deviation ``s j``:

    log r_j ~ N(-s^2 j^2 / 2, s^2 j^2),    ESS / N = exp(-s^2 j^2),    KL(old || now) = s^2 j^2 / 2
    clipped tokens after j updates = P(|s j z| > log(1 + eps)) / 2

The factor 1/2 is there because a token is clipped only if it moves the way that its advantage asks. Each of these
quantities, if it is logged, gives s, the growth of the log ratio per update. This module needs NumPy only.
"""

from collections.abc import Callable, Mapping

import numpy as np

from bayes_grpo.laws.normal import normal_cdf
from bayes_grpo.laws.shapes import Floats, Numbers

#: Largest standard deviation of the log ratio that was seen under clipping, in units of log(1 + clip range).
SATURATION = 1.7
#: Growths among which the one is sought that explains a share of clipped tokens.
_GROWTHS = np.geomspace(1e-5, 10.0, 400)


def clipped_at_age(growth: Numbers, age: Numbers, clip_range: Numbers) -> Floats:
    """Share of tokens whose ratio is clipped ``age`` updates after the rollouts were drawn; arguments are broadcast."""
    spread = np.maximum(np.asarray(growth, float) * np.asarray(age, float), 1e-12)
    clip = np.asarray(clip_range, float)
    low = np.where(clip < 1, np.log1p(-np.minimum(clip, 1 - 1e-12)), -np.inf)
    return np.asarray((normal_cdf(-np.log1p(clip) / spread) + normal_cdf(low / spread)) / 2)


def clipped_share(growth: Numbers, refresh_interval: int, clip_range: Numbers) -> Floats:
    """Mean share of clipped tokens over the K updates of a batch, of the growth's shape."""
    ages = np.arange(refresh_interval)
    growth = np.asarray(growth, float)[..., None]
    return np.asarray(clipped_at_age(growth, ages, np.asarray(clip_range)[..., None]).mean(-1))


def effective_share_limit(growth: Numbers, clip_range: float, least: float = 0.5) -> Floats:
    """Age (step) at which the effective sample size falls to ``least`` of the batch: ``sqrt(log(1 / least)) / s``.

    It is infinite where clipping stops the spread earlier. A clipped token is pushed no further, and in the laboratory
    the standard deviation of the log ratio stayed below `SATURATION` times the logarithm of the upper end of the clip
    range.
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


def growth_of_clip(share: Numbers, refresh_interval: int, clip_range: float) -> Floats:
    """Growth that explains a mean share of clipped tokens; 0 for none, infinite beyond what any growth gives."""
    table = np.array([float(clipped_share(g, refresh_interval, clip_range)) for g in _GROWTHS])
    value = np.interp(np.asarray(share, float), table, np.log(_GROWTHS), left=-np.inf, right=np.inf)
    return np.asarray(np.exp(value))


def growth_channels(refresh_interval: int, clip_range: float | None) -> Mapping[str, Callable[[Floats], Floats]]:
    """For each logged quantity, the growth that its mean over the updates of a batch implies."""
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
