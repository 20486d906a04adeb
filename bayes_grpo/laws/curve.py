"""Laws that are a curve in time, with a fluctuation about it that has a time constant of its own."""

from abc import abstractmethod
from dataclasses import dataclass
from typing import ClassVar

import jax.numpy as jnp
from jax import Array

from bayes_grpo.laws.law import Law, LoggedRow, row_motion
from bayes_grpo.laws.motion import Motion
from bayes_grpo.laws.oscillator import first_order
from bayes_grpo.laws.run_data import Parameters, RunData
from bayes_grpo.laws.shapes import Values


@dataclass(frozen=True)
class Curve(Law):
    """``x = curve(t) + u``, ``u' = -u / correlation_time + sqrt(q) w(t)``: an Ornstein-Uhlenbeck process about a curve.

    The fluctuation u begins at zero; its stationary standard deviation is ``fluctuation``. The clock counts time for
    the curve and for the fluctuation alike. Without process noise u is zero.
    """

    keys: ClassVar[tuple[str, ...]] = (*Law.keys, "relative")
    positive: ClassVar[tuple[str, ...]] = ("correlation_time",)

    @abstractmethod
    def curve_parameters(self) -> tuple[str, ...]:
        """Names of the parameters of the curve."""

    @abstractmethod
    def curve(self, parameters: Parameters, run: RunData, time: Array) -> Array:
        """Expected reward without fluctuation at a time of the clock (step), of its shape."""

    def motion_parameters(self) -> tuple[str, ...]:
        """Those of the curve, and the time constant of the fluctuation."""
        return (*self.curve_parameters(), *(("correlation_time",) if self.process_noise else ()))

    def times(self, run: RunData) -> tuple[Array, Array]:
        """Time of the clock at the end of each row, and in its window, shapes (n,)."""
        grid, (rate, _) = run.grid, self.clock.rates(run)
        between, inside = grid.per_row(grid.gap * rate, (grid.points - 1) * grid.spacing * rate)
        return jnp.cumsum(between + inside), inside

    def origin(self, parameters: Parameters, run: RunData) -> Array:
        """The curve at the end of each row, shape (n,)."""
        return self.curve(parameters, run, self.times(run)[0])

    def rows(self, run: RunData) -> LoggedRow:
        """All rows of the log with their windows, entries of shape (n,)."""
        time, inside = self.times(run)
        reach, outer = _places(*run.grid.per_row(run.grid.points))
        return super().rows(run)._replace(time=time - inside / 2, reach=reach * inside / 2, outer=outer)

    def logged_origin(self, parameters: Parameters, run: RunData, row: LoggedRow) -> Values:
        """The curve as a row logs it: at its step, or its mean over the points of the row's window."""
        assert row.time is not None and row.reach is not None and row.outer is not None
        if not run.grid.averages:
            return self.curve(parameters, run, row.time)
        places = jnp.stack([row.time, row.time - row.reach, row.time + row.reach])
        middle, before, after = self.curve(parameters, run, places)
        return (1 - row.outer) * middle + row.outer * (before + after) / 2

    def initial_state(self, parameters: Parameters, run: RunData) -> tuple[Array, Array]:
        """On the curve."""
        return jnp.zeros(()), jnp.zeros(())

    def transitions(self, parameters: Parameters, run: RunData) -> Motion:
        """Exact motion of the fluctuation over the gap before each row."""
        rate, _ = self.clock.rates(run)
        if not self.process_noise:
            return row_motion(run, lambda gap: first_order(gap, jnp.zeros_like(rate), jnp.zeros_like(rate)))
        pull = rate / parameters["correlation_time"]
        noise = 2 * parameters["fluctuation"] ** 2 * rate**2 / parameters["correlation_time"]
        noise = noise * self.group_noise.scale(parameters, run, "temperature")
        return row_motion(run, lambda gap: first_order(gap, pull, noise))


def _places(points: Values) -> tuple[Values, Values]:
    """Where to take a function so that its mean over equally spaced points is known: Gauss quadrature of three places.

    The places are the middle of the points and two at an equal distance from it, as a share of the points' own reach;
    with it comes the weight of these two together. The mean is exact for up to three points, and for more where the
    function is a polynomial of degree five: the places and weights have the first five moments of the points.
    """
    n = jnp.maximum(points, 2.0)
    fourth = 3 * n**2 - 7
    return jnp.sqrt(fourth / 5) / (n - 1), 5 * (n**2 - 1) / (3 * fourth)
