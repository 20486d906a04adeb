"""What reuse does to importance ratios: against draws of log ratios, and every channel back to its growth."""

import numpy as np
import pytest

from bayes_grpo.laws import reuse


def drawn(growth: float, interval: int, tokens: int = 400_000) -> dict[str, float]:
    """Mean figures of a batch's updates from drawn log ratios; a token is clipped if it moves as its advantage asks."""
    rng = np.random.default_rng(1)
    figures = []
    for age in range(interval):
        spread = growth * age
        log_ratio = rng.normal(-(spread**2) / 2, spread, tokens) if spread else np.zeros(tokens)
        ratio, wanted = np.exp(log_ratio), rng.integers(0, 2, tokens).astype(bool)
        clipped = np.where(wanted, ratio > 1.2, ratio < 0.8)
        figures.append(
            (log_ratio.var(), ratio.sum() ** 2 / tokens / (ratio**2).sum(), log_ratio.mean(), clipped.mean())
        )
    variance, share, mean, clip = np.mean(figures, axis=0)
    return {
        "update_kl": -mean,
        "log_ratio_variance": variance,
        "effective_sample_share": share,
        "log_ratio_mean": mean,
        "clip_ratio": clip,
    }


@pytest.mark.parametrize(("growth", "interval"), [(0.05, 4), (0.03, 8), (0.02, 16)])
def test_every_channel_gives_the_growth_back(growth: float, interval: int) -> None:
    """Clip shares are of log ratios without their small mean: up to 8 % off."""
    figures = drawn(growth, interval)
    for name, invert in reuse.growth_channels(interval, 0.2).items():
        assert float(invert(np.array(figures[name]))) == pytest.approx(growth, rel=0.08), name


def test_sample_size_falls_to_half_at_its_limit() -> None:
    limit = float(reuse.effective_share_limit(0.05, 1e6))
    assert np.exp(-((0.05 * limit) ** 2)) == pytest.approx(0.5)
    assert np.isinf(reuse.effective_share_limit(0.05, 0.2)) and np.isinf(reuse.effective_share_limit(0.0, 1e6))


def test_clipping_grows_with_reuse_and_stays_below_half() -> None:
    shares = [float(reuse.clipped_share(0.05, k, 0.2)) for k in (1, 2, 8, 64, 1024)]
    assert shares[0] == 0 and (np.diff(shares) > 0).all() and shares[-1] < 0.5
    assert float(reuse.clipped_share(0.05, 64, 1e6)) < 1e-6
