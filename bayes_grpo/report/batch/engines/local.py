"""The engine of this machine alone."""

import warnings
from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_COMPLETED, BrokenExecutor, CancelledError, wait
from typing import Any

from bayes_grpo.report.batch.engines.engine import Engine, WorkerLost


class Local(Engine):
    """Processes of this machine (loky)."""

    executor: Any

    def __init__(self, function: Callable[[Any], Any], workers: int | None, address: str | None) -> None:
        super().__init__(function, workers, address)
        # A process that has compiled for many lengths of runs is large, and begins anew; nobody need be told.
        warnings.filterwarnings("ignore", message="A worker was restarted", category=UserWarning)
        self.restart()

    def restart(self) -> None:
        """Make a new pool: one that lost a process takes no more tasks."""
        import loky

        self.executor = loky.ProcessPoolExecutor(self.workers)

    def submit(self, task: Any) -> Any:
        """Submit a task, to a new pool where a process of the old one died since the last result."""
        try:
            return self.executor.submit(self.function, task)
        except BrokenExecutor:
            self.restart()
            return self.executor.submit(self.function, task)

    def first(self, handles: Sequence[Any]) -> list[Any]:
        """Wait for a future."""
        return list(wait(handles, return_when=FIRST_COMPLETED).done)

    def result(self, handle: Any) -> Any:
        """The future's result."""
        try:
            return handle.result()
        except (BrokenExecutor, CancelledError) as error:
            raise WorkerLost from error

    def close(self) -> None:
        """End the processes, also those that are at work."""
        self.executor.shutdown(wait=True, kill_workers=True)
