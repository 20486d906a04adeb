"""Models as files: a TOML file states an equation and its source, the law, and a prior for every parameter."""

import difflib
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from bayes_grpo.errors import InputError
from bayes_grpo.laws.corrections import CHOICES
from bayes_grpo.laws.dynamics import laws
from bayes_grpo.laws.law import Law
from bayes_grpo.models.expressions import evaluate
from bayes_grpo.models.spec import DISTRIBUTIONS, POOLINGS, PREDICTORS, QUANTITIES, SIGNED, ModelSpec, Prior

#: The law that logs are fitted by unless another is named; forecasts rest on it as well.
DEFAULT_MODEL = "s_curve"

_TEXTS = ("summary", "equation", "source")
_LAW = ("dynamics", "process_noise", *CHOICES)
_PRIOR_TEXTS = ("unit", "source", "reason")
_POOLING = ("pooling", "spread", "predictors")
_DEEPEST = 5


def models_folder() -> Path:
    """Folder of the model files: that of this code in an installed package, models/ at the root of a checkout."""
    here = Path(__file__).parent
    return here if any(here.glob("*.toml")) else here.parents[1] / "models"


def list_models() -> list[ModelSpec]:
    """All models that come with the package.

    Returns
    -------
    list of ModelSpec
        In order of their names.

    Raises
    ------
    InputError
        If one of their files was changed and has faults.

    Examples
    --------
    >>> import bayes_grpo
    >>> [model.name for model in bayes_grpo.list_models()][:3]
    ['balance', 'balance_overdamped', 'bounded']
    """
    return [_parse(path) for path in sorted(models_folder().glob("*.toml"))]


def load_model(name_or_path: str | Path) -> ModelSpec:
    """Read a model that comes with the package, or from a TOML file.

    Parameters
    ----------
    name_or_path : str or Path
        The name of a model, or a path. A string is a path if it ends in .toml or has a slash.

    Returns
    -------
    ModelSpec
        The law and its priors.

    Raises
    ------
    InputError
        If there is no such model or file, or if the file has faults, all of which are listed.

    Examples
    --------
    >>> import bayes_grpo
    >>> list(bayes_grpo.load_model("overdamped").parameters)
    ['plateau', 'initial_reward', 'stiffness', 'fluctuation', 'observation_sd']
    """
    return _parse(_find(str(name_or_path)))


def _find(name: str, beside: Path = Path()) -> Path:
    if name.endswith(".toml") or "/" in name:
        return beside / name
    path = models_folder() / f"{name}.toml"
    if not path.is_file():
        known = [file.stem for file in sorted(models_folder().glob("*.toml"))]
        close = difflib.get_close_matches(name, known, n=1)
        hint = f"; did you mean {close[0]!r}?" if close else ""
        raise InputError(f"model {name!r}", f"expected one of {', '.join(known)}, or the path of a .toml file{hint}")
    return path


def _read(path: Path) -> tuple[str, dict[str, Any]]:
    try:
        text = path.read_text(encoding="utf-8")
        return text, tomllib.loads(text)
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(str(path), f"cannot be read as a model file: {error}") from error
    except tomllib.TOMLDecodeError as error:
        raise InputError(str(path), f"expected TOML, found a syntax error: {error}") from error


def _inherit(path: Path, depth: int = 0) -> tuple[str, str, dict[str, Any], set[str]]:
    """A file's text, its history, its content over that of what it extends, and the parameters that it names itself."""
    text, own = _read(path)
    tables = own.get("parameters")
    named = set(tables) if isinstance(tables, dict) else set()
    base = own.pop("extends", None)
    if base is None:
        return text, text, own, named
    if not isinstance(base, str):
        raise InputError(str(path), f"extends: expected the name or file of a model, found {base!r}")
    if depth == _DEEPEST:
        raise InputError(str(path), f"extends: expected at most {_DEEPEST} models one upon another")
    try:
        extended = _find(base, path.parent)
    except InputError as error:
        raise InputError(str(path), [f"extends: {fault}" for fault in error.faults]) from error
    _, history, inherited, _ = _inherit(extended, depth + 1)
    if "dynamics" in own:  # a file that names its law states all switches of that law
        inherited = {key: value for key, value in inherited.items() if key not in _LAW}
    content = inherited | own
    if named:
        merged = dict(inherited.get("parameters", {}))
        for name, table in own["parameters"].items():
            merged[name] = _merge(merged.get(name), table)
        content["parameters"] = merged
    return text, f"{text}\n# {path.stem} extends {base}:\n{history}", content, named


