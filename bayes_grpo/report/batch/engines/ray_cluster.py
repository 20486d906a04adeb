"""Ray as an engine."""

import os
from collections.abc import Callable, Sequence
from typing import Any

from bayes_grpo.report.batch.engines.engine import Engine, WorkerLost
from bayes_grpo.report.batch.engines.work import ATTEMPTS


class Ray(Engine):
    """Ray, by the address of its head, or started here."""

    package, port = "ray", 6379

    def __init__(self, function: Callable[[Any], Any], workers: int | None, address: str | None) -> None:
        super().__init__(function, workers, address)
        os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")  # workers see the accelerators that are there
        import ray

        self.ray: Any = ray
        local: dict[str, Any] = {} if address is not None else {"num_cpus": self.workers, "include_dashboard": False}
        self.ray.init(address=address, log_to_driver=False, logging_level="error", ignore_reinit_error=True, **local)
        if address is not None:
            self.workers = max(1, int(self.ray.cluster_resources().get("CPU", 1)))
        self.remote = self.ray.remote(max_retries=ATTEMPTS)(function)

    def submit(self, task: Any) -> Any:
        """Submit a task, which Ray begins again where its worker dies."""
        return self.remote.remote(task)

    def first(self, handles: Sequence[Any]) -> list[Any]:
        """Wait for a reference."""
        done: list[Any] = self.ray.wait(list(handles), num_returns=1)[0]
        return done

    def result(self, handle: Any) -> Any:
        """The object."""
        try:
            return self.ray.get(handle)
        except (self.ray.exceptions.WorkerCrashedError, self.ray.exceptions.NodeDiedError) as error:
            raise WorkerLost from error

    def restart(self) -> None:
        """Nothing: Ray makes workers as it needs them."""

    def close(self) -> None:
        """Leave Ray, and end it if it was started here."""
        self.ray.shutdown()
