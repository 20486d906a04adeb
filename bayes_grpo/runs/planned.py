"""A run that is planned: its settings, and what is wrong with them."""

from dataclasses import dataclass

import numpy as np

#: What numbers must be: a sentence, the least and the largest value, and whether the least itself is allowed.
_RANGES: dict[str, tuple[str, float, float, bool]] = {
    "group_size": ("a whole number from 2 to 10,000", 2, 10_000, True),
    "prompts_per_step": ("a whole number of at least 1", 1, np.inf, True),
    "refresh_interval": ("a whole number of at least 1", 1, np.inf, True),
    "learning_rate": ("a number above 0", 0, np.inf, False),
    "kl": ("a number of at least 0", 0, np.inf, True),
    "wrong": ("a probability, below that of right", 0, 1, True),
    "right": ("a probability, above that of wrong", 0, 1, True),
    "clip_range": ("a number above 0", 0, np.inf, False),
    "steps": ("a number from 5 to 1,000,000,000", 5, 1e9, True),
    "model_size": ("a number above 0", 0, np.inf, False),
    "completion_seconds": ("a number above 0", 0, np.inf, False),
    "update_seconds": ("a number above 0", 0, np.inf, False),
}
_WHOLE = ("group_size", "prompts_per_step", "refresh_interval")


@dataclass(frozen=True)
class PlannedRun:
    """A run that is planned.

    Parameters
    ----------
    group_size, prompts_per_step, refresh_interval : float
        Completions per prompt G, prompts per update B, updates on a batch of rollouts K.
    learning_rate : float, optional
        Only its ratio to that of earlier runs, or to other values, matters.
    kl : float
        Weight of the KL term in the loss.
    wrong, right : float
        Probability that a wrong and a right answer is rewarded.
    clip_range : float
        Half-width of the range in which importance ratios are not clipped.
    steps : float
        Optimizer updates.
    reward_lower, reward_upper : float
        What no reward and full reward are worth.
    model_size : float, optional
        Parameters of the policy; only its ratio to that of earlier runs matters.
    completion_seconds, update_seconds : float, optional
        Seconds that a completion and an update take.
    normalisation : {"group", "none"}
        Advantages over the group's standard deviation (GRPO), or as they are (Dr. GRPO).
    """

    group_size: float = 8
    prompts_per_step: float = 16
    refresh_interval: float = 1
    learning_rate: float | None = None
    kl: float = 0.0
    wrong: float = 0.0
    right: float = 1.0
    clip_range: float = 0.2
    steps: float = 500
    reward_lower: float = 0.0
    reward_upper: float = 1.0
    model_size: float | None = None
    completion_seconds: float | None = None
    update_seconds: float | None = None
    normalisation: str = "group"

    @property
    def reward_range(self) -> float:
        """Largest reward less the smallest."""
        return self.reward_upper - self.reward_lower

    @property
    def completions_per_update(self) -> float:
        """Completions that are drawn for each update; a batch that is used K times costs each a K-th."""
        return self.group_size * self.prompts_per_step / self.refresh_interval

    @property
    def seconds_per_update(self) -> float | None:
        """Seconds that an update takes, its share of the completions included; None where unknown."""
        if self.completion_seconds is None or self.update_seconds is None:
            return None
        return self.completion_seconds * self.completions_per_update + self.update_seconds

    def faults(self) -> list[str]:
        """A sentence for each setting that is impossible."""
        out = []
        for name, (expected, low, high, closed) in _RANGES.items():
            value = getattr(self, name)
            if value is None:
                continue
            inside = (value >= low if closed else value > low) and value <= high and np.isfinite(value)
            if not inside or (name in _WHOLE and value != round(value)):
                out.append(f"{name}: expected {expected}, found {value:g}")
        if not out and self.wrong >= self.right:
            out.append(f"wrong: expected a probability below that of right, {self.right:g}, found {self.wrong:g}")
        if not self.reward_lower < self.reward_upper:
            out.append(f"reward_lower: expected a number below {self.reward_upper:g}, found {self.reward_lower:g}")
        if self.normalisation not in ("group", "none"):
            out.append(f"normalisation: expected group or none, found {self.normalisation!r}")
        return out
