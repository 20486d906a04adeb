"""A sequential test for a fall of the reward: a CUSUM with a calibrated boundary.

The test looks at every row and keeps a stated rate of false alarms, for its boundary was set on the rate at which
healthy runs cross it. Each reward is compared with the best level so far, in units of the scatter so far; falls beyond
`SLACK` add up, and all else takes the sum back towards zero (Page 1954). Only rows up to the current one count.
"""

import tomllib
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

import numpy as np

from bayes_grpo.errors import InputError

#: False alarms per 1,000 steps of a healthy run unless another rate is asked for: 4 % of healthy runs are then alarmed.
FALSE_ALARMS = 0.2
#: Rows that level and scatter are learned from before the test begins.
LEAST_ROWS = 15
#: Scatters that a reward may lie below the best level without counting, and the most that one row may count.
SLACK, MOST = 1.5, 4.0
#: Weight of a row in the running level, and what the scatter is at least of the root mean square of differences.
LEVEL_WEIGHT, LEAST_SCATTER = 0.2, 0.8


class Boundary(NamedTuple):
    """How often healthy runs cross a boundary: ``log(alarms per 1,000 rows) = intercept - slope * boundary``."""

    intercept: float
    slope: float
    highest_rate: float
    lowest_rate: float

    def at(self, per_thousand_rows: float) -> float:
        """Boundary that healthy runs cross so often."""
        return float((self.intercept - np.log(per_thousand_rows)) / self.slope)


class Alarm(NamedTuple):
    """A fall of the reward.

    ``step`` is the optimizer step at which the boundary was crossed, ``since`` the step from which on the reward was
    below its best level, ``reward`` the mean since then, and ``best`` that level.
    """

    step: float
    since: float
    reward: float
    best: float
    statistic: float
    boundary: float


def load_boundary(path: Path | None = None) -> Boundary:
    """The boundary that comes with the package."""
    table = tomllib.loads((path or Path(__file__).with_name("alarms.toml")).read_text(encoding="utf-8"))
    return Boundary(*(float(table[name]) for name in Boundary._fields))


@dataclass
class Detector:
    """The test of one run, row by row.

    Parameters
    ----------
    boundary : float
        The sum at which an alarm is raised; `boundary_for` gives it for a rate of false alarms.
    """

    boundary: float
    statistic: float = 0.0
    best: float = float("-inf")
    _level: float = float("nan")
    _differences: list[float] = field(default_factory=list)
    _below: list[tuple[float, float]] = field(default_factory=list)
    _last: float = float("nan")
    _rows: int = 0

    def add(self, step: float, reward: float) -> Alarm | None:
        """Take in a row; an alarm where the boundary is crossed, after which sum and best level begin anew.

        Parameters
        ----------
        step : float
            Optimizer step.
        reward : float
            Logged reward; NaN is passed over.
        """
        if not np.isfinite(reward):
            return None
        alarm = None
        if self._rows >= LEAST_ROWS:
            fall = min((self.best - reward) / self._scatter(), MOST) - SLACK
            self.statistic = max(0.0, self.statistic + max(fall, -MOST - SLACK))
            self._below = [*self._below, (step, reward)] if self.statistic > 0 else []
            if self.statistic > self.boundary:
                mean = float(np.mean([value for _, value in self._below]))
                alarm = Alarm(step, self._below[0][0], mean, self.best, self.statistic, self.boundary)
                self.statistic, self._below = 0.0, []
                self.best = self._level = reward  # the next alarm is for a further fall
        self._learn(reward)
        return alarm

    def _scatter(self) -> float:
        size = np.abs(self._differences)
        robust = float(np.median(size)) / 0.954  # the median of |a - b| of two normal values over their scatter
        rough = LEAST_SCATTER * float(np.sqrt(np.mean(size**2) / 2))
        return max(robust, rough, 1e-9)

    def _learn(self, reward: float) -> None:
        if self._rows:
            self._differences.append(reward - self._last)
        self._last, self._rows = reward, self._rows + 1
        weight = max(LEVEL_WEIGHT, 1 / self._rows)
        self._level = reward if self._rows == 1 else self._level + weight * (reward - self._level)
        self.best = max(self.best, self._level) if self._rows > LEAST_ROWS else self._level


def boundary_for(false_alarms: float, step_spacing: float = 1.0) -> float:
    """Boundary at a rate of false alarms.

    Parameters
    ----------
    false_alarms : float
        Per 1,000 optimizer steps of a healthy run.
    step_spacing : float
        Steps from one row to the next: the rate counts steps, and the test looks at rows.

    Raises
    ------
    InputError
        If the rate is outside what healthy runs can tell.
    """
    calibrated = load_boundary()
    per_rows = false_alarms * step_spacing
    if not calibrated.lowest_rate <= per_rows <= calibrated.highest_rate:
        low, high = calibrated.lowest_rate / step_spacing, calibrated.highest_rate / step_spacing
        raise InputError(
            "false alarms",
            f"expected a rate per 1,000 steps between {low:.2g} and {high:.2g} where rows are {step_spacing:g} steps "
            f"apart, found {false_alarms:g}: the calibration reaches no further",
        )
    return calibrated.at(per_rows)


def spacing_of(steps: np.ndarray) -> float:
    """Steps from one row to the next: the median of those above zero, 1 where there are none."""
    gaps = np.diff(steps)
    return float(np.median(gaps[gaps > 0])) if (gaps > 0).any() else 1.0


def alarms(steps: Iterable[float], rewards: Iterable[float], boundary: float) -> list[Alarm]:
    """All alarms of a log, as they would have been raised row by row.

    Parameters
    ----------
    steps, rewards : iterable of float
        The log.
    boundary : float
        From `boundary_for`.

    Examples
    --------
    >>> import numpy as np
    >>> from bayes_grpo.analysis.alarms import alarms, boundary_for
    >>> reward = np.where(np.arange(100) < 60, 0.7, 0.1) + 0.05 * np.sin(np.arange(100) * 7.0)
    >>> [float(alarm.step) for alarm in alarms(np.arange(100), reward, boundary_for(0.1))][:1]
    [66.0]
    """
    detector = Detector(boundary)
    raised = (detector.add(step, reward) for step, reward in zip(steps, rewards, strict=True))
    return [alarm for alarm in raised if alarm is not None]
