"""Licences of what `pip install bayes-grpo` brings; exits with 1 where one is neither permissive nor MPL."""

import re
import sys
from importlib.metadata import Distribution, PackageNotFoundError, distribution

from packaging.requirements import Requirement

ROOT = "bayes-grpo"
#: What a licence expression, a classifier or the old free text says of a licence that may be depended on.
ALLOWED = re.compile(
    r"\b(apache|bsd|mit|isc|psf|python software foundation|cnri-python|hpnd|mpl|mozilla public|zlib|unlicense|0bsd|"
    r"public domain|zope public|matplotlib|3-clause)",
    re.IGNORECASE,
)
FORBIDDEN = re.compile(r"\b(agpl|affero|l?gpl|sspl|proprietary|commercial)", re.IGNORECASE)


def dependencies(root: str) -> dict[str, Distribution]:
    """Every installed package that a package needs on this machine, by its name, extras aside."""
    found: dict[str, Distribution] = {}
    waiting: list[tuple[str, frozenset[str]]] = [(root, frozenset())]
    seen: set[tuple[str, frozenset[str]]] = set()
    while waiting:
        name, extras = waiting.pop()
        if (name, extras) in seen:
            continue
        seen.add((name, extras))
        try:
            found[name] = package = distribution(name)
        except PackageNotFoundError:
            continue  # for another system
        for text in package.requires or ():
            need = Requirement(text)
            if need.marker is None or any(need.marker.evaluate({"extra": extra}) for extra in ("", *extras)):
                waiting.append((re.sub(r"[-_.]+", "-", need.name).lower(), frozenset(need.extras)))
    return found


def licence(package: Distribution) -> str:
    """The licence expression of a package, else its classifiers, else the first line of what it says."""
    about = package.metadata
    classifiers = [text.rpartition(":: ")[2] for text in about.get_all("Classifier", []) if text.startswith("License")]
    text = about.get("License-Expression") or ", ".join(classifiers) or about.get("License") or ""
    return (text.strip().splitlines() or ["unknown"])[0][:60]


def acceptable(text: str) -> bool:
    """Whether a licence may be depended on: one of several that are offered is enough."""
    choices = re.split(r"\bOR\b", text)
    return any(ALLOWED.search(choice) and not FORBIDDEN.search(choice) for choice in choices)


def main() -> int:
    """Print the table; 1 where a licence cannot be accepted."""
    packages = dependencies(ROOT)
    refused = {name for name, package in packages.items() if not acceptable(licence(package))}
    for name, package in sorted(packages.items()):
        print(f"{name:24} {package.version:14} {licence(package)}{'  <- not accepted' if name in refused else ''}")
    return 1 if refused else 0


if __name__ == "__main__":
    sys.exit(main())
