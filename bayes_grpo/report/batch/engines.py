"""Where the work is done: processes of this machine, a Dask cluster, or Ray. One small class an engine."""

import os
import socket
import warnings
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, BrokenExecutor, CancelledError, wait
from importlib.util import find_spec
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from bayes_grpo.errors import InputError

#: Tasks that wait for each worker, so that none is idle and few are lost.
AHEAD = 2
#: Attempts at a task whose worker dies.
ATTEMPTS = 3
#: Seconds that an address has to answer.
PATIENCE = 5.0


class Done(NamedTuple):
    """A task's place, and what it gave; None where its worker died each time."""

    place: int
    result: Any


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


class Executor(Engine):
    """An engine with an executor of the standard library's kind; subclasses make it in `restart`."""

    #: What is raised where a process died.
    deaths: tuple[type[BaseException], ...] = (BrokenExecutor, CancelledError)
    executor: Any

    def submit(self, task: Any) -> Any:
        """Submit a task."""
        return self.executor.submit(self.function, task)

    def first(self, handles: Sequence[Any]) -> list[Any]:
        """Wait for a future."""
        return list(wait(handles, return_when=FIRST_COMPLETED).done)

    def result(self, handle: Any) -> Any:
        """The future's result."""
        try:
            return handle.result()
        except self.deaths as error:
            raise WorkerLost from error


class Local(Executor):
    """Processes of this machine (loky)."""

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
            return super().submit(task)
        except BrokenExecutor:
            self.restart()
            return super().submit(task)

    def close(self) -> None:
        """End the processes, also those that are at work."""
        self.executor.shutdown(wait=True, kill_workers=True)


class Dask(Executor):
    """A Dask cluster, by the address of its scheduler, or one made here; a task moves on where a worker dies."""

    package, port = "distributed", 8786

    def __init__(self, function: Callable[[Any], Any], workers: int | None, address: str | None) -> None:
        super().__init__(function, workers, address)
        import distributed

        library: Any = distributed
        self.deaths = (*self.deaths, library.KilledWorker)
        self.cluster = None
        if address is None:
            self.cluster = library.LocalCluster(
                n_workers=self.workers, threads_per_worker=1, processes=True, dashboard_address=None
            )
        self.client = library.Client(address or self.cluster, timeout=PATIENCE, set_as_default=False)
        self.workers = max(1, sum(self.client.nthreads().values()))
        self.executor = self.client.get_executor(pure=False)

    def restart(self) -> None:
        """Nothing: the scheduler has other workers, and its nannies make new ones."""

    def close(self) -> None:
        """Leave the cluster, and end it if it was made here."""
        self.client.close()
        if self.cluster is not None:
            self.cluster.close()


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


#: Engines by name.
ENGINES: dict[str, type[Engine]] = {"local": Local, "dask": Dask, "ray": Ray}


def check_engine(name: str, workers: int | None, address: str | None) -> None:
    """Refuse an engine that cannot be had, before anything is started.

    Raises
    ------
    InputError
        If there is no such engine, it is not installed, it cannot have this address or number of workers, or nobody
        listens at the address; all faults at once.
    """
    faults = []
    engine = ENGINES.get(name)
    if engine is None:
        faults.append(f"engine: expected one of {', '.join(ENGINES)}, found {name!r}")
    if workers is not None and (isinstance(workers, bool) or not isinstance(workers, int) or workers < 1):
        faults.append(f"workers: expected a whole number of at least 1, found {workers!r}")
    if engine and engine.package and find_spec(engine.package) is None:
        faults.append(f"engine {name}: {engine.package} is not installed; pip install 'bayes-grpo[{name}]'")
    if engine and address is not None:
        if engine.port is None:
            faults.append(f"address: the engine {name} has none; choose --engine dask or ray")
        elif reason := _silence(address, engine.port):
            faults.append(
                f"address {address}: nobody answers there ({reason}); start the cluster, or leave --address out"
            )
    if faults:
        raise InputError("batch", faults)


def engine_for(name: str, function: Callable[[Any], Any], workers: int | None, address: str | None) -> Engine:
    """An engine that is ready to work.

    Raises
    ------
    InputError
        If there is no such engine, it is not installed, or nobody listens at the address.
    """
    check_engine(name, workers, address)
    return ENGINES[name](function, workers, address)


def work(engine: Engine, tasks: Iterable[Any]) -> Iterator[Done]:
    """Do tasks, a few at a time; the order of what is done is that in which it is done.

    Parameters
    ----------
    engine : Engine
        Where.
    tasks : iterable
        Taken one by one as workers become free, so they can be made while others are done.
    """
    waiting = enumerate(tasks)
    running: dict[Any, tuple[int, Any]] = {}
    lost: dict[int, int] = {}
    suspects: list[tuple[int, Any]] = []
    exhausted = False
    while True:
        while not exhausted and len(running) < AHEAD * engine.workers:
            following = next(waiting, None)
            exhausted = following is None
            if following is not None:
                running[engine.submit(following[1])] = following
        if not running and suspects:
            # One at a time: if its worker dies, it was this task.
            place, task = suspects.pop(0)
            running[engine.submit(task)] = place, task
        if not running:
            return
        died = False
        for handle in engine.first(list(running)):
            place, task = running.pop(handle)
            try:
                result = engine.result(handle)
            except WorkerLost:
                died = True
                lost[place] = lost.get(place, 0) + 1
                if lost[place] >= ATTEMPTS:
                    yield Done(place, None)
                else:
                    suspects.append((place, task))
                continue
            yield Done(place, result)
        if died:
            engine.restart()


def _silence(address: str, port: int) -> str:
    """Why nobody answers at an address, before a library waits for it for minutes; empty where somebody does."""
    parts = urlsplit(address if "//" in address else f"tcp://{address}")
    if address == "auto" or parts.scheme == "inproc":
        return ""
    try:
        host, number = parts.hostname, parts.port or port
        if host is None:
            return "no host in it"
        socket.create_connection((host, number), timeout=PATIENCE).close()
    except (OSError, ValueError) as error:
        return str(error)
    return ""
