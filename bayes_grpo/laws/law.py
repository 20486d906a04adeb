"""What a law of motion is: one class with a few small methods, composed with corrections.

A law says how the expected reward moves between two rows of a log. A law that is linear in its state gives its exact
transition. Any other law gives its drift and its diffusion, and `bayes_grpo.laws.linearise` does the rest. A subclass
is known by its name as soon as its module is imported; the laws that come with the package are in
`bayes_grpo.laws.dynamics`. docs/own_law.md adds one.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, NamedTuple

import jax
import jax.numpy as jnp
from jax import Array
from jax.typing import ArrayLike

from bayes_grpo.errors import InputError
from bayes_grpo.laws.coordinates import Coordinate, RewardCoordinate
from bayes_grpo.laws.correction import Correction
from bayes_grpo.laws.corrections import Absolute, Clock, GroupNoise, LearningRateClock, OwnGroups, Statement
from bayes_grpo.laws.finite_groups import Groups, InfiniteGroups
from bayes_grpo.laws.kalman import Observations
from bayes_grpo.laws.motion import Motion
from bayes_grpo.laws.oscillator import Transition
from bayes_grpo.laws.run_data import Parameters, RunData
from bayes_grpo.laws.shapes import Scalar, Values
from bayes_grpo.laws.window import windowed

#: Parameters of the package's laws that cannot be negative.
POSITIVE = frozenset(
    ("stiffness", "mass", "fluctuation", "noise_ratio", "observation_sd", "step_sd", "midpoint", "steepness")
)


class StateSpace(NamedTuple):
    """A law at given parameters: the motion, what is observed, and the initial state, in the law's coordinate."""

    motion: Motion
    observations: Observations
    position: Scalar
    velocity: Scalar


class LoggedRow(NamedTuple):
    """What the log says in a row, the same whatever the parameters are: numbers, or all rows, each of shape (n,).

    The fields are those of `bayes_grpo.laws.grid.Grid`. Of laws that are a curve in time there are also the clock's
    ``time`` at the middle of the row's window, the ``reach`` from there to the outer places at which the curve is
    averaged (both in step), and the ``outer`` weight of these two together.
    """

    value: Values
    noise: Values
    repeats: Values
    scatter: Values
    observed: Values
    time: Values | None = None
    reach: Values | None = None
    outer: Values | None = None


