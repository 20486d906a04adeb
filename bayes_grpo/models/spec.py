"""What a model is: the law as switches, and a prior for every parameter with its pooling over runs. Data, no code.

Files are read by `bayes_grpo.models.files`.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

from bayes_grpo.errors import InputError
from bayes_grpo.models.expressions import evaluate

#: Distributions a prior may name, with their arguments (NumPyro's names); those in the second tuple must be positive.
#: LogitNormal, a normal logit, lies between 0 and 1; LogStudentT and LogitStudentT are their like with heavy tails.
DISTRIBUTIONS: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "Normal": (("loc", "scale"), ("scale",)),
    "HalfNormal": (("scale",), ("scale",)),
    "LogNormal": (("loc", "scale"), ("scale",)),
    "LogitNormal": (("loc", "scale"), ("scale",)),
    "StudentT": (("df", "loc", "scale"), ("df", "scale")),
    "LogStudentT": (("df", "loc", "scale"), ("df", "scale")),
    "LogitStudentT": (("df", "loc", "scale"), ("df", "scale")),
    "HalfCauchy": (("scale",), ("scale",)),
    "Uniform": (("low", "high"), ()),
    "Exponential": (("rate",), ("rate",)),
    "Gamma": (("concentration", "rate"), ("concentration", "rate")),
    "InverseGamma": (("concentration", "rate"), ("concentration", "rate")),
    "Beta": (("concentration1", "concentration0"), ("concentration1", "concentration0")),
}

#: Distributions whose draws can be negative: impossible for the parameters below, and for any spread.
SIGNED = ("Normal", "StudentT")
POSITIVE = ("stiffness", "mass", "fluctuation", "noise_ratio", "observation_sd", "step_sd", "midpoint", "steepness")

#: Quantities of a run that a prior's arguments may use, in plain arithmetic with log, exp and sqrt.
QUANTITIES = (
    "reward_lower",
    "reward_upper",
    "reward_range",
    "planned_steps",
    "momentum",
    "closed_form_mass",
    "group_size",
)

#: Run quantities whose logarithm may predict a pooled parameter.
PREDICTORS = ("learning_rate", "model_size", "group_size", "prompts_per_step")

#: How a parameter relates across runs.
POOLINGS = ("separate", "shared", "partial")


@dataclass(frozen=True)
class Law:
    """The switches that make a law; `bayes_grpo.laws.likelihood` holds what each means.

    Parameters
    ----------
    dynamics : {"first_order", "second_order", "random_walk", "sigmoid"}
    mass : {"closed_form", "parameter", ""}
        From the momentum, or inferred; '' unless second order.
    damping : {"parameter", "lag", ""}
        Inferred, or ``1 - lag_share k mean_age``; '' unless second order.
    process_noise : bool
        Whether the expected reward itself is driven by noise.
    coordinate : {"reward", "logit"}
        Where the law is linear: in the reward, or (bounded) in the logit of its place between the reward bounds.
    finite_groups : bool
        Whether the drift carries the finite-group factor of binary rewards.
    schedule : bool
        Whether the learning rate is the clock.
    group_noise : {"own", "inverse", "exponent", "split"}
        How noise depends on the group size: stated for each run's own groups; as 1/G; as G^-a; or as share + (1 - share) / G.
    relative : bool
        Whether the plateau is stated as ``rise`` above the start (in reward ranges), and the fluctuation as ``noise_ratio`` to the
        observation noise: what runs of different tasks have in common.
    """

    dynamics: str
    mass: str = ""
    damping: str = ""
    process_noise: bool = False
    coordinate: str = "reward"
    finite_groups: bool = False
    schedule: bool = True
    group_noise: str = "own"
    relative: bool = False

    CHOICES: ClassVar[dict[str, tuple[str, ...]]] = {
        "dynamics": ("first_order", "second_order", "random_walk", "sigmoid"),
        "mass": ("closed_form", "parameter"),
        "damping": ("parameter", "lag"),
        "coordinate": ("reward", "logit"),
        "group_noise": ("own", "inverse", "exponent", "split"),
    }

    @property
    def relaxes(self) -> bool:
        """Whether there is a plateau that the law is pulled to."""
        return self.dynamics in ("first_order", "second_order")

    @property
    def state_dependent(self) -> bool:
        """Whether the law is linear only piecewise, about the state it is in."""
        return self.coordinate == "logit" or self.finite_groups

    def parameters(self) -> tuple[str, ...]:
        """Names of the parameters that the law has."""
        plateau = "rise" if self.relative else "plateau"
        names = ["initial_reward"] if self.dynamics == "random_walk" else [plateau, "initial_reward"]
        if self.relaxes:
            names.append("stiffness")
        if self.dynamics == "sigmoid":
            names += ["midpoint", "steepness"]
        if self.dynamics == "second_order":
            names += ["lag_share" if self.damping == "lag" else "damping", "initial_velocity"]
        if self.mass == "parameter":
            names.append("mass")
        if self.process_noise:
            fluctuation = "noise_ratio" if self.relative else "fluctuation"
            names.append(fluctuation if self.relaxes else "step_sd")
        names.append("observation_sd")
        suffix = {"exponent": "exponent", "split": "share"}.get(self.group_noise)
        if suffix:
            names += [f"temperature_{suffix}"] * self.process_noise + [f"observation_{suffix}"]
        return tuple(names)

    def faults(self) -> list[str]:
        """Switches that do not go together."""
        out = []
        if self.dynamics != "second_order":
            if self.mass:
                out.append(f"mass: {self.dynamics} dynamics have none; remove the key or set dynamics = 'second_order'")
            if self.damping:
                out.append(f"damping: {self.dynamics} dynamics have a fixed one; remove the key")
        if not self.relaxes and self.state_dependent:
            out.append(
                f"coordinate, finite_groups: {self.dynamics} has no drift towards a plateau to change; remove the keys"
            )
        if self.relative and (not self.relaxes or self.state_dependent):
            out.append(
                "relative: only laws that are pulled to a plateau and linear in the reward can be stated so; remove the key"
            )
        if self.dynamics == "sigmoid" and self.process_noise:
            out.append("process_noise: expected false, the sigmoid is a curve")
        if self.dynamics == "random_walk" and not self.process_noise:
            out.append("process_noise: expected true, a random walk is nothing else")
        return out


@dataclass(frozen=True)
class Prior:
    """Prior of one parameter; ``arguments`` are numbers or expressions in `QUANTITIES`.

    ``pooling`` tells how runs that are fitted together relate: each its own value ('separate'), one for all ('shared'), or
    values scattered about a location ('partial') with the prior ``spread`` for their standard deviation; ``predictors`` holds a
    prior for the coefficient of each log predictor. Location, spread and coefficients are on the unbounded scale of the prior's
    support (log for positive ones, logit between bounds).
    """

    distribution: str
    arguments: Mapping[str, float | str]
    unit: str
    source: str
    reason: str
    pooling: str = "separate"
    spread: "Prior | None" = None
    predictors: Mapping[str, "Prior"] = field(default_factory=dict)

    def __str__(self) -> str:
        listed = ", ".join(f"{name}={value}" for name, value in self.arguments.items())
        return f"{self.distribution}({listed})"

    @property
    def plain(self) -> bool:
        """Whether values are drawn from the prior itself, not from a population."""
        return self.pooling == "separate" or (self.pooling == "shared" and not self.predictors)

    def sites(self, name: str) -> Iterator[tuple[str, "Prior"]]:
        """What is sampled for parameter ``name``: names and their priors (a population's standard offsets aside)."""
        if self.plain:
            yield name, self
            return
        yield f"{name}_location", self
        if self.spread is not None:
            yield f"{name}_spread", self.spread
        for predictor, prior in self.predictors.items():
            yield f"{name}_by_{predictor}", prior


@dataclass(frozen=True)
class ModelSpec:
    """A model read from a file: the law and its priors as data.

    ``text`` is the file as read, ``history`` it and the files it extends, as stored with every fit. ``persistence`` holds the
    two numbers by which forecasts weigh that a run stays where it is, see `bayes_grpo.analysis.forecast.forecast.persistence_weight`.
    """

    name: str
    path: str
    summary: str
    equation: str
    source: str
    law: Law
    parameters: Mapping[str, Prior]
    text: str
    history: str
    persistence: tuple[float, float] | None = None

    @property
    def structure(self) -> tuple[Any, ...]:
        """What a compiled program depends on; prior arguments are data."""
        pooling = tuple((prior.pooling, tuple(prior.predictors)) for prior in self.parameters.values())
        families = tuple((site, prior.distribution) for site, prior in self.sites())
        return (self.law, families, pooling)

    @property
    def pooled(self) -> bool:
        """Whether runs are fitted together."""
        return any(prior.pooling != "separate" for prior in self.parameters.values())

    @property
    def predictors(self) -> tuple[str, ...]:
        """Run quantities that predict some parameter."""
        found = (predictor for prior in self.parameters.values() for predictor in prior.predictors)
        return tuple(dict.fromkeys(found))

    def sites(self) -> Iterator[tuple[str, Prior]]:
        """Everything that has a prior, by the name it is sampled under."""
        for name, prior in self.parameters.items():
            yield from prior.sites(name)

    def resolve(self, quantities: Mapping[str, float]) -> dict[str, dict[str, float]]:
        """Numbers for every prior's arguments, from the quantities of a run; one entry a site.

        Raises
        ------
        InputError
            All arguments that are impossible for the run at once.
        """
        faults: list[str] = []
        resolved = {name: _resolve(name, prior, quantities, faults) for name, prior in self.sites()}
        if faults:
            raise InputError(self.path, faults)
        return resolved


def _resolve(name: str, prior: Prior, quantities: Mapping[str, float], faults: list[str]) -> dict[str, float]:
    values: dict[str, float] = {}
    for argument, expression in prior.arguments.items():
        try:
            values[argument] = evaluate(expression, quantities)
        except (ValueError, ArithmeticError) as error:
            faults.append(f"parameters.{name}.{argument} = {expression!r}: {error}")
    for argument in DISTRIBUTIONS[prior.distribution][1]:
        if values.get(argument, 1.0) <= 0:
            faults.append(f"parameters.{name}.{argument}: expected a positive number, found {values[argument]:g}")
    if prior.distribution == "Uniform" and values.keys() >= {"low", "high"} and values["low"] >= values["high"]:
        faults.append(f"parameters.{name}: expected low below high, found {values['low']:g}, {values['high']:g}")
    if name.removesuffix("_location") in POSITIVE and values.get("low", 0.0) < 0:
        faults.append(f"parameters.{name}.low: {name} is positive, found {values['low']:g}")
    return values
