"""Corrections that a law is composed with: its clock, its noise, its inertia, and how its parameters are stated.

Each correction is a small object. It names the parameters that it adds, and it computes one thing. ``needs`` maps each
quantity of a run that it needs to a sentence about what it costs not to know it. `CHOICES` maps the keys of a model
file to corrections.
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, ClassVar, NamedTuple, override

import jax.numpy as jnp
from jaxtyping import Array, Float

from bayes_grpo.laws.coordinates import LogitCoordinate, RewardCoordinate
from bayes_grpo.laws.correction import NOTHING, Correction, Needs
from bayes_grpo.laws.finite_groups import FiniteGroups, InfiniteGroups
from bayes_grpo.laws.oscillator import lagged_damping
from bayes_grpo.laws.run_data import Parameters, RunData
from bayes_grpo.laws.shapes import Operand, Scalar, Values

_TYPICAL: Needs = MappingProxyType({"group_size": "taken as typical of the runs"})
_MOMENTUM: Needs = MappingProxyType({"momentum": "mass, damping and damping_ratio hold only if that is right"})


@dataclass(frozen=True)
class Clock(Correction, ABC):
    """How the learning rate sets the time."""

    @abstractmethod
    def rates(self, run: RunData) -> tuple[Float[Array, " kinds"], Scalar]:
        """Learning rate over its peak: in each kind of gap, and at the start."""


@dataclass(frozen=True)
class LearningRateClock(Clock):
    """Stiffness goes with the learning rate, noise with its square: a schedule slows time and leaves the plateau."""

    needs: ClassVar[Needs] = MappingProxyType(
        {"learning_rate": "a decaying schedule would be mistaken for an approaching plateau"}
    )

    @override
    def rates(self, run: RunData) -> tuple[Float[Array, " kinds"], Scalar]:
        return jnp.asarray(run.grid.rate), jnp.asarray(run.grid.start_rate)


@dataclass(frozen=True)
class StepClock(Clock):
    """Time is counted in optimizer steps, whatever the learning rate is."""

    @override
    def rates(self, run: RunData) -> tuple[Float[Array, " kinds"], Scalar]:
        return jnp.ones_like(run.grid.rate), jnp.ones_like(run.grid.start_rate)


@dataclass(frozen=True)
class GroupNoise(Correction, ABC):
    """How noise depends on the group size."""

    #: Ending of the names of the parameters that it adds, one for each kind of noise; it adds none if this is empty.
    suffix: ClassVar[str] = ""

    @abstractmethod
    def scale(self, parameters: Parameters, run: RunData, kind: str) -> Scalar:
        """Variance of the run's noise over the stated variance; ``kind`` is temperature or observation."""


@dataclass(frozen=True)
class OwnGroups(GroupNoise):
    """Noise is stated for the run's own groups, whatever their size."""

    needs: ClassVar[Needs] = MappingProxyType(
        {"group_size": "temperature is that of the run's own groups (T / G), not comparable with other group sizes"}
    )

    @override
    def scale(self, parameters: Parameters, run: RunData, kind: str) -> Scalar:
        return jnp.ones(())


@dataclass(frozen=True)
class InverseGroups(GroupNoise):
    """Noise falls as 1/G, as the paper says."""

    needs: ClassVar[Needs] = _TYPICAL

    @override
    def scale(self, parameters: Parameters, run: RunData, kind: str) -> Scalar:
        return run.reference_group / jnp.asarray(run.group_size) / run.relative_prompts


@dataclass(frozen=True)
class ExponentGroups(GroupNoise):
    """Noise falls as G^-a, with one exponent for the noise of updates and one for that of logged means."""

    needs: ClassVar[Needs] = _TYPICAL
    suffix: ClassVar[str] = "exponent"

    @override
    def scale(self, parameters: Parameters, run: RunData, kind: str) -> Scalar:
        ratio = run.reference_group / jnp.asarray(run.group_size)
        return ratio ** parameters[f"{kind}_exponent"] / run.relative_prompts


@dataclass(frozen=True)
class SplitGroups(GroupNoise):
    """Noise falls as share + (1 - share) / G: the share lies between prompts, and larger groups do not reduce it."""

    needs: ClassVar[Needs] = _TYPICAL
    suffix: ClassVar[str] = "share"

    @override
    def scale(self, parameters: Parameters, run: RunData, kind: str) -> Scalar:
        share = parameters[f"{kind}_share"]
        ratio = (share + (1 - share) / run.group_size) / (share + (1 - share) / run.reference_group)
        return jnp.asarray(ratio / run.relative_prompts)


