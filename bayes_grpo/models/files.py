"""Models as files: a TOML file states an equation and its source, the law, and a prior for every parameter."""

import difflib
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from bayes_grpo.errors import InputError
from bayes_grpo.models.entries import LAW_KEYS, POOLING_KEYS, law_of, parameters_of, persistence_of
from bayes_grpo.models.spec import ModelSpec

#: The law that logs are fitted by unless another is named; forecasts rest on it as well.
DEFAULT_MODEL = "s_curve"

_TEXTS = ("summary", "equation", "source")
_DEEPEST = 5
#: Bytes of a model's name at most; a file system takes no longer ones.
_LONGEST_NAME = 200


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
    ['balance', 'balance_groups', 'balance_overdamped']
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
    if len(name.encode()) > _LONGEST_NAME or not path.is_file():
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
    except RecursionError as error:
        raise InputError(str(path), "expected TOML, found lists or tables nested too deeply") from error


def _inherit(path: Path, depth: int = 0) -> tuple[str, str, dict[str, Any], set[str]]:
    """A file's text, its history, its content over that of what it extends, and the parameters that it names itself."""
    text, stated = _read(path)
    tables = stated.get("parameters")
    named = set(tables) if isinstance(tables, dict) else set()
    base = stated.pop("extends", None)
    if base is None:
        return text, text, stated, named
    if not isinstance(base, str):
        raise InputError(str(path), f"extends: expected the name or file of a model, found {base!r}")
    if depth == _DEEPEST:
        raise InputError(str(path), f"extends: expected at most {_DEEPEST} models one upon another")
    try:
        extended = _find(base, path.parent)
    except InputError as error:
        raise InputError(str(path), [f"extends: {fault}" for fault in error.faults]) from error
    _, history, inherited, _ = _inherit(extended, depth + 1)
    if "dynamics" in stated:  # a file that names its law states all switches of that law
        inherited = {key: value for key, value in inherited.items() if key not in LAW_KEYS}
    content = inherited | stated
    if named:
        merged = dict(inherited.get("parameters", {}))
        for name, table in stated["parameters"].items():
            merged[name] = _merge(merged.get(name), table)
        content["parameters"] = merged
    return text, f"{text}\n# {path.stem} extends {base}:\n{history}", content, named


def _merge(old: Any, new: Any) -> Any:
    """A parameter's table over an inherited one: a new distribution replaces the prior, any other key only itself."""
    if not isinstance(old, dict) or not isinstance(new, dict):
        return new
    if "distribution" in new:
        old = {key: value for key, value in old.items() if key in POOLING_KEYS}
    return old | new


def _parse(path: Path) -> ModelSpec:
    text, history, content, named = _inherit(path)
    faults = _text_faults(content)
    law = law_of(content, faults)
    parameters = parameters_of(content.get("parameters"), named, law, faults)
    persistence = persistence_of(content["persistence"], faults) if "persistence" in content else None
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
    known = ("extends", *_TEXTS, *LAW_KEYS, "persistence", "parameters")
    faults = [f"unknown key {key!r}; known are {', '.join(known)}" for key in content if key not in known]
    for key in _TEXTS:
        if not isinstance(content.get(key), str):
            faults.append(f"{key}: expected a text, found {content.get(key, 'nothing')!r}")
    if not isinstance(content.get("parameters"), dict):
        faults.append("parameters: expected a table for every parameter")
    return faults
