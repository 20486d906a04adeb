"""What an engine does: it runs a function on tasks in other processes."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from typing import Any

#: Seconds that an address has to answer.
PATIENCE = 5.0


class Engine(ABC):
    """Runs a function on tasks in other processes."""

    #: Package that an extra of the engine's name brings, and the port where its scheduler listens.
    package: str | None = None
    port: int | None = None

    def __init__(self, function: Callable[[Any], Any], workers: int | None, address: str | None) -> None:
        import loky

        self.function = function
        self.workers = workers or loky.cpu_count()  # cores that this process may use, by affinity and by cgroup

    @abstractmethod
    def submit(self, task: Any) -> Any:
        """Begin a task; a handle of it."""

    @abstractmethod
    def first(self, handles: Sequence[Any]) -> list[Any]:
        """Wait until one of these is done; those that are."""

    @abstractmethod
    def result(self, handle: Any) -> Any:
        """What a task that is done gave.

        Raises
        ------
        WorkerLost
            If the process that ran it died.
        """

    @abstractmethod
    def restart(self) -> None:
        """Make workers anew after one died, where the engine does not by itself."""

    @abstractmethod
    def close(self) -> None:
        """Let the workers go."""


class WorkerLost(Exception):
    """A process died with its task."""
