"""A Dask cluster as an engine."""

from collections.abc import Callable, Sequence
from concurrent.futures import CancelledError
from typing import Any

from bayes_grpo.report.batch.engines.engine import PATIENCE, Engine, WorkerLost

#: Seconds between two looks at a cluster that is waited for, and looks at which it may be without a worker.
LOOK, LOOKS = 5.0, 4


class Dask(Engine):
    """A Dask cluster, by the address of its scheduler, or one made here; a task moves on where a worker dies.

    Its own futures are used: the executor that the client offers loses a result, or waits for ever, where a worker dies
    while its result is fetched. Workers that die one soon after the other may not be made again, so a cluster made here
    that stays without any is replaced.
    """

    package, port = "distributed", 8786

    def __init__(self, function: Callable[[Any], Any], workers: int | None, address: str | None) -> None:
        super().__init__(function, workers, address)
        import distributed

        self.library: Any = distributed
        self.address = address
        self.begin()
        self.workers = max(1, sum(self.client.nthreads().values()))

    def begin(self) -> None:
        """Join the cluster, or make one."""
        self.cluster = None
        if self.address is None:
            self.cluster = self.library.LocalCluster(
                n_workers=self.workers, threads_per_worker=1, processes=True, dashboard_address=None
            )
        self.client = self.library.Client(self.address or self.cluster, timeout=PATIENCE, set_as_default=False)

    def submit(self, task: Any) -> Any:
        """Submit a task."""
        return self.client.submit(self.function, task, pure=False)

    def first(self, handles: Sequence[Any]) -> list[Any]:
        """Wait for a future; those of a cluster that was replaced are done, for their tasks are lost."""
        if lost := [handle for handle in handles if handle.client is not self.client]:
            return lost
        try:
            with self.client.as_current():
                done = self._patient(lambda: self.library.wait(handles, LOOK, "FIRST_COMPLETED").done)
            return list(done)
        except WorkerLost:
            return list(handles)

    def result(self, handle: Any) -> Any:
        """The future's result; its task is done again where the worker died before the result was fetched."""
        if handle.client is not self.client:
            raise WorkerLost
        try:
            return self._patient(lambda: handle.result(timeout=LOOK))
        except (self.library.KilledWorker, CancelledError) as error:
            raise WorkerLost from error

    def _patient(self, wait_a_little: Callable[[], Any]) -> Any:
        """What is waited for, as long as the cluster has workers; else the cluster is replaced, and all is lost."""
        empty = 0
        while True:
            try:
                return wait_a_little()
            except TimeoutError:
                empty = 0 if self.cluster is None or self.client.nthreads() else empty + 1
            if empty >= LOOKS:
                self.close()
                self.begin()
                raise WorkerLost

    def restart(self) -> None:
        """Nothing: the scheduler has other workers, and its nannies make new ones."""

    def close(self) -> None:
        """Leave the cluster, and end it if it was made here."""
        self.client.close()
        if self.cluster is not None:
            self.cluster.close()
