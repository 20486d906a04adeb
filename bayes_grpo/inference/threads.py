"""Parts of a computation on all cores of a processor."""

import os
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor

import jax


def on_all_cores[Part, Result](function: Callable[[Part], Result], parts: Iterable[Part]) -> Iterator[Result]:
    """The results of a function, part by part, computed on all cores of the processor.

    A compiled program leaves the interpreter to other threads while it runs, so a function that waits for one gains by
    it. An accelerator computes one part after the other.
    """
    count = useful_threads()
    if count == 1:
        yield from map(function, parts)
        return
    with ThreadPoolExecutor(max_workers=count) as pool:
        yield from pool.map(function, parts)


def useful_threads() -> int:
    """Threads that compute at the same time: one where an accelerator computes."""
    return usable_cores() if jax.default_backend() == "cpu" else 1


def usable_cores() -> int:
    """Cores that this process may use; Linux tells, where it has been bound to some of them."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
