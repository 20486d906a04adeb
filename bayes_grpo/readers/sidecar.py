"""Hyperparameters beside a log: a TOML or JSON file."""

import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from bayes_grpo.errors import InputError
from bayes_grpo.readers.log import Source
from bayes_grpo.readers.text import check_text, load_json, open_text
from bayes_grpo.runs.fields import RUN_FIELDS, SPREADS

#: Keys a sidecar may have beside the schema's.
EXTRAS = ("spread", "trl_version", "optimizer", "scale_rewards", "notes", "name")


def find_sidecar(log: Path, folders: list[Path]) -> Path | None:
    """The hyperparameters file of a log: LOG.hyperparameters.toml|json, else hyperparameters.toml|json in a folder."""
    candidates = [log.with_suffix(f".hyperparameters{suffix}") for suffix in (".toml", ".json")]
    candidates += [folder / f"hyperparameters{suffix}" for folder in folders for suffix in (".toml", ".json")]
    return next((path for path in candidates if path.is_file()), None)


def read_sidecar(path: Path) -> tuple[dict[str, Any], dict[str, Any]]:
    """Hyperparameters (names of `bayes_grpo.runs.fields.RUN_FIELDS`) and extras.

    Raises
    ------
    InputError
        If the file cannot be parsed or has unknown keys.
    """
    check_text(Source(path))
    if path.suffix == ".toml":
        try:
            with open_text(path) as file:
                content: Any = tomllib.loads(file.read())
        except tomllib.TOMLDecodeError as error:
            raise InputError(str(path), f"expected TOML, found a syntax error: {error}") from error
        except RecursionError as error:
            raise InputError(str(path), "expected TOML, found lists or tables nested too deeply") from error
    else:
        content = load_json(path)
    if not isinstance(content, dict):
        raise InputError(str(path), f"expected names and values, found a {type(content).__name__}")
    hyperparameters, extras = split_extras(str(path), content)
    unknown = [key for key in hyperparameters if key not in RUN_FIELDS]
    if unknown:
        known = ", ".join((*RUN_FIELDS, *EXTRAS))
        raise InputError(str(path), [f"unknown key {key!r}; known are {known}, and any x_..." for key in unknown])
    return {key: content[key] for key in RUN_FIELDS if key in content}, extras


def split_extras(where: str, content: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Hyperparameters, known or not, and extras of what a file or a caller states; keys x_... are left out.

    Raises
    ------
    InputError
        If ``spread`` is none of `bayes_grpo.runs.fields.SPREADS`.
    """
    extras = {key: content[key] for key in EXTRAS if key in content}
    if extras.get("spread", "unknown") not in SPREADS:
        raise InputError(where, f"spread: expected one of {', '.join(SPREADS)}, found {extras['spread']!r}")
    return {key: content[key] for key in content if key not in EXTRAS and not str(key).startswith("x_")}, extras