def _merge(old: Any, new: Any) -> Any:
    """A parameter's table over an inherited one: a new distribution replaces the prior, any other key only itself."""
    if not isinstance(old, dict) or not isinstance(new, dict):
        return new
    if "distribution" in new:
        old = {key: value for key, value in old.items() if key in _POOLING}
    return old | new


def _parse(path: Path) -> ModelSpec:
    text, history, content, named = _inherit(path)
    faults = _text_faults(content)
    law = _law(content, faults)
    parameters = _parameters(content.get("parameters"), named, law, faults)
    persistence = _persistence(content["persistence"], faults) if "persistence" in content else None
    if faults or law is None:
        raise InputError(str(path), faults)
    texts = {key: str(content[key]) for key in _TEXTS}
    return ModelSpec(
        name=path.stem,
        path=str(path),
        law=law,
        parameters=parameters,
        text=text,
        history=history,
        persistence=persistence,
        **texts,
    )


def _text_faults(content: Mapping[str, Any]) -> list[str]:
    """Keys that no model file has, and texts that are missing."""
    known = ("extends", *_TEXTS, *_LAW, "persistence", "parameters")
    faults = [f"unknown key {key!r}; known are {', '.join(known)}" for key in content if key not in known]
    for key in _TEXTS:
        if not isinstance(content.get(key), str):
            faults.append(f"{key}: expected a text, found {content.get(key, 'nothing')!r}")
    if not isinstance(content.get("parameters"), dict):
        faults.append("parameters: expected a table for every parameter")
    return faults


def _parameters(tables: Any, named: set[str], law: Law | None, faults: list[str]) -> dict[str, Prior]:
    """The priors of a law's parameters; inherited ones that the law does not have are left out.

    Those that the file itself names must be the law's.
    """
    if law is None:
        return {}
    tables = tables if isinstance(tables, dict) else {}
    wanted, positive = law.parameters(), law.positive_parameters()
    parameters: dict[str, Prior] = {}
    for name in wanted:
        if name not in tables:
            faults.append(f"parameters.{name}: missing; this law has {', '.join(wanted)}")
            continue
        prior = _prior(f"parameters.{name}", name, tables[name], faults, positive=name in positive)
        if prior is not None:
            parameters[name] = prior
    for name in sorted(named - set(wanted)):
        faults.append(f"parameters.{name}: unknown parameter; this law has {', '.join(wanted)}")
    return parameters


def _persistence(table: Any, faults: list[str]) -> tuple[float, float] | None:
    names = ("intercept", "slope")
    if not isinstance(table, dict):
        faults.append(f"persistence: expected a table with {', '.join(names)}, source and reason, found {table!r}")
        return None
    before = len(faults)
    for name in names:
        if isinstance(table.get(name), bool) or not isinstance(table.get(name), int | float):
            faults.append(f"persistence.{name}: expected a number, found {table.get(name, 'nothing')!r}")
    for name in ("source", "reason"):
        if not isinstance(table.get(name), str):
            faults.append(f"persistence.{name}: expected text, found {table.get(name, 'nothing')!r}")
    faults += [f"persistence.{key}: unknown key" for key in table if key not in (*names, "source", "reason")]
    return None if len(faults) > before else (float(table["intercept"]), float(table["slope"]))


def _law(content: Mapping[str, Any], faults: list[str]) -> Law | None:
    """The law that a file names, composed with the corrections that it chooses."""
    before = len(faults)
    for key in ("dynamics", "process_noise"):
        if key not in content:
            faults.append(f"{key}: missing; a model states its dynamics and whether it has process noise")
    known, name = laws(), content.get("dynamics")
    if "dynamics" in content and name not in known:
        faults.append(f"dynamics: expected one of {', '.join(known)}, found {name!r}")
    noise = content.get("process_noise", True)
    if not isinstance(noise, bool):
        faults.append(f"process_noise: expected true or false, found {noise!r}")
    kind = known.get(name) if isinstance(name, str) else None
    chosen = {key: content[key] for key in CHOICES if key in content}
    faults += [fault for key, value in chosen.items() if (fault := _choice_fault(key, value, kind))]
    if kind is not None and "mass" in kind.keys and "mass" not in chosen:
        faults.append(f"mass: expected one of {', '.join(CHOICES['mass'].values)}, found nothing")
    if kind is None or len(faults) > before:
        return None
    law = kind(noise, **{CHOICES[key].field: CHOICES[key].values[chosen[key]] for key in chosen if key in kind.keys})
    clashes = law.faults()
    faults += clashes
    return None if clashes else law


