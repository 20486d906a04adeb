"""Examples of docstrings: modules without any are not imported, for some load all of torch; where each is run."""

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from xdist.remote import Producer
    from xdist.scheduler import LoadFileScheduling

PACKAGE = Path(__file__).parent / "bayes_grpo"


def pytest_ignore_collect(collection_path: Path) -> bool | None:
    """Leave out modules of the package that have no example."""
    if collection_path.suffix != ".py" or not collection_path.is_relative_to(PACKAGE):
        return None
    return True if ">>>" not in collection_path.read_text(encoding="utf-8") else None


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: "Producer") -> "LoadFileScheduling | None":
    """Give the examples of a folder to one worker, for they compile the same programs; tests go by file."""
    if config.getoption("dist") != "loadfile":
        return None
    from xdist.scheduler import LoadFileScheduling

    class ByRoom(LoadFileScheduling):
        def _split_scope(self, nodeid: str) -> str:
            path: str = super()._split_scope(nodeid)
            return path.rpartition("/")[0] if path.startswith("bayes_grpo/") else path

    return ByRoom(config, log)
