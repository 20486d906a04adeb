"""What a model is: a law, and for every parameter a prior and how it relates across runs.

`bayes_grpo.models.files` reads the files.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from bayes_grpo.errors import InputError
from bayes_grpo.laws.law import Law
from bayes_grpo.models.expressions import evaluate

#: Distributions that a prior may name, with their arguments (NumPyro's names); those in the second tuple must be
#: positive. The logit of a LogitNormal is normal, so it lies between 0 and 1. The log of a LogStudentT and the logit
#: of a LogitStudentT are Student t, which has heavier tails.
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

#: Distributions whose draws can be negative. Positive parameters and spreads cannot have them.
SIGNED = ("Normal", "StudentT")

#: What the balance law is given; a prior may use each one's centre (of the logarithm or logit) and its standard
#: deviation.
BALANCE_QUANTITIES = ("kl_weight", "reference_reward", "wrong_reward", "right_reward")

#: Quantities of a run that a prior's arguments may use, in plain arithmetic with log, exp and sqrt.
QUANTITIES = (
    "reward_lower",
    "reward_upper",
    "reward_range",
    "planned_steps",
    "momentum",
    "closed_form_mass",
    "group_size",
    "observation_sd_centre",
    "observation_sd_sd",
    *(f"{name}_{part}" for name in BALANCE_QUANTITIES for part in ("centre", "sd")),
)

#: Run quantities whose logarithm may predict a pooled parameter.
PREDICTORS = ("learning_rate", "model_size", "group_size", "prompts_per_step")

#: How a parameter relates across runs that are fitted together: each run has its own value; all have one; or the
#: values of the runs scatter about a location.
POOLINGS = ("separate", "shared", "partial")


@dataclass(frozen=True)
class Prior:
    """Prior of one parameter.

    Attributes
    ----------
    distribution : str
        A name of `DISTRIBUTIONS`.
    arguments : mapping of str to (float or str)
        Numbers, or expressions in `QUANTITIES`.
    unit, source, reason : str
        The parameter's unit, where its value comes from, and why the prior is as it is.
    pooling : {"separate", "shared", "partial"}
        How the parameter relates across runs that are fitted together, see `POOLINGS`.
    spread : Prior, optional
        For partial pooling, the prior of the runs' standard deviation about the location.
    predictors : mapping of str to Prior
        For pooled parameters, the prior of the coefficient of each predictor's logarithm.

    Spread and coefficients are on the unbounded scale of the prior's support: the log of positive parameters, the
    logit of those between bounds.
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
        """Names and priors of what is sampled for the parameter ``name``, a population's standard offsets aside."""
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
    """A model that was read from a file: the law and its priors as data.

    Attributes
    ----------
    name, path : str
        Name and file.
    summary, equation, source : str
        As the file states them.
    law : Law
        The law, composed with its corrections.
    parameters : mapping of str to Prior
        A prior for each parameter of the law.
    text, history : str
        The file as it was read, and with the files that it extends; every fit stores the latter.
    persistence : tuple of float, optional
        Intercept and slope of the weight that forecasts give to a run that stays where it is, see
        `bayes_grpo.analysis.forecast.forecast.persistence_weight`.

    Examples
    --------
    >>> import bayes_grpo
    >>> model = bayes_grpo.load_model("exponential")
    >>> print(model.parameters["observation_sd"])
    HalfNormal(scale=0.25 * reward_range)
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
        """What a compiled program depends on; the arguments of priors are data and do not belong to it."""
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
        names = (predictor for prior in self.parameters.values() for predictor in prior.predictors)
        return tuple(dict.fromkeys(names))

    def sites(self) -> Iterator[tuple[str, Prior]]:
        """Everything that has a prior, by the name it is sampled under."""
        for name, prior in self.parameters.items():
            yield from prior.sites(name)

    def resolve(self, quantities: Mapping[str, float]) -> dict[str, dict[str, float]]:
        """Numbers for the arguments of all priors, from the quantities of a run; one entry for each of `sites`.

        Parameters
        ----------
        quantities : mapping of str to float
            A value for each of `QUANTITIES`.

        Returns
        -------
        dict of str to dict of str to float
            Arguments by the name of the site.

        Raises
        ------
        InputError
            All arguments that are impossible for the run at once.
        """
        faults: list[str] = []
        positive = self.law.positive_parameters()
        resolved = {}
        for name, prior in self.sites():
            resolved[name] = _resolve(name, prior, quantities, faults)
            if name.removesuffix("_location") in positive and resolved[name].get("low", 0.0) < 0:
                faults.append(f"parameters.{name}.low: {name} is positive, found {resolved[name]['low']:g}")
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
    return values
