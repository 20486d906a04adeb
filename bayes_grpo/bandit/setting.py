"""What a bandit experiment is: its arms, rewards and trainer settings, all checked at once."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields
from operator import attrgetter
from typing import NamedTuple

import numpy as np

from bayes_grpo.errors import InputError
from bayes_grpo.laws.finite_groups import NORMALISATIONS

OPTIMIZERS = ("heavy_ball", "adam")
#: What the later updates on the same rollouts do: repeat the first gradient, re-weight it, or re-weight and clip it
#: (PPO).
STALENESS = ("frozen", "weighted", "clipped")
SCHEDULES = ("constant", "linear", "cosine")


@dataclass(frozen=True, kw_only=True)
class Bandit:
    """A softmax bandit trained by GRPO.

    The policy is ``pi = softmax(theta)`` over n arms; each step draws ``prompts_per_step`` groups of ``group_size``
    arms.

    Parameters
    ----------
    reward_mean : sequence of float, shape (n,)
        Mean reward of each arm; the success probability where rewards are 0 or 1.
    reward_sd : sequence of float, shape (n,), optional
        Standard deviations of Gaussian rewards; None for rewards of 0 or 1.
    reference, initial : sequence of float, shape (n,), optional
        Logits of the policy that KL pulls towards (default: uniform), and of the policy at the start (default: the
        reference).
    kl : float
        Weight of ``KL(pi || reference)``, exact rather than estimated, in reward units.
    normalisation : {"group", "none", "batch"}
        What advantages are divided by: the group's standard deviation (GRPO), nothing (Dr. GRPO), or the batch's.
    optimizer : {"heavy_ball", "adam"}
        Heavy ball is ``u <- beta1 u + (1 - beta1) eta g``, ``theta <- theta + u``.
    learning_rate : float
        Peak rate, 1/step.
    momentum, adam_beta2 : float
        beta1 in [0, 1), and Adam's beta2.
    group_size, prompts_per_step : int
        G >= 2 and B >= 1.
    refresh_interval : int
        Optimizer updates made on one batch of rollouts, K >= 1.
    staleness : {"frozen", "weighted", "clipped"}
        What the updates after the first do with the batch.
    clip : float
        Half-width of the clipping range of the importance ratio.
    steps, warmup_steps : int
        Optimizer updates, and those of them that warm the learning rate up linearly.
    schedule : {"constant", "linear", "cosine"}
        Learning rate after warm-up.

    Raises
    ------
    InputError
        Lists every impossible setting.

    Examples
    --------
    >>> from bayes_grpo.bandit import Bandit
    >>> Bandit(group_size=16, refresh_interval=4, staleness="clipped").binary
    True
    """

    reward_mean: Sequence[float] = (1.0, 0.0)
    reward_sd: Sequence[float] | None = None
    reference: Sequence[float] | None = None
    initial: Sequence[float] | None = None
    kl: float = 0.5
    normalisation: str = "none"
    optimizer: str = "heavy_ball"
    learning_rate: float = 0.1
    momentum: float = 0.9
    adam_beta2: float = 0.999
    group_size: int = 8
    prompts_per_step: int = 1
    refresh_interval: int = 1
    staleness: str = "frozen"
    clip: float = 0.2
    steps: int = 500
    warmup_steps: int = 0
    schedule: str = "constant"

    def __post_init__(self) -> None:
        """Check everything, then fill in the reference and the start."""
        faults = _faults(self)
        if faults:
            raise InputError("bandit", faults)
        reference = tuple(self.reference) if self.reference is not None else (0.0,) * len(self.reward_mean)
        object.__setattr__(self, "reward_mean", tuple(self.reward_mean))
        object.__setattr__(self, "reference", reference)
        object.__setattr__(self, "initial", tuple(self.initial) if self.initial is not None else reference)
        if self.reward_sd is not None:
            object.__setattr__(self, "reward_sd", tuple(self.reward_sd))

    @property
    def binary(self) -> bool:
        """Whether rewards are 0 or 1."""
        return self.reward_sd is None

    def rates(self) -> np.ndarray:
        """Learning rate of each update over its peak, shape (steps,)."""
        t = np.arange(self.steps)
        warm = np.minimum(1.0, (t + 1) / (self.warmup_steps + 1)) if self.warmup_steps else np.ones(self.steps)
        left = np.clip((t - self.warmup_steps) / max(self.steps - self.warmup_steps, 1), 0, 1)
        decay = {"constant": np.ones(self.steps), "linear": 1 - left, "cosine": (1 + np.cos(np.pi * left)) / 2}
        rates: np.ndarray = warm * decay[self.schedule]
        return rates


class Structure(NamedTuple):
    """What a compiled program depends on; bandits with equal structures run side by side."""

    binary: bool
    normalisation: str
    optimizer: str
    staleness: str
    most_group: int
    most_prompts: int


class Numbers(NamedTuple):
    """The rest of a bandit, as arrays; a leading dimension may count bandits."""

    reward_mean: np.ndarray
    reward_sd: np.ndarray
    reference: np.ndarray
    initial: np.ndarray
    rates: np.ndarray
    kl: np.ndarray
    learning_rate: np.ndarray
    momentum: np.ndarray
    adam_beta2: np.ndarray
    group_size: np.ndarray
    prompts: np.ndarray
    refresh_interval: np.ndarray
    clip: np.ndarray


def split(bandits: Sequence[Bandit]) -> tuple[Structure, Numbers]:
    """The structure that bandits share, and their other settings as stacked arrays.

    Raises
    ------
    InputError
        If they differ in what they must share: arms, steps, kind of reward, normalisation, optimizer, staleness.
    """
    _check_alike(bandits)
    first = bandits[0]
    structure = Structure(
        first.binary,
        first.normalisation,
        first.optimizer,
        first.staleness,
        max(b.group_size for b in bandits),
        max(b.prompts_per_step for b in bandits),
    )
    of_each: dict[str, Callable[[Bandit], object]] = {
        "reward_sd": lambda b: b.reward_sd or (0.0,) * len(b.reward_mean),
        "rates": lambda b: b.rates(),
        "prompts": lambda b: b.prompts_per_step,
    }
    settings = {name: of_each.get(name, attrgetter(name)) for name in Numbers._fields}
    return structure, Numbers(
        **{name: np.array([setting(b) for b in bandits], dtype=float) for name, setting in settings.items()}
    )


def _check_alike(bandits: Sequence[Bandit]) -> None:
    """Refuse bandits that cannot run side by side."""
    if not bandits:
        raise InputError("bandits", "expected at least one, found none")
    alike: dict[str, list[object]] = {
        "number of arms": [len(b.reward_mean) for b in bandits],
        "steps": [b.steps for b in bandits],
        "kind of reward": ["binary" if b.binary else "gaussian" for b in bandits],
        "normalisation": [b.normalisation for b in bandits],
        "optimizer": [b.optimizer for b in bandits],
        "staleness": [b.staleness for b in bandits],
    }
    different = {name: sorted({str(value) for value in values}) for name, values in alike.items()}
    faults = [
        f"{name}: expected the same for all, found {', '.join(values)}; simulate them apart"
        for name, values in different.items()
        if len(values) > 1
    ]
    if faults:
        raise InputError("bandits", faults)


_RANGES: dict[str, tuple[str, Callable[[float], bool]]] = {
    "kl": ("at least 0", lambda v: v >= 0),
    "learning_rate": ("above 0", lambda v: v > 0),
    "momentum": ("at least 0 and below 1", lambda v: 0 <= v < 1),
    "adam_beta2": ("at least 0 and below 1", lambda v: 0 <= v < 1),
    "group_size": (
        "an integer from 2 (one completion has no advantage) to 10,000",
        lambda v: 2 <= v <= 10_000 and v == int(v),
    ),
    "prompts_per_step": ("an integer from 1 to 1,000,000", lambda v: 1 <= v <= 1_000_000 and v == int(v)),
    "refresh_interval": ("an integer of at least 1", lambda v: v >= 1 and v == int(v)),
    "clip": ("above 0 and below 1", lambda v: 0 < v < 1),
    "steps": ("an integer from 1 to 1,000,000", lambda v: 1 <= v <= 1_000_000 and v == int(v)),
    "warmup_steps": ("an integer of at least 0", lambda v: v >= 0 and v == int(v)),
}
_CHOICES = {
    "normalisation": NORMALISATIONS,
    "optimizer": OPTIMIZERS,
    "staleness": STALENESS,
    "schedule": SCHEDULES,
}


def _faults(bandit: Bandit) -> list[str]:
    faults = []
    for name, (expected, allowed) in _RANGES.items():
        value = getattr(bandit, name)
        number = isinstance(value, int | float) and not isinstance(value, bool)
        if not number or not math.isfinite(value) or not allowed(value):
            faults.append(f"{name}: expected {expected}, found {value!r}")
    for name, choices in _CHOICES.items():
        if getattr(bandit, name) not in choices:
            faults.append(f"{name}: expected one of {', '.join(choices)}, found {getattr(bandit, name)!r}")
    return faults + _arm_faults(bandit)


def _arm_faults(bandit: Bandit) -> list[str]:
    means = list(bandit.reward_mean)
    if len(means) < 2:
        return [f"reward_mean: expected two arms or more, found {len(means)}"]
    faults = []
    for name in (f.name for f in fields(bandit) if f.name in ("reward_mean", "reward_sd", "reference", "initial")):
        values = getattr(bandit, name)
        if values is None:
            continue
        if len(values) != len(means):
            faults.append(f"{name}: expected {len(means)} values, one an arm, found {len(values)}")
        elif not all(math.isfinite(v) for v in values):
            faults.append(f"{name}: expected finite numbers, found {list(values)}")
    if bandit.reward_sd is None and not all(0 <= v <= 1 for v in means):
        faults.append(
            f"reward_mean: expected probabilities between 0 and 1, found {means}; for other rewards give reward_sd"
        )
    if bandit.reward_sd is not None and any(v < 0 for v in bandit.reward_sd):
        faults.append(f"reward_sd: expected values of at least 0, found {list(bandit.reward_sd)}")
    if len(set(means)) == 1:
        faults.append(f"reward_mean: expected arms that differ, found {means[0]} for all; nothing could be learned")
    return faults
