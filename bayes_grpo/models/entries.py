"""The entries of a model file: its law, the priors of its parameters, and its persistence; all faults are collected."""

from collections.abc import Mapping
from typing import Any

from bayes_grpo.laws.corrections import CHOICES
from bayes_grpo.laws.dynamics import laws
from bayes_grpo.laws.law import Law
from bayes_grpo.models.expressions import evaluate
from bayes_grpo.models.spec import DISTRIBUTIONS, POOLINGS, PREDICTORS, QUANTITIES, SIGNED, Prior

#: Keys of a model file that choose its law, and keys of a parameter that say how it varies over runs.
LAW_KEYS = ("dynamics", "process_noise", *CHOICES)
POOLING_KEYS = ("pooling", "spread", "predictors")
_PRIOR_TEXTS = ("unit", "source", "reason")


def parameters_of(tables: Any, named: set[str], law: Law | None, faults: list[str]) -> dict[str, Prior]:
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


def persistence_of(table: Any, faults: list[str]) -> tuple[float, float] | None:
    """Intercept and slope of the weight of persistence in forecasts; None where the table has faults."""
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


def law_of(content: Mapping[str, Any], faults: list[str]) -> Law | None:
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
        elif key not in ("distribution", *_PRIOR_TEXTS, *POOLING_KEYS):
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
    for key, entry in tables.items():
        if key not in PREDICTORS:
            faults.append(f"{where}.predictors.{key}: expected one of {', '.join(PREDICTORS)}")
        elif (prior := _prior(f"{where}.predictors.{key}", f"{name}_by_{key}", entry, faults)) is not None:
            predictors[key] = prior
    return pooling, spread, predictors
