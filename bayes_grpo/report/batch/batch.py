"""Fit any number of runs, each by itself, and keep one row of each."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import pandas as pd
import xarray as xr

from bayes_grpo.errors import InputError
from bayes_grpo.inference.sampler_settings import Sampler
from bayes_grpo.models.files import DEFAULT_MODEL, load_model
from bayes_grpo.models.spec import ModelSpec
from bayes_grpo.report.batch.engines.choose import check_engine, engine_for
from bayes_grpo.report.batch.engines.work import work
from bayes_grpo.report.batch.logs import Item, find_logs, read_items
from bayes_grpo.report.batch.rows import Question, Row, answer, described, question
from bayes_grpo.report.batch.table import Store

#: What is said of a run that ends the process that fits it.
DIED = "the process that fitted it died each time; memory may be too small"
#: Runs of one task: few, so that little is lost where a process dies, and each costs more than its travel.
TOGETHER = 8


class Progress(NamedTuple):
    """How far a batch is.

    Parameters
    ----------
    runs : int
        Runs that are finished, those of an earlier call among them.
    expected : float
        Runs that there will be, as far as the logs that were read tell.
    fitted : int
        Runs fitted in this call.
    errors : int
        Logs and runs with an error.
    """

    runs: int
    expected: float
    fitted: int
    errors: int


def batch(
    paths: Sequence[str | Path],
    out: str | Path,
    *,
    model: str | Path | ModelSpec = DEFAULT_MODEL,
    engine: str = "local",
    address: str | None = None,
    workers: int | None = None,
    until: float | None = None,
    diagnose: bool = False,
    keep_fits: bool = False,
    method: str = "auto",
    seed: int = 0,
    draws: int = 1000,
    tune: int = 1000,
    chains: int = 4,
    target_accept: float = 0.95,
    laws: Sequence[str | Path] = (),
    reading: Mapping[str, Any] | None = None,
    progress: Callable[[Progress], None] | None = None,
) -> pd.DataFrame:
    """Fit every run of any number of logs by itself, and keep one row a run in a Parquet table.

    What is finished is on disk at once: a call that was ended at any moment goes on where it was when it is made again.
    A log that cannot be read, or a run that cannot be fitted, is a row with its ``error``. A run's row does not depend
    on the other runs, on the engine or on the number of workers.

    Parameters
    ----------
    paths : sequence of str or Path
        Logs, folders, patterns, and lists of them, see `bayes_grpo.report.batch.logs.find_logs`.
    out : str or Path
        Folder for the table ``batch.parquet``, for the parts of it while the work goes on, and for kept fits.
    model : str, Path or ModelSpec
        A model that does not pool.
    engine : {"local", "dask", "ray"}
        Processes of this machine, a Dask cluster, or Ray.
    address : str, optional
        Address of a Dask scheduler or a Ray head; without one a cluster is made on this machine.
    workers : int, optional
        Processes; by default one for each core that this process may use.
    until : float, optional
        Optimizer step to forecast to; a value below 10 is a multiple of the last logged step.
    diagnose : bool
        Whether failures are looked for.
    keep_fits : bool
        Whether whole fits are kept, in the folder ``fits``, named as the column ``fit`` says.
    method, seed, draws, tune, chains, target_accept
        As of `bayes_grpo.fit`.
    laws : sequence of str or Path
        Python files that define laws of one's own, see `bayes_grpo.laws.dynamics.load_law`.
    reading : mapping, optional
        Parameters of `bayes_grpo.read_run` for all logs.
    progress : callable, optional
        Called with a `Progress` as runs are finished.

    Returns
    -------
    pandas.DataFrame
        A row a run, in the order of the logs: ``source``, ``run``, ``error``, ``model``, ``method``, ``converged``,
        ``rows``, ``last_step``; of every parameter NAME the columns ``NAME_median``, ``NAME_lower`` and ``NAME_upper``
        (the 90 % interval); ``probability_oscillatory`` and ``probability_unstable`` of laws with mass; diagnostics;
        ``forecast_*``, ``recommendation`` and ``diagnosis`` where they were asked for; ``seconds``, and ``key``, which
        is the same for the same run, asked the same. ``attrs["left_out"]``: of the files below folders that were taken
        for no logs of training, the path and the reason.

    Raises
    ------
    InputError
        If an argument cannot be used, an engine is not installed or does not answer, or no log is found.
    OSError
        If the table cannot be written; what was finished before is kept.

    Examples
    --------
    >>> import tempfile
    >>> import bayes_grpo
    >>> from bayes_grpo.readers import EXAMPLE
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     table = bayes_grpo.batch([EXAMPLE], folder, model="overdamped", workers=1)
    >>> table.loc[0, "run"], bool(0.7 < table.loc[0, "plateau_median"] < 0.9)
    ('arithmetic_grpo', True)
    """
    folder = Path(out).resolve()
    faults: list[str] = []
    left_out: dict[str, str] = {}
    with _noting(faults):
        spec = _unpooled(model)
    with _noting(faults):
        sampler = Sampler(method, "numpyro", seed, draws, tune, chains, target_accept)
    with _noting(faults):
        logs = find_logs(paths, left_out)
    with _noting(faults):
        check_engine(engine, workers, address)
    if faults:
        raise InputError("batch", faults)
    asked = question(spec, sampler, until, diagnose, folder / "fits" if keep_fits else None, laws)
    store = Store(folder)
    ledger = _Ledger(asked, store.finished(), progress)
    if keep_fits:
        (folder / "fits").mkdir(parents=True, exist_ok=True)
    with closing(engine_for(engine, _answers, workers, address)) as place:
        for done in work(place, ledger.tasks(read_items(logs, reading or {}, left_out))):
            store.add(ledger.take(done.place, done.result))
    table = store.finish(*ledger.rows())
    table.attrs["left_out"] = left_out
    return table


class _Task(NamedTuple):
    """Runs for one worker."""

    asked: Question
    runs: list[xr.Dataset]
    rows: list[Row]


def _answers(task: _Task) -> list[Row]:
    return [row | answer(task.asked, run, row["key"]) for run, row in zip(task.runs, task.rows, strict=True)]


def _unpooled(model: str | Path | ModelSpec) -> ModelSpec:
    """The model, if it fits runs one by one."""
    spec = model if isinstance(model, ModelSpec) else load_model(model)
    if spec.pooled:
        raise InputError(
            f"model {spec.name}",
            "fits runs together, and a batch fits each by itself; choose another model, or use `bayes-grpo fit`",
        )
    return spec


@contextmanager
def _noting(faults: list[str]) -> Iterator[None]:
    """Go on after bad input, and note what is wrong with it."""
    try:
        yield
    except InputError as error:
        faults += error.faults if error.where == "batch" else [f"{error.where}: {fault}" for fault in error.faults]


class _Ledger:
    """Which runs there are, which are finished, and the rows in order."""

    def __init__(self, asked: Question, finished: dict[str, Row], progress: Callable[[Progress], None] | None) -> None:
        self.asked, self.finished, self.progress = asked, finished, progress
        self.order: dict[str, Row] = {}  # what is known of every run and fault before it is fitted, by its key
        self.sent: list[_Task] = []
        self.read_share = 0.0
        self.done, self.fitted, self.errors = 0, 0, 0

    def tasks(self, items: Iterator[Item]) -> Iterator[_Task]:
        """Tasks of a few runs that are not finished."""
        task = _Task(self.asked, [], [])
        for item in items:
            self.read_share = (item.place + 1) / item.logs
            if item.run is None:
                self.order[f"{item.source}\n{item.error}"] = {"source": item.source, "error": item.error}
                self._count({"error": item.error})
                continue
            key = self.asked.key(item.run, item.source)
            if key in self.order:
                continue
            self.order[key] = {"key": key, "source": item.source, **described(item.run)}
            if key in self.finished:
                self._count(self.finished[key])
                continue
            task.runs.append(item.run)
            task.rows.append(self.order[key])
            if len(task.runs) == TOGETHER:
                yield self._sent(task)
                task = _Task(self.asked, [], [])
        if task.runs:
            yield self._sent(task)

    def _sent(self, task: _Task) -> _Task:
        self.sent.append(task._replace(runs=[]))  # the runs are needed no longer once they are sent
        return task

    def _count(self, row: Row) -> None:
        self.done += 1
        self.errors += "error" in row
        if self.progress is not None:
            self.progress(Progress(self.done, len(self.order) / max(self.read_share, 1e-9), self.fitted, self.errors))

    def take(self, place: int, rows: list[Row] | None) -> list[Row]:
        """Note what a task gave; the rows to keep."""
        if rows is None:
            for row in self.sent[place].rows:
                died = {name: value for name, value in row.items() if name != "key"} | {"error": DIED}
                self.order[row["key"]] = died  # without a key: the next call tries again
                self._count(died)
            return []
        for row in rows:
            self.finished[row["key"]] = row
            self.fitted += 1
            self._count(row)
        return rows

    def rows(self) -> tuple[list[Row], list[Row]]:
        """A row for every run and every fault, in the order of the logs.

        And rows of an earlier call with other runs.
        """
        mine = [self.finished.get(key, row) for key, row in self.order.items()]
        return mine, [row for key, row in self.finished.items() if key not in self.order]
