"""Engines as they are: processes of this machine, a real Dask cluster, a real Ray; workers are killed in the middle."""

import os
import signal
import socket
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from bayes_grpo import InputError
from bayes_grpo.report.batch.engines import choose, dask_cluster
from bayes_grpo.report.batch.engines.choose import ENGINES, engine_for
from bayes_grpo.report.batch.engines.dask_cluster import Dask
from bayes_grpo.report.batch.engines.engine import Engine, WorkerLost
from bayes_grpo.report.batch.engines.work import AHEAD, Done, work

# Libraries of the engines warn of their own doings when processes die.
pytestmark = [
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore::UserWarning"),
    pytest.mark.filterwarnings("ignore::FutureWarning"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
]


def square(task: tuple[str, int]) -> int:
    """The square of a number; a process that is given the number 3 dies once, one that is given -1 each time."""
    folder, number = task
    mark = os.path.join(folder, "died")
    if number == 3 and not os.path.exists(mark):
        with open(mark, "w"):
            pass
        os.kill(os.getpid(), signal.SIGKILL)
    if number == -1:
        os.kill(os.getpid(), signal.SIGKILL)
    return number * number


@pytest.fixture(scope="module", params=list(ENGINES))
def engine(request: pytest.FixtureRequest) -> Iterator[Engine]:
    made = engine_for(request.param, square, 2, None)
    yield made
    made.close()


def test_a_worker_that_dies_loses_nothing(engine: Engine, tmp_path: Path) -> None:
    numbers = [0, 1, 2, 3, 4, 5, 6, 7]
    done = sorted(work(engine, ((str(tmp_path), number) for number in numbers)))
    assert (tmp_path / "died").exists()
    assert done == [Done(place, number**2) for place, number in enumerate(numbers)]


def test_a_task_that_kills_each_worker_is_given_up_alone(engine: Engine, tmp_path: Path) -> None:
    numbers = [1, -1, 2, 4]
    done = sorted(work(engine, ((str(tmp_path), number) for number in numbers)), key=lambda entry: entry.place)
    assert done == [Done(0, 1), Done(1, None), Done(2, 4), Done(3, 16)]


def test_a_pool_that_broke_between_a_result_and_the_next_task_is_made_anew(tmp_path: Path) -> None:
    engine = engine_for("local", square, 2, None)
    deadly = engine.submit((str(tmp_path), -1))
    with pytest.raises(WorkerLost):
        engine.result(deadly)
    assert engine.result(engine.submit((str(tmp_path), 5))) == 25
    engine.close()


def test_a_cluster_whose_workers_are_not_made_again_is_replaced(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Dask gives workers up that die one soon after the other, and would then wait for ever."""
    monkeypatch.setattr(dask_cluster, "LOOK", 0.2)
    made = engine_for("dask", square, 1, None)
    assert isinstance(made, Dask)
    first = made.client
    made.cluster.scale(0)
    while made.client.nthreads():
        time.sleep(0.01)
    assert list(work(made, [(str(tmp_path), 7)])) == [Done(0, 49)]
    assert made.client is not first
    made.close()


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="processes are bound to cores on Linux only")
def test_there_are_as_many_workers_as_cores_that_may_be_used() -> None:
    before = os.sched_getaffinity(0)
    try:
        os.sched_setaffinity(0, {min(before)})
        engine = engine_for("local", square, None, None)
    finally:
        os.sched_setaffinity(0, before)
    assert engine.workers == 1
    engine.close()


def test_tasks_are_made_as_they_are_needed() -> None:
    """So that a million runs are never in memory together."""
    made, answered, ahead = 0, 0, 0

    def tasks() -> Iterator[tuple[str, int]]:
        nonlocal made, ahead
        for number in range(20):
            made += 1
            ahead = max(ahead, made - answered)
            yield "", 10 + number

    engine = engine_for("local", square, 1, None)
    for _ in work(engine, tasks()):
        answered += 1
    engine.close()
    assert answered == 20 and ahead <= AHEAD + 2


def test_bad_engines_are_refused_at_once() -> None:
    for arguments, parts in (
        (("spark", None, None), ("expected one of local, dask, ray", "'spark'")),
        (("local", 0, "tcp://x:1"), ("workers: expected a whole number", "address: the engine local has none")),
    ):
        with pytest.raises(InputError) as caught:
            engine_for(arguments[0], square, arguments[1], arguments[2])
        assert all(part in str(caught.value) for part in parts)


@pytest.mark.parametrize("name", ["dask", "ray"])
def test_an_address_where_nobody_listens_is_no_hang(name: str) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    began = time.monotonic()
    with pytest.raises(InputError, match="nobody answers there"):
        engine_for(name, square, 1, f"127.0.0.1:{port}")
    assert time.monotonic() - began < 10


@pytest.mark.parametrize("name", ["dask", "ray"])
def test_an_engine_that_is_not_installed_names_its_extra(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(choose, "find_spec", lambda package: None)
    with pytest.raises(InputError, match=rf"pip install 'bayes-grpo\[{name}\]'"):
        engine_for(name, square, 1, None)
