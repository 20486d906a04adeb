"""Tasks on an engine: a few at a time, again where their worker dies."""

from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

from bayes_grpo.report.batch.engines.engine import Engine, WorkerLost

#: Tasks that wait for each worker, so that none is idle and few are lost.
AHEAD = 2
#: Attempts at a task whose worker dies.
ATTEMPTS = 3


class Done(NamedTuple):
    """A task's place, and what it gave; None where its worker died each time."""

    place: int
    result: Any


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