def _choice_fault(key: str, value: Any, kind: type[Law] | None) -> str:
    """What is wrong with a key that chooses a correction; '' if nothing."""
    values = CHOICES[key].values
    # True equals 1 in Python, but a model file means what it says.
    if value not in values or isinstance(value, bool) != isinstance(next(iter(values)), bool):
        listed = "true or false" if isinstance(next(iter(values)), bool) else f"one of {', '.join(values)}"
        return f"{key}: expected {listed}, found {value!r}"
    of_every_law = CHOICES[key].field in Law.__dataclass_fields__
    if (
        kind is not None
        and key not in kind.keys
        and not (of_every_law and values[value] == next(iter(values.values())))
    ):
        return f"{key}: {kind.name} dynamics have no such choice; remove the key, or name other dynamics"
    return ""


def _prior(where: str, name: str, table: Any, faults: list[str], *, positive: bool = False) -> Prior | None:
    if not isinstance(table, dict):
        faults.append(f"{where}: expected a table with distribution, its arguments, unit, source and reason")
        return None
    family = table.get("distribution")
    if family not in DISTRIBUTIONS:
        faults.append(f"{where}.distribution: expected one of {', '.join(DISTRIBUTIONS)}, found {family!r}")
        return None
    if positive and family in SIGNED:
        faults.append(
            f"{where}.distribution: {name} is positive, but {family} has negative draws; use LogNormal or such"
        )
    wanted = DISTRIBUTIONS[family][0]
    for key in (*wanted, *_PRIOR_TEXTS):
        if key not in table:
            faults.append(
                f"{where}.{key}: missing; {family} takes {', '.join(wanted)}, "
                f"and a prior states {', '.join(_PRIOR_TEXTS)}"
            )
    for key, value in table.items():
        if key in wanted:
            _check_argument(f"{where}.{key}", value, faults)
        elif key in _PRIOR_TEXTS and not isinstance(value, str):
            faults.append(f"{where}.{key}: expected text, found {value!r}")
        elif key not in ("distribution", *_PRIOR_TEXTS, *_POOLING):
            faults.append(f"{where}.{key}: unknown; {family} takes {', '.join(wanted)}")
    arguments = {key: table[key] for key in wanted if key in table}
    unit, source, reason = (str(table.get(key, "")) for key in _PRIOR_TEXTS)
    return Prior(family, arguments, unit, source, reason, *_pooling(where, name, table, faults))


def _check_argument(where: str, value: Any, faults: list[str]) -> None:
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        faults.append(f"{where}: expected a number or an expression, found {value!r}")
        return
    try:
        evaluate(value, dict.fromkeys(QUANTITIES, 1.0))
    except ValueError as error:
        faults.append(f"{where} = {value!r}: {error}")
    except ArithmeticError:
        pass  # depends on the run; `ModelSpec.resolve` reports it with the run's numbers


def _pooling(
    where: str, name: str, table: Mapping[str, Any], faults: list[str]
) -> tuple[str, Prior | None, dict[str, Prior]]:
    pooling = table.get("pooling", "separate")
    if pooling not in POOLINGS:
        faults.append(f"{where}.pooling: expected one of {', '.join(POOLINGS)}, found {pooling!r}")
    spread = None
    if pooling == "partial" and "spread" not in table:
        faults.append(f"{where}.spread: missing; partial pooling has a prior for the spread between runs")
    elif "spread" in table and pooling != "partial":
        faults.append(f"{where}.spread: only partial pooling has one; set pooling = 'partial' or remove it")
    elif "spread" in table:
        spread = _prior(f"{where}.spread", f"{name}_spread", table["spread"], faults, positive=True)
    tables = table.get("predictors", {})
    predictors: dict[str, Prior] = {}
    if not isinstance(tables, dict):
        faults.append(f"{where}.predictors: expected a table of priors, found {tables!r}")
        tables = {}
    if tables and pooling == "separate":
        faults.append(f"{where}.predictors: separate parameters are not predicted; set pooling to shared or partial")
    for key, own in tables.items():
        if key not in PREDICTORS:
            faults.append(f"{where}.predictors.{key}: expected one of {', '.join(PREDICTORS)}")
        elif (prior := _prior(f"{where}.predictors.{key}", f"{name}_by_{key}", own, faults)) is not None:
            predictors[key] = prior
    return pooling, spread, predictors
