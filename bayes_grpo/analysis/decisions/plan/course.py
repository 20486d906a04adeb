"""The balance law's course from a start, per unit of rate: prompts of any difficulty that improve side by side.

The logits of all prompts rise together by ``r``, and each prompt's reward drives them:
``dr/dt = k [(1 - clipped) mean_i drive(x_i(r)) - b r]``, see `bayes_grpo.laws.balance`.
"""

from typing import NamedTuple

import numpy as np

from bayes_grpo.laws.balance import balance_drive
from bayes_grpo.runs.planned import PlannedRun

_LOGITS = np.linspace(-12, 12, 481)
_REACH, _COARSE, _FINE = 14.0, 561, 400
_GAIN = 0.95


class Course(NamedTuple):
    """Mean reward as a place between the bounds, and the updates times rate until then; shape (point,)."""

    time: np.ndarray
    reward: np.ndarray

    @property
    def start(self) -> float:
        """Reward at the start."""
        return float(self.reward[0])

    @property
    def end(self) -> float:
        """Reward at the plateau."""
        return float(self.reward[-1])

    @property
    def time_to_95(self) -> float:
        """Updates times rate to 95 % of the gain."""
        return float(np.interp(_GAIN, (self.reward - self.start) / (self.end - self.start), self.time))

    def after(self, time: np.ndarray) -> np.ndarray:
        """Reward after updates times rate."""
        return np.asarray(np.interp(time, self.time, self.reward))


def rewards_of(starts: np.ndarray, rise: np.ndarray, setting: PlannedRun) -> np.ndarray:
    """Expected reward of each prompt, as a place between the bounds; shape (rise, prompt)."""
    logits = np.log(starts) - np.log1p(-starts)
    chances = 1 / (1 + np.exp(-(logits + rise[:, None])))
    return np.asarray(setting.wrong + (setting.right - setting.wrong) * chances)


def unit_course(starts: np.ndarray, setting: PlannedRun, clipped: float = 0.0) -> Course:
    """The course at rate 1.

    Parameters
    ----------
    starts : numpy.ndarray
        Success probability of each prompt, shape (prompt,).
    setting : PlannedRun
        Group size, KL weight, and what answers earn.
    clipped : float
        Share of the drive that clipping removes.
    """
    drives = np.asarray(
        balance_drive(
            1 / (1 + np.exp(-_LOGITS)), setting.group_size, setting.right - setting.wrong, setting.normalisation
        )
    )

    def force(rise: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        x = np.clip(rewards_of(starts, rise, setting), 1e-6, 1 - 1e-6)
        drive = np.interp(np.log(x) - np.log1p(-x), _LOGITS, drives).mean(1)
        return (1 - clipped) * drive - setting.kl * rise, x.mean(1)

    grid = np.linspace(0, _REACH, _COARSE)
    values, _ = force(grid)
    top, first = float(grid[-1]), int((values <= 0).argmax())
    if values[first] <= 0:
        before = max(first - 1, 0)
        share = 0.0 if first == before else values[before] / (values[before] - values[first])
        top = float(grid[before] + share * (grid[1] - grid[0]))
    rise = max(top, 1e-6) * np.linspace(0, 1, _FINE)
    values, reward = force(rise)
    slowness = 1 / np.maximum(values, 1e-9)
    time = np.concatenate([[0.0], np.cumsum((slowness[1:] + slowness[:-1]) / 2 * np.diff(rise))])
    return Course(time, reward)


def signal_of(starts: np.ndarray, setting: PlannedRun) -> float:
    """Share of groups at the start whose rewards differ, for rewards of 0 or 1."""
    x, size = rewards_of(starts, np.zeros(1), setting)[0], setting.group_size
    return float((1 - x**size - (1 - x) ** size).mean())


def scatter_of(starts: np.ndarray, setting: PlannedRun) -> float:
    """Standard deviation of one logged mean reward at the start, as a share of the range: prompts and completions."""
    x = rewards_of(starts, np.zeros(1), setting)[0]
    within = float((x * (1 - x)).mean()) / (setting.group_size * setting.prompts_per_step)
    return float(np.sqrt(within + x.var() / setting.prompts_per_step))
