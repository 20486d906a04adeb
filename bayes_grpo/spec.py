"""Models as files: a TOML file states equation, source, dynamics, noise law, and a prior for every parameter."""

import ast
import difflib
import math
import operator
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bayes_grpo.errors import InputError

#: Distributions a prior may name, with their arguments (NumPyro's names); those in the second tuple must be positive.
#: LogitNormal, a normal logit, lies between 0 and 1.
DISTRIBUTIONS: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "Normal": (("loc", "scale"), ("scale",)),
    "HalfNormal": (("scale",), ("scale",)),
    "LogNormal": (("loc", "scale"), ("scale",)),
    "LogitNormal": (("loc", "scale"), ("scale",)),
    "StudentT": (("df", "loc", "scale"), ("df", "scale")),
    "HalfCauchy": (("scale",), ("scale",)),
    "Uniform": (("low", "high"), ()),
    "Exponential": (("rate",), ("rate",)),
    "Gamma": (("concentration", "rate"), ("concentration", "rate")),
    "InverseGamma": (("concentration", "rate"), ("concentration", "rate")),
    "Beta": (("concentration1", "concentration0"), ("concentration1", "concentration0")),
}

#: Distributions whose draws can be negative: impossible for the parameters below.
_SIGNED = ("Normal", "StudentT")
_POSITIVE = ("stiffness", "mass", "fluctuation", "observation_sd")

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

DYNAMICS = ("first_order", "second_order")
MASSES = ("closed_form", "parameter")

_OPERATORS: dict[type, Callable[..., float]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.Pow: operator.pow,
    ast.USub: operator.neg,
}
_FUNCTIONS: dict[str, Callable[[float], float]] = {"log": math.log, "exp": math.exp, "sqrt": math.sqrt}


@dataclass(frozen=True)
class Prior:
    """Prior of one parameter; ``arguments`` are numbers or expressions in `QUANTITIES`."""

    distribution: str
    arguments: Mapping[str, float | str]
    unit: str
    source: str
    reason: str

    def __str__(self) -> str:
        listed = ", ".join(f"{name}={value}" for name, value in self.arguments.items())
        return f"{self.distribution}({listed})"


@dataclass(frozen=True)
class ModelSpec:
    """A model read from a file: the law as data.

    ``mass`` is 'closed_form' (from the momentum), 'parameter', or '' for first-order dynamics.
    ``text`` is the file as read, stored with every fit.
    """

    name: str
    path: str
    summary: str
    equation: str
    source: str
    dynamics: str
    mass: str
    process_noise: bool
    parameters: Mapping[str, Prior]
    text: str

    @property
    def structure(self) -> tuple[Any, ...]:
        """What a compiled program depends on; prior arguments are data."""
        families = tuple((name, prior.distribution) for name, prior in self.parameters.items())
        return (self.dynamics, self.mass, self.process_noise, families)

    def resolve(self, quantities: Mapping[str, float]) -> dict[str, dict[str, float]]:
        """Numbers for every prior's arguments, from the quantities of a run.

        Raises
        ------
        InputError
            All arguments that are impossible for the run at once.
        """
        faults = []
        resolved: dict[str, dict[str, float]] = {}
        for name, prior in self.parameters.items():
            values = {}
            for argument, expression in prior.arguments.items():
                try:
                    values[argument] = evaluate(expression, quantities)
                except (ValueError, ArithmeticError) as error:
                    faults.append(f"parameters.{name}.{argument} = {expression!r}: {error}")
            resolved[name] = values
            for argument in DISTRIBUTIONS[prior.distribution][1]:
                if values.get(argument, 1.0) <= 0:
                    faults.append(
                        f"parameters.{name}.{argument}: expected a positive number, found {values[argument]:g}"
                    )
            if prior.distribution == "Uniform" and values.keys() >= {"low", "high"} and values["low"] >= values["high"]:
                faults.append(
                    f"parameters.{name}: expected low below high, found {values['low']:g}, {values['high']:g}"
                )
            if name in _POSITIVE and values.get("low", 0.0) < 0:
                faults.append(f"parameters.{name}.low: {name} is positive, found {values['low']:g}")
        if faults:
            raise InputError(self.path, faults)
        return resolved


def evaluate(expression: float | str, quantities: Mapping[str, float]) -> float:
    """Value of a number or of plain arithmetic over ``quantities`` (no code is executed).

    Raises
    ------
    ValueError
        For a name, function or syntax that is not allowed; ArithmeticError for a division by zero or overflow.
    """
    if not isinstance(expression, str):
        return float(expression)
    try:
        tree = ast.parse(expression, mode="eval").body
    except SyntaxError as error:
        raise ValueError("expected a number or plain arithmetic") from error

    def walk(node: ast.expr) -> float:
        match node:
            case ast.Constant(value=int() | float() as number) if not isinstance(number, bool):
                return float(number)
            case ast.Name(id=name) if name in quantities:
                return float(quantities[name])
            case ast.Name(id=name):
                raise ValueError(f"unknown quantity {name!r}; known are {', '.join(QUANTITIES)}")
            case ast.BinOp(left=left, op=op, right=right) if type(op) in _OPERATORS:
                return _OPERATORS[type(op)](walk(left), walk(right))
            case ast.UnaryOp(op=ast.USub(), operand=operand):
                return -walk(operand)
            case ast.Call(func=ast.Name(id=name), args=[argument], keywords=[]) if name in _FUNCTIONS:
                return _FUNCTIONS[name](walk(argument))
        raise ValueError(f"expected + - * / ** and {', '.join(_FUNCTIONS)} over numbers and {', '.join(QUANTITIES)}")

    value = walk(tree)
    if isinstance(value, complex) or not math.isfinite(value):
        raise ValueError(f"expected a finite number, found {value}")
    return value


