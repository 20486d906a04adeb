"""Names, units and possible ranges of what can be known about a run."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np

from bayes_grpo.errors import InputError


@dataclass(frozen=True)
class Field:
    """Unit and meaning of a variable, and its possible range."""

    unit: str
    meaning: str
    low: float = -math.inf
    high: float = math.inf
    low_open: bool = False
    high_open: bool = False

    def allows(self, value: float) -> bool:
        """Whether a finite value lies in the possible range."""
        above = value > self.low if self.low_open else value >= self.low
        below = value < self.high if self.high_open else value <= self.high
        return above and below

    def forbids(self, values: np.ndarray) -> np.ndarray:
        """Which values lie outside the possible range; NaN does not."""
        below = values <= self.low if self.low_open else values < self.low
        above = values >= self.high if self.high_open else values > self.high
        outside: np.ndarray = below | above
        return outside

    def expected(self) -> str:
        """The possible range in words."""
        parts = []
        if self.low > -math.inf:
            parts.append(f"{'above' if self.low_open else 'at least'} {self.low:g}")
        if self.high < math.inf:
            parts.append(f"{'below' if self.high_open else 'at most'} {self.high:g}")
        return "a number " + " and ".join(parts) if parts else "a number"


#: Per-row variables, dims (run, step).
STEP_FIELDS: dict[str, Field] = {
    "optimizer_step": Field("step", "optimizer step at which the row was logged"),
    "reward": Field("reward", "mean training reward of the completions of the step (or of its logging window)"),
    "learning_rate": Field("1/step", "learning rate as logged", low=0),
    "reward_spread": Field("reward", "standard deviation of rewards; its meaning is the attribute 'spread'", low=0),
    "entropy": Field("nat/token", "policy entropy"),
    "kl": Field("nat", "divergence from the reference policy"),
    "completion_length": Field("token", "mean completion length", low=0),
    "truncation_share": Field("1", "share of completions cut at the longest length", low=0, high=1),
    "grad_norm": Field("1", "gradient norm", low=0),
    "clip_ratio": Field("1", "share of tokens whose importance ratio was clipped", low=0, high=1),
    "update_kl": Field("nat/token", "divergence of the policy from the one that drew the rollouts (PPO's approx_kl)"),
    "log_ratio_mean": Field("nat", "mean log importance ratio of the tokens trained on"),
    "log_ratio_variance": Field("nat^2", "variance of the log importance ratio of the tokens trained on", low=0),
    "effective_sample_share": Field(
        "1", "effective sample size under the importance ratios to the policy that drew, over the tokens", low=0, high=1
    ),
    "clipped_drive_share": Field(
        "1", "share of the absolute advantage on tokens whose ratio was clipped", low=0, high=1
    ),
    "gradient_cosine": Field("1", "cosine between this update's gradient and that before", low=-1.0001, high=1.0001),
    "zero_spread_share": Field("1", "share of groups whose rewards are all equal", low=0, high=1),
    "all_right_share": Field("1", "share of groups whose completions all have the highest reward", low=0, high=1),
    "all_wrong_share": Field("1", "share of groups whose completions all have the lowest reward", low=0, high=1),
    "evaluation_reward": Field("reward", "mean reward by a metric, or on prompts, that are not trained on"),
    "step_time": Field("s/step", "duration of an optimizer step, drawing the rollouts included", low=0),
    "rollout_age": Field("step", "policy versions between drawing the rollouts and training on them, mean", low=0),
    "importance_chi2": Field("1", "chi2 divergence of the importance weights between sampler and trainer"),
    "logprob_difference": Field(
        "nat/token",
        "difference of a token's log-probability between sampler and trainer, mean; absolute where logged so",
    ),
}

#: Mean of each reward function, dims (run, step, component).
COMPONENTS = Field("reward", "mean of each reward function, before weighting, over the completions of the step")

#: Per-run variables, dim (run). What would cost memory or time without end, were it stated, has an upper end that no
#: training reaches.
RUN_FIELDS: dict[str, Field] = {
    "group_size": Field("completion/prompt", "completions sampled for each prompt (G)", low=1, high=10_000),
    "prompts_per_step": Field("prompt/step", "prompts per optimizer step (B)", low=0, low_open=True),
    "momentum": Field("1", "optimizer momentum: Adam's beta1 or heavy-ball's", low=0, high=0.9999),
    "refresh_interval": Field("step", "optimizer updates made on one batch of rollouts (K)", low=1),
    "logging_window": Field("step", "optimizer steps averaged in one logged row", low=1, high=10_000),
    "planned_steps": Field("step", "optimizer steps the run was planned for", low=1),
    "reward_lower": Field("reward", "smallest possible reward"),
    "reward_upper": Field("reward", "largest possible reward"),
    "kl_weight": Field("1", "weight of the divergence from the reference policy in the loss (b)", low=0),
    "clip_range": Field(
        "1", "half-width of the range in which importance ratios are not clipped", low=0, low_open=True
    ),
    "reference_reward": Field("reward", "expected reward of the reference policy"),
    "wrong_reward": Field("reward", "expected reward of a wrong answer"),
    "right_reward": Field("reward", "expected reward of a right answer"),
    "model_size": Field("parameter", "number of parameters of the policy", low=0, low_open=True),
}

#: What a logged reward spread can mean: the standard deviation inside a group, or over the whole batch.
SPREADS = ("within_group", "batch", "unknown")

#: Rows with a reward that a run must have.
MIN_ROWS = 5


def check_hyperparameters(where: str, values: Mapping[str, Any]) -> dict[str, float]:
    """Check hyperparameters and return them as floats.

    Raises
    ------
    InputError
        Lists every unknown name, non-number and impossible value at once.
    """
    faults = []
    clean: dict[str, float] = {}
    for name, value in values.items():
        field = RUN_FIELDS.get(name)
        if field is None:
            faults.append(f"unknown hyperparameter {name!r}; known are {', '.join(RUN_FIELDS)}")
            continue
        try:
            if isinstance(value, bool):
                raise ValueError
            number = float(value)
        except (TypeError, ValueError):
            faults.append(f"{name}: expected {field.expected()}, found {value!r}")
            continue
        if not math.isfinite(number) or not field.allows(number):
            faults.append(f"{name}: expected {field.expected()}, found {number:g}")
            continue
        clean[name] = number
    lower, upper = clean.get("reward_lower"), clean.get("reward_upper")
    if lower is not None and upper is not None and lower >= upper:
        faults.append(f"reward_lower: expected a number below reward_upper = {upper:g}, found {lower:g}")
    faults += _order_faults(clean)
    if faults:
        raise InputError(where, faults)
    return clean


def _order_faults(known: Mapping[str, float]) -> list[str]:
    """What is wrong with the order of what answers earn, as far as it is known.

    The reference answers right now and then, so its reward lies between the two; what answers earn may be at a bound.
    """
    bounds = ("reward_lower", "reward_upper")
    order = [bounds[0], "wrong_reward", "reference_reward", "right_reward", bounds[1]]
    faults = []
    for low, high in pairwise(name for name in order if name in known):
        at_bound = "reference_reward" not in (low, high) and (low in bounds or high in bounds)
        if (low, high) == bounds or known[low] < known[high] or (at_bound and known[low] == known[high]):
            continue
        name, side, other = (high, "above", low) if high not in bounds else (low, "below", high)
        faults.append(f"{name}: expected a number {side} {other} = {known[other]:g}, found {known[name]:g}")
    return faults
