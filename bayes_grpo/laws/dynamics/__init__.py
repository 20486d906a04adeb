"""The laws of motion, one file a law."""

from collections.abc import Mapping
from importlib import import_module
from importlib.metadata import entry_points
from pkgutil import iter_modules

from bayes_grpo.laws.law import LAWS, Law

for _module in iter_modules(__path__):
    import_module(f"{__name__}.{_module.name}")


def laws() -> Mapping[str, type[Law]]:
    """All laws that are known, by name.

    They are those of this folder, those that installed packages name in the entry-point group ``bayes_grpo.laws``, and those of
    modules that were imported by the user.
    """
    for entry in entry_points(group="bayes_grpo.laws"):
        if entry.name not in LAWS:
            entry.load()
    return LAWS