def required_parameters(dynamics: str, mass: str, process_noise: bool) -> tuple[str, ...]:
    """Names of the parameters that a law of this kind has."""
    names = ["plateau", "initial_reward", "stiffness"]
    if dynamics == "second_order":
        names += ["damping", "initial_velocity"]
    if mass == "parameter":
        names.append("mass")
    if process_noise:
        names.append("fluctuation")
    return (*names, "observation_sd")


def models_folder() -> Path:
    """Folder of the model files: inside the installed package, or beside it in a checkout."""
    package = Path(__file__).parent
    inside = package / "models"
    return inside if inside.is_dir() else package.parent / "models"


def list_models() -> list[ModelSpec]:
    """All models that come with the package."""
    return [_parse(path) for path in sorted(models_folder().glob("*.toml"))]


def load_model(name_or_path: str | Path) -> ModelSpec:
    """Read a model by its name, or from a TOML file of the user's.

    Raises
    ------
    InputError
        If there is no such model or file, or the file has faults (all are listed).
    """
    text = str(name_or_path)
    if text.endswith(".toml") or "/" in text:
        return _parse(Path(text))
    path = models_folder() / f"{text}.toml"
    if not path.is_file():
        known = [file.stem for file in sorted(models_folder().glob("*.toml"))]
        close = difflib.get_close_matches(text, known, n=1)
        hint = f"; did you mean {close[0]!r}?" if close else ""
        raise InputError(f"model {text!r}", f"expected one of {', '.join(known)}, or the path of a .toml file{hint}")
    return _parse(path)


def _parse(path: Path) -> ModelSpec:
    try:
        text = path.read_text(encoding="utf-8")
        content = tomllib.loads(text)
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(str(path), f"cannot be read as a model file: {error}") from error
    except tomllib.TOMLDecodeError as error:
        raise InputError(str(path), f"expected TOML, found a syntax error: {error}") from error
    faults: list[str] = []

    def take(key: str, kind: type, allowed: tuple[str, ...] = (), default: Any = None) -> Any:
        value = content.get(key, default)
        if not isinstance(value, kind) or (allowed and value not in allowed):
            wanted = f"one of {', '.join(allowed)}" if allowed else f"a {kind.__name__}"
            faults.append(f"{key}: expected {wanted}, found {'nothing' if value is None else repr(value)}")
            return kind()
        return value

    known = ("summary", "equation", "source", "dynamics", "mass", "process_noise", "parameters")
    faults += [f"unknown key {key!r}; known are {', '.join(known)}" for key in content if key not in known]
    dynamics = take("dynamics", str, DYNAMICS)
    if dynamics == "second_order":
        mass = take("mass", str, MASSES)
    else:
        mass = ""
        if dynamics and "mass" in content:
            faults.append("mass: first_order dynamics have none; remove the key or set dynamics = 'second_order'")
    process_noise = take("process_noise", bool)
    tables = take("parameters", dict)
    wanted = required_parameters(dynamics, mass, process_noise)
    if not faults:
        missing = [name for name in wanted if name not in tables]
        faults += [f"parameters.{name}: missing; this law has {', '.join(wanted)}" for name in missing]
        for name in tables:
            if name not in wanted:
                faults.append(f"parameters.{name}: unknown parameter; this law has {', '.join(wanted)}")
    priors = {name: _prior(name, tables[name], faults) for name in wanted if name in tables}
    spec = ModelSpec(
        name=path.stem,
        path=str(path),
        summary=take("summary", str),
        equation=take("equation", str),
        source=take("source", str),
        dynamics=dynamics,
        mass=mass,
        process_noise=process_noise,
        parameters={name: prior for name, prior in priors.items() if prior is not None},
        text=text,
    )
    if faults:
        raise InputError(str(path), faults)
    return spec


def _prior(name: str, table: Any, faults: list[str]) -> Prior | None:
    where = f"parameters.{name}"
    if not isinstance(table, dict):
        faults.append(f"{where}: expected a table with distribution, its arguments, unit, source and reason")
        return None
    family = table.get("distribution")
    if family not in DISTRIBUTIONS:
        faults.append(f"{where}.distribution: expected one of {', '.join(DISTRIBUTIONS)}, found {family!r}")
        return None
    if name in _POSITIVE and family in _SIGNED:
        faults.append(
            f"{where}.distribution: {name} is positive, but {family} has negative draws; use LogNormal or such"
        )
    wanted = DISTRIBUTIONS[family][0]
    texts = ("unit", "source", "reason")
    for key in (*wanted, *texts):
        if key not in table:
            faults.append(
                f"{where}.{key}: missing; {family} takes {', '.join(wanted)}, and a prior states {', '.join(texts)}"
            )
    for key, value in table.items():
        if key == "distribution":
            continue
        if key not in wanted and key not in texts:
            faults.append(f"{where}.{key}: unknown; {family} takes {', '.join(wanted)}")
        elif key in texts and not isinstance(value, str):
            faults.append(f"{where}.{key}: expected text, found {value!r}")
        elif key in wanted:
            if isinstance(value, bool) or not isinstance(value, int | float | str):
                faults.append(f"{where}.{key}: expected a number or an expression, found {value!r}")
                continue
            try:
                evaluate(value, dict.fromkeys(QUANTITIES, 1.0))
            except ValueError as error:
                faults.append(f"{where}.{key} = {value!r}: {error}")
            except ArithmeticError:
                pass  # depends on the run; `resolve` reports it with the run's numbers
    arguments = {key: table[key] for key in wanted if key in table}
    return Prior(family, arguments, *(str(table.get(key, "")) for key in texts))
