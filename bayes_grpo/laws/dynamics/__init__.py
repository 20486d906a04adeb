"""The laws of motion, one file a law."""

import sys
from collections.abc import Mapping
from importlib import import_module
from importlib.metadata import entry_points
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from pkgutil import iter_modules
from types import ModuleType

from bayes_grpo.errors import InputError
from bayes_grpo.laws.law import LAWS, Law

for _module in iter_modules(__path__):
    import_module(f"{__name__}.{_module.name}")


def laws() -> Mapping[str, type[Law]]:
    """All laws that are known, by name.

    They are those of this folder, those that installed packages name in the entry-point group ``bayes_grpo.laws``, and
    those of modules that the user has imported.

    Returns
    -------
    mapping of str to type
        Classes derived from `bayes_grpo.laws.law.Law`.

    Examples
    --------
    >>> from bayes_grpo.laws.dynamics import laws
    >>> laws()["first_order"].__name__
    'FirstOrder'
    """
    for entry in entry_points(group="bayes_grpo.laws"):
        if entry.name not in LAWS:
            entry.load()
    return LAWS


def load_law(path: str | Path) -> ModuleType:
    """Import a Python file that defines laws, as `bayes-grpo --law FILE` does.

    The file is executed, so load only what you would run. A model file never does this by itself: it names a law that
    is known.

    Parameters
    ----------
    path : str or Path
        A Python file with a subclass of `bayes_grpo.laws.law.Law`.

    Returns
    -------
    module
        The module; its laws are known by their names from now on.

    Raises
    ------
    InputError
        If the file is not there, cannot be executed, or defines no law.
    """
    path = Path(path)
    name = f"bayes_grpo_law_{path.stem}"
    spec = spec_from_file_location(name, path)
    if path.suffix != ".py" or not path.is_file() or spec is None or spec.loader is None:
        raise InputError(str(path), "expected a Python file (.py) that defines a law, found none")
    module = module_from_spec(spec)
    sys.modules[name] = module  # dataclasses look their module up
    try:
        spec.loader.exec_module(module)
    except Exception as error:
        del sys.modules[name]
        raise InputError(str(path), f"cannot be executed: {type(error).__name__}: {error}") from error
    if not any(kind.__module__ == name for kind in LAWS.values()):
        raise InputError(
            str(path),
            "defines no law: expected a class that derives from bayes_grpo.laws.law.Law and states its name",
        )
    return module
