"""Small runs of known kind, and where things lie."""

from pathlib import Path

import numpy as np

#: Root of the checkout.
ROOT = Path(__file__).parents[1]
#: Public runs, an optional folder beside the checkout.
PUBLIC = ROOT.parent / "shared" / "data"

FACTS = {
    "group_size": 8,
    "prompts_per_step": 16,
    "momentum": 0.9,
    "refresh_interval": 1,
    "logging_window": 1,
    "planned_steps": 60,
    "reward_lower": 0,
    "reward_upper": 1,
}


def curve(n: int = 60, seed: int = 0) -> np.ndarray:
    """Rewards in [0, 1] that rise with timescale 15 to 0.7, with sampling noise 0.04."""
    rng = np.random.default_rng(seed)
    return np.clip(0.7 - 0.5 * np.exp(-np.arange(n) / 15) + 0.04 * rng.normal(size=n), 0, 1)
