"""Packages that only some formats need, imported when such a file is read."""

from importlib import import_module
from typing import Any

from bayes_grpo.errors import InputError


def need(module: str, where: str, purpose: str) -> Any:
    """Import a module of the extra ``trackers``.

    Raises
    ------
    InputError
        Naming the extra, if the package is not installed.
    """
    try:
        return import_module(module)
    except ImportError as error:
        package = module.partition(".")[0]
        raise InputError(
            where, f"{purpose} are read by the package {package}, which is missing: pip install 'bayes_grpo[trackers]'"
        ) from error
