"""Examples of docstrings: modules without any are not imported, for some load all of torch."""

from pathlib import Path

PACKAGE = Path(__file__).parent / "bayes_grpo"
#: Its examples share fits that take a minute; a test of the room runs them one after the other.
SHARED = PACKAGE / "analysis" / "invariance"


def pytest_ignore_collect(collection_path: Path) -> bool | None:
    """Leave out modules of the package that have no example, or whose examples a test runs."""
    if collection_path.suffix != ".py" or not collection_path.is_relative_to(PACKAGE):
        return None
    if collection_path.is_relative_to(SHARED):
        return True
    return True if ">>>" not in collection_path.read_text(encoding="utf-8") else None
