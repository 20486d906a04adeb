"""A sequential test for a fall of the reward: a switching filter with a calibrated boundary.

The test looks at every row and keeps a stated rate of false alarms, for its boundary was set on the rate at which
healthy runs cross it. A filter of the regimes steady, jump and collapse (`bayes_grpo.analysis.switching`) follows the
level, and its log odds that the level is in a collapse are compared with the boundary. Only rows up to the current one
count.
"""

import tomllib
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

import numpy as np

from bayes_grpo.analysis.switching import LEAST_GAIN, Regimes, Switching, follow, load_rates, scatter_of, start
from bayes_grpo.errors import InputError

#: False alarms per 1,000 steps of a healthy run unless another rate is asked for: 4 % of healthy runs are then alarmed.
FALSE_ALARMS = 0.3
#: Rows that level and scatter are learned from before the test begins.
LEAST_ROWS = 15
#: Weight of a row in the running level.
LEVEL_WEIGHT = 0.2
#: A collapse has begun where its log odds pass this: a probability of 0.05.
BEGUN = float(np.log(0.05 / 0.95))
#: While a collapse is more probable than not, this share of the log odds of each row counts at the next ones, too. The
#: odds of one row are bounded, for a regime may end at any row.
CARRIED = 0.1
#: Log odds are no less than this, and so much before the test begins and after an alarm.
LEAST_ODDS = -25.0


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

    ``step`` is the optimizer step at which the boundary was crossed, ``since`` the step from which on a collapse was
    likelier than `BEGUN`, ``reward`` the mean since then, and ``best`` the best running mean before.
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
    """The test of one run, row by row; rows are its unit of time.

    Parameters
    ----------
    boundary : float
        The log odds at which an alarm is raised; `boundary_for` gives it for a rate of false alarms.
    """

    boundary: float
    statistic: float = LEAST_ODDS
    best: float = float("-inf")
    _level: float = float("nan")
    _highest: float = float("-inf")
    _first: list[float] = field(default_factory=list)
    _differences: list[float] = field(default_factory=list)
    _below: list[tuple[float, float]] = field(default_factory=list)
    _carried: float = 0.0
    _last: float = float("nan")
    _regimes: Regimes | None = None

    def add(self, step: float, reward: float) -> Alarm | None:
        """Take in a row; an alarm where the boundary is crossed, after which filter and best level begin anew.

        Parameters
        ----------
        step : float
            Optimizer step.
        reward : float
            Logged reward; NaN is passed over.
        """
        if not np.isfinite(reward):
            return None
        alarm = self._test(step, reward) if self._regimes is not None else None
        if np.isfinite(self._last):
            self._differences.append(abs(reward - self._last))
        self._last = reward
        if self._regimes is None:
            self._begin(reward)
        elif alarm is None:
            self._level += LEVEL_WEIGHT * (reward - self._level)
            self.best, self._highest = max(self.best, self._level), max(self._highest, self._level)
        return alarm

    def _begin(self, reward: float) -> None:
        """Learn the first level; the filter begins where there are enough rows."""
        self._first.append(reward)
        if len(self._first) == LEAST_ROWS:
            self.best = self._level = self._highest = float(np.mean(self._first))
            self._regimes = start(self._level, float(np.var(self._first)) / LEAST_ROWS)

    def _test(self, step: float, reward: float) -> Alarm | None:
        scatter = scatter_of(np.array(self._differences))
        gain = max(self._highest - float(np.mean(self._first)), LEAST_GAIN * scatter)
        assert self._regimes is not None
        self._regimes = follow(self._regimes, Switching(gain, scatter, load_rates()), 1.0, reward)
        falling = float(self._regimes.probability[2])
        odds = float(np.clip(np.log(max(falling, 1e-300)) - np.log(max(1 - falling, 1e-300)), LEAST_ODDS, -LEAST_ODDS))
        self.statistic = odds + (self._carried if odds > 0 else 0.0)
        self._carried = self._carried + CARRIED * odds if odds > 0 else 0.0
        self._below = [*self._below, (step, reward)] if odds > BEGUN else []
        if self.statistic <= self.boundary:
            return None
        since = self._below or [(step, reward)]
        mean = float(np.mean([value for _, value in since]))
        alarm = Alarm(step, since[0][0], mean, self.best, self.statistic, self.boundary)
        self.statistic, self._carried, self._below = LEAST_ODDS, 0.0, []
        self.best = self._level = reward  # the next alarm is for a further fall
        self._regimes = start(reward, scatter**2)
        return alarm


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
    [60.0]
    """
    detector = Detector(boundary)
    raised = (detector.add(step, reward) for step, reward in zip(steps, rewards, strict=True))
    return [alarm for alarm in raised if alarm is not None]