@dataclass(frozen=True)
class Mass(Correction, ABC):
    """Where the mass comes from."""

    #: Parameters that it adds.
    parameters: ClassVar[tuple[str, ...]] = ()

    @abstractmethod
    def value(self, parameters: Parameters, run: RunData) -> Scalar:
        """Mass (step)."""


@dataclass(frozen=True)
class ClosedFormMass(Mass):
    """The mass follows from the optimizer's momentum."""

    needs: ClassVar[Needs] = _MOMENTUM

    @override
    def value(self, parameters: Parameters, run: RunData) -> Scalar:
        return jnp.asarray(run.closed_form_mass)


@dataclass(frozen=True)
class FreeMass(Mass):
    """The mass is inferred."""

    needs: ClassVar[Needs] = _MOMENTUM
    parameters: ClassVar[tuple[str, ...]] = ("mass",)

    @override
    def value(self, parameters: Parameters, run: RunData) -> Scalar:
        return parameters["mass"]


@dataclass(frozen=True)
class Damping(Correction, ABC):
    """Where the damping comes from."""

    #: Parameters that it adds.
    parameters: ClassVar[tuple[str, ...]] = ()

    @abstractmethod
    def value(self, parameters: Parameters, run: RunData, stiffness: Operand) -> Values:
        """Damping (1) where the stiffness is this."""


@dataclass(frozen=True)
class FreeDamping(Damping):
    """The damping is inferred."""

    parameters: ClassVar[tuple[str, ...]] = ("damping",)

    @override
    def value(self, parameters: Parameters, run: RunData, stiffness: Operand) -> Values:
        return parameters["damping"]


@dataclass(frozen=True)
class LagDamping(Damping):
    """Off-policy lag erodes the damping: ``1 - lag_share k mean_age``."""

    needs: ClassVar[Needs] = MappingProxyType({"refresh_interval": "so that no lag erodes the damping"})
    parameters: ClassVar[tuple[str, ...]] = ("lag_share",)

    @override
    def value(self, parameters: Parameters, run: RunData, stiffness: Operand) -> Values:
        return lagged_damping(stiffness, run.mean_age, parameters["lag_share"])


@dataclass(frozen=True)
class Statement(Correction, ABC):
    """How the parameters are stated."""

    #: Parameters that are stated in another way, by the name that they then have.
    names: ClassVar[Mapping[str, str]] = NOTHING

    @abstractmethod
    def absolute(self, parameters: Parameters, run: RunData) -> Parameters:
        """The parameters, and in units of reward those of them that are stated relative to others."""


@dataclass(frozen=True)
class Absolute(Statement):
    """Plateau and fluctuation are stated in reward."""

    @override
    def absolute(self, parameters: Parameters, run: RunData) -> Parameters:
        return parameters


@dataclass(frozen=True)
class Relative(Statement):
    """Plateau and fluctuation are stated by numbers that runs of different tasks have in common.

    ``rise`` is the plateau less the start, in reward ranges; ``noise_ratio`` is the fluctuation over the observation
    noise.
    """

    names: ClassVar[Mapping[str, str]] = MappingProxyType({"plateau": "rise", "fluctuation": "noise_ratio"})

    @override
    def absolute(self, parameters: Parameters, run: RunData) -> Parameters:
        out = {**parameters, "plateau": parameters["initial_reward"] + parameters["rise"] * run.reward_range}
        if "noise_ratio" in parameters:
            out["fluctuation"] = parameters["noise_ratio"] * parameters["observation_sd"]
        return out


class Choice(NamedTuple):
    """A key of a model file: the field of a law that it sets, and a correction for each value, the default first."""

    field: str
    values: Mapping[Any, Any]


#: The keys of a model file that choose a correction.
CHOICES: Mapping[str, Choice] = {
    "mass": Choice("mass", {"closed_form": ClosedFormMass(), "parameter": FreeMass()}),
    "damping": Choice("damping", {"parameter": FreeDamping(), "lag": LagDamping()}),
    "coordinate": Choice("coordinate", {"reward": RewardCoordinate(), "logit": LogitCoordinate()}),
    "finite_groups": Choice("groups", {False: InfiniteGroups(), True: FiniteGroups()}),
    "schedule": Choice("clock", {True: LearningRateClock(), False: StepClock()}),
    "group_noise": Choice(
        "group_noise",
        {"own": OwnGroups(), "inverse": InverseGroups(), "exponent": ExponentGroups(), "split": SplitGroups()},
    ),
    "relative": Choice("statement", {False: Absolute(), True: Relative()}),
}
