"""The engine that is asked for, or why it cannot be had."""

import socket
from collections.abc import Callable
from importlib.util import find_spec
from typing import Any
from urllib.parse import urlsplit

from bayes_grpo.errors import InputError
from bayes_grpo.report.batch.engines.dask_cluster import Dask
from bayes_grpo.report.batch.engines.engine import PATIENCE, Engine
from bayes_grpo.report.batch.engines.local import Local
from bayes_grpo.report.batch.engines.ray_cluster import Ray

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