@dataclass(frozen=True)
class Law(ABC):
    """A law of motion of the expected reward, composed with corrections.

    Parameters
    ----------
    process_noise : bool
        Whether the expected reward itself is driven by noise.
    clock, group_noise, coordinate, groups, statement
        Corrections: how the learning rate sets the time; how noise depends on the group size; in which coordinate the
        law is written; whether the drift takes finite groups into account; and how the parameters are stated. See
        `bayes_grpo.laws.corrections`.
    """

    process_noise: bool = True
    clock: Clock = LearningRateClock()
    group_noise: GroupNoise = OwnGroups()
    coordinate: Coordinate = RewardCoordinate()
    groups: Groups = InfiniteGroups()
    statement: Statement = Absolute()

    #: The name that a model file gives as ``dynamics``.
    name: ClassVar[str] = ""
    #: Keys of a model file, beside ``dynamics`` and ``process_noise``, that this law takes.
    keys: ClassVar[tuple[str, ...]] = ("schedule", "group_noise")
    #: Whether the law has a plateau, which it is pulled to.
    relaxes: ClassVar[bool] = False
    #: Parameter that states the process noise.
    noise_parameter: ClassVar[str] = "fluctuation"
    #: Parameters that cannot be negative, beside `POSITIVE`.
    positive: ClassVar[tuple[str, ...]] = ()

    def __init_subclass__(cls, name: str = "", **arguments: Any) -> None:
        super().__init_subclass__(**arguments)
        if name:
            known = LAWS.get(name)
            if known is not None and (known.__module__, known.__qualname__) != (cls.__module__, cls.__qualname__):
                raise InputError(
                    f"law {name}", f"is defined in {known.__module__} already; give the other another name"
                )
            cls.name = name
            LAWS[name] = cls

    # What a law says about itself.

    @abstractmethod
    def motion_parameters(self) -> tuple[str, ...]:
        """Names of the parameters of the motion without noise."""

    @abstractmethod
    def initial_state(self, parameters: Parameters, run: RunData) -> tuple[Scalar, Scalar]:
        """Position and velocity before the first gap, in the law's coordinate."""

    @abstractmethod
    def transitions(self, parameters: Parameters, run: RunData) -> Motion:
        """Exact motion over the gap before each row; only of a law that is `linear`."""

    def origin(self, parameters: Parameters, run: RunData) -> Scalar:
        """Reward at which the state of a law written in the reward is zero."""
        return jnp.zeros(())

    def logged_origin(self, parameters: Parameters, run: RunData, row: LoggedRow) -> Values:
        """What a row logs where the state is zero; of most laws the origin itself."""
        return self.origin(parameters, run)

    def derived(self, parameters: Parameters, run: RunData) -> dict[str, Array]:
        """Quantities that follow from the parameters."""
        return {}

    def fixed(self, closed_form_mass: float) -> dict[str, float]:
        """Quantities that the law itself fixes, by name."""
        return {}

    def faults(self) -> list[str]:
        """A sentence about each correction that does not go with the others."""
        return []

    # What holds for every law.

    @property
    def linear(self) -> bool:
        """Whether the motion is linear in the state, so that transitions are exact."""
        return self.coordinate.linear and not self.groups.finite

    def parameters(self) -> tuple[str, ...]:
        """Names of all parameters."""
        names = [*self.motion_parameters()]
        if self.process_noise:
            names.append(self.noise_parameter)
        names = [self.statement.names.get(name, name) for name in names]
        suffix = self.group_noise.suffix
        if suffix:
            of_noise = ["temperature"] * self.process_noise + ["observation"]
            return (*names, "observation_sd", *(f"{kind}_{suffix}" for kind in of_noise))
        return (*names, "observation_sd")

    def positive_parameters(self) -> frozenset[str]:
        """Names of parameters that cannot be negative."""
        return POSITIVE | frozenset(self.positive)

    def corrections(self) -> tuple[Correction, ...]:
        """All corrections that the law is composed with."""
        return (self.clock, self.group_noise, self.coordinate, self.groups, self.statement)

    def needs(self) -> Mapping[str, str]:
        """Quantities of a run that the law needs, and what it costs not to know them."""
        out: dict[str, str] = {}
        for correction in self.corrections():
            out |= correction.needs
        if not self.process_noise:
            out.pop("group_size", None)
        return out

    def absolute(self, parameters: Parameters, run: RunData) -> Parameters:
        """The parameters, and in units of reward those of them that are stated relative to others."""
        return self.statement.absolute(parameters, run)

    def rows(self, run: RunData) -> LoggedRow:
        """All rows of the log, entries of shape (n,)."""
        grid = run.grid
        logged = (grid.value, grid.noise, grid.repeats, grid.scatter, grid.observed)
        return LoggedRow(*(jnp.asarray(entry) for entry in logged))

    def row_variance(self, parameters: Parameters, run: RunData, row: LoggedRow) -> Values:
        """Variance of the observation noise of a single log row."""
        variance = parameters["observation_sd"] ** 2 * self.group_noise.scale(parameters, run, "observation")
        return variance * row.noise + run.resolution**2

    def observation(self, parameters: Parameters, run: RunData, row: LoggedRow) -> Observations:
        """A row as the filter takes it, less the coordinate's zero.

        The filter of a likelihood asks for it row by row: values of all rows at many parameters would fill the cache.
        """
        return Observations(
            value=row.value - self.coordinate.zero(self.logged_origin(parameters, run, row)),
            variance=self.row_variance(parameters, run, row) / row.repeats,
            observed=row.observed,
        )

    def scatter_density(self, parameters: Parameters, run: RunData, row: LoggedRow) -> Values:
        """Log density of the scatter of log rows that share a step about their mean; 0 for single rows.

        The filter takes the mean of such rows. Their scatter does not depend on the state, so its density is a factor
        of its own.
        """
        variance = self.row_variance(parameters, run, row)
        shape = (row.repeats - 1) * jnp.log(2 * jnp.pi * variance) + jnp.log(row.repeats)
        return -(shape + row.scatter / variance) / 2

    def observations(self, parameters: Parameters, run: RunData) -> Observations:
        """The run's rows as the filter takes them, less the coordinate's zero; entries of shape (n,)."""
        return self.observation(parameters, run, self.rows(run))

    def to_reward(self, parameters: Parameters, run: RunData, state: Values) -> Values:
        """Reward at a position in the law's coordinate."""
        return self.coordinate.to_reward(run, state, self.origin(parameters, run))

    def state_space(self, parameters: Parameters, run: RunData) -> StateSpace:
        """A linear law as a state space; entries of shape (n,)."""
        motion = self.transitions(parameters, run)
        return StateSpace(motion, self.observations(parameters, run), *self.initial_state(parameters, run))


#: Every law whose module was imported, by name. `bayes_grpo.laws.dynamics` imports those that come with the package.
LAWS: dict[str, type[Law]] = {}


def row_motion(run: RunData, motion: Callable[[ArrayLike], Transition]) -> Motion:
    """Motion over the gap before each row, from that over given gaps.

    Parameters
    ----------
    run : RunData
        The run.
    motion : callable
        Given a time (step) for each kind of gap, shape (kinds,), the exact transition over it.
    """
    grid = run.grid
    table = motion(grid.gap)
    if grid.averages:
        table = windowed(table, motion(grid.spacing), jnp.asarray(grid.digits), grid.points)
    if grid.blend is None:
        return Motion(table, jnp.asarray(grid.kind))
    entries, structure = jax.tree.flatten(table)
    return Motion(jax.tree.unflatten(structure, grid.per_row(*entries)))
