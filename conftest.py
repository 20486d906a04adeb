"""Examples of docstrings: modules without any are not imported, for some load all of torch."""

from pathlib import Path

PACKAGE = Path(__file__).parent / "bayes_grpo"


def pytest_ignore_collect(collection_path: Path) -> bool | None:
    """Leave out modules of the package that have no example."""
    if collection_path.suffix != ".py" or not collection_path.is_relative_to(PACKAGE):
        return None
    return True if ">>>" not in collection_path.read_text(encoding="utf-8") else None
