"""A batch on real logs: its rows against fits, what is kept when it is killed, and the same table from every engine."""

import json
import os
import signal
import subprocess
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import bayes_grpo
from bayes_grpo import InputError
from bayes_grpo.report.batch.batch import Progress
from bayes_grpo.report.batch.logs import find_logs
from bayes_grpo.report.batch.table import FIRST, PARTS, TABLE, Store, frame
from tests.common import COMMAND, LIMIT, QUICK, call, curve, options

MODEL = "exponential"
COMMON = ("--model", MODEL, "--reward-bounds", "0", "1", *options(QUICK))
READING = {"hyperparameters": {"reward_lower": 0.0, "reward_upper": 1.0}}


def write_logs(folder: Path, count: int, first: int = 0) -> list[Path]:
    folder.mkdir(exist_ok=True)
    paths = []
    for number in range(first, first + count):
        path = folder / f"run{number:02d}.csv"
        rows = "".join(f"{i},{value:.5f}\n" for i, value in enumerate(curve(40 + number % 3, seed=number)))
        path.write_text("step,reward\n" + rows)
        paths.append(path)
    return paths


def same(first: pd.DataFrame, second: pd.DataFrame) -> None:
    """All but the time that it took."""
    pd.testing.assert_frame_equal(first.drop(columns="seconds"), second.drop(columns="seconds"), check_exact=True)


@pytest.fixture(scope="module")
def logs(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    return write_logs(tmp_path_factory.mktemp("batch") / "logs", 10)


@pytest.fixture(scope="module")
def made(logs: list[Path], tmp_path_factory: pytest.TempPathFactory) -> pd.DataFrame:
    """The table of the ten logs, one worker."""
    out = tmp_path_factory.mktemp("local")
    return bayes_grpo.batch(logs, out, model=MODEL, workers=1, reading=READING, **QUICK)


def test_a_row_is_what_a_fit_says(made: pd.DataFrame, logs: list[Path]) -> None:
    assert list(made["run"]) == [path.stem for path in logs] and made["converged"].all()
    run = bayes_grpo.read_run(logs[3], **READING)
    summary = bayes_grpo.summarise(bayes_grpo.fit(run, MODEL, **QUICK))
    for name in ("plateau", "stiffness", "timescale"):
        for limit in ("median", "lower", "upper"):
            assert made.loc[3, f"{name}_{limit}"] == pytest.approx(summary["parameters"][name][limit], rel=1e-9)
    assert made.loc[3, "khat"] == pytest.approx(summary["diagnostics"]["khat"], rel=1e-9)
    assert made.loc[3, "method"] == "importance" and made.loc[3, "rows"] == 40


@pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::UserWarning", "ignore::FutureWarning")
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.parametrize(("engine", "workers"), [("local", 2), ("dask", 2), ("ray", 2)])
def test_every_engine_makes_the_same_table(
    engine: str, workers: int, made: pd.DataFrame, logs: list[Path], tmp_path: Path
) -> None:
    table = bayes_grpo.batch(logs, tmp_path, model=MODEL, engine=engine, workers=workers, reading=READING, **QUICK)
    same(table, made)
    same(pd.read_parquet(tmp_path / TABLE), made)


def test_killed_at_any_moment_it_goes_on(made: pd.DataFrame, logs: list[Path], tmp_path: Path) -> None:
    """kill -9 of all processes when the first part is there; what is in it is not done again."""
    command = [str(COMMAND), "batch", *map(str, logs), "--out", "out", "--workers", "1", *COMMON]
    running = subprocess.Popen(command, cwd=tmp_path, stderr=subprocess.DEVNULL, start_new_session=True)
    parts, began = tmp_path / "out" / PARTS, time.monotonic()
    while not list(parts.glob("*.parquet")) and running.poll() is None and time.monotonic() - began < LIMIT:
        time.sleep(0.01)
    os.killpg(running.pid, signal.SIGKILL)
    running.wait()
    assert not (tmp_path / "out" / TABLE).exists()
    finished = Store(tmp_path / "out").finished()
    assert 0 < len(finished) < 10
    told: list[Progress] = []
    table = bayes_grpo.batch(
        logs, tmp_path / "out", model=MODEL, workers=1, reading=READING, progress=told.append, **QUICK
    )
    same(table, made)
    assert told[-1].runs == 10 and told[-1].fitted == 10 - len(finished)
    kept = table.set_index("key")["seconds"]
    assert all(kept[key] == row["seconds"] for key, row in finished.items())
    assert not list(parts.glob("*.parquet"))


def test_more_logs_and_other_questions_add_to_a_folder(logs: list[Path], tmp_path: Path) -> None:
    few, told = logs[:2], []

    def asked(paths: list[Path], seed: int) -> pd.DataFrame:
        told.clear()
        return bayes_grpo.batch(
            paths, tmp_path, model=MODEL, workers=1, reading=READING, progress=told.append, **QUICK | {"seed": seed}
        )

    first = asked(few, 0)
    other = asked(few, 1)
    assert told[-1].fitted == 2 and not other["plateau_median"].equals(first["plateau_median"])
    more = asked([*few, logs[2], logs[2]], 0)
    assert told[-1].fitted == 1 and len(more) == 3
    same(more.iloc[:2], first)


def test_a_bad_log_is_a_row(tmp_path: Path) -> None:
    folder = write_logs(tmp_path / "logs", 2)[0].parent
    (folder / "broken.csv").write_text("hello\n")
    (folder / "flat.csv").write_text("step,reward\n" + "".join(f"{i},0.5\n" for i in range(40)))
    done = call("batch", "logs/*.csv", "gone.csv", "--out", "out", "--workers", "1", "--json", *COMMON, folder=tmp_path)
    assert done.returncode == 2 and "Traceback" not in done.stderr
    summary = json.loads(done.stdout)
    assert summary["runs"] == 5 and summary["fitted"] == 2 and len(summary["errors"]) == 3
    table = pd.read_parquet(tmp_path / "out" / TABLE)
    by_name = {Path(row["source"]).name: row for row in table.to_dict("records")}
    assert "expected a training log" in by_name["broken.csv"]["error"]
    assert "values that vary" in by_name["flat.csv"]["error"]
    assert "no such file" in by_name["gone.csv"]["error"]
    assert pd.isna(by_name["run00.csv"]["error"]) and 0.5 < by_name["run00.csv"]["plateau_median"] < 0.9


def test_no_file_of_a_folder_is_dropped_silently(tmp_path: Path) -> None:
    """What seems to be a log and cannot be read is a row, what is plainly none is named, whichever way it is read."""
    folder = write_logs(tmp_path / "logs", 2)[0].parent
    (folder / "typo.csv").write_text("stp,rwd\n1,0.1\n2,0.2\n")
    (folder / "speaks.csv").write_text("stepp,rewad,note\n1,0.1,the reward of a step\n2,0.2,-\n")
    (folder / "meta.json").write_text('{"about": "the reward of each step"}')
    done = call("batch", "logs", "--out", "out", "--workers", "1", "--json", *COMMON, folder=tmp_path)
    summary = json.loads(done.stdout)
    assert done.returncode == 2 and summary["fitted"] == 2 and summary["runs"] == 3
    assert "speaks.csv" in summary["errors"][0]
    assert list(summary["left_out"]) == ["logs/typo.csv", "logs/meta.json"]
    assert "note: 2 files were not read as logs:\n  logs/typo.csv: no log of training" in done.stderr
    assert summary["left_out"]["logs/meta.json"].startswith("expected a column")
    (folder / "run01.csv").unlink()
    (folder / "speaks.csv").unlink()
    alone = call("batch", "logs", "--out", "out", "--workers", "1", *COMMON, folder=tmp_path)
    assert alone.returncode == 0 and "logs/typo.csv" in alone.stderr


def test_forecast_diagnosis_and_fits_where_asked(logs: list[Path], tmp_path: Path) -> None:
    table = bayes_grpo.batch(
        logs[:1], tmp_path, model=MODEL, workers=1, until=2, diagnose=True, keep_fits=True, reading=READING, **QUICK
    )
    row = table.iloc[0]
    assert row["forecast_until"] == 78 and row["forecast_lower"] < row["forecast_median"] < row["forecast_upper"]
    assert row["recommendation"] in ("stop", "go on", "cannot tell yet", "look")
    chances = [row[name] for name in table.columns if name.startswith("probability_") and name != "probability_worth"]
    assert sum(chances) == pytest.approx(1) and row["diagnosis"]
    saved = bayes_grpo.load_fit(tmp_path / "fits" / row["fit"])
    assert np.median(saved["posterior"]["plateau"].values) == pytest.approx(row["plateau_median"])


def test_logs_are_found_once_each(tmp_path: Path) -> None:
    paths = write_logs(tmp_path / "logs", 3)
    (tmp_path / "list.txt").write_text("# logs\nlogs/run01.csv\nlogs/run02.csv\n")
    text = [str(path) for path in paths]
    assert find_logs([text[0], f"{tmp_path}/logs/*.csv", f"@{tmp_path}/list.txt"]) == text
    with pytest.raises(InputError) as caught:
        find_logs([f"{tmp_path}/none*.csv", f"@{tmp_path}/no_list.txt"])
    assert len(caught.value.faults) == 2


def test_what_cannot_be_asked_is_refused_before_the_work(logs: list[Path], tmp_path: Path) -> None:
    for arguments, part in (
        (("--model", "pooled"), "fits runs together"),
        (("--engine", "spark"), "expected one of local, dask, ray"),
        (("--draws", "0"), "draws: expected a whole number"),
    ):
        done = call("batch", logs[0], "--out", "out", *arguments, folder=tmp_path)
        assert done.returncode == 2 and part in done.stderr


def test_all_faults_of_a_call_are_told_at_once(tmp_path: Path) -> None:
    with pytest.raises(InputError) as caught:
        bayes_grpo.batch(
            [tmp_path / "none*.csv", f"@{tmp_path}/no_list.txt"],
            tmp_path / "out",
            model="pooled",
            engine="local",
            address="127.0.0.1:1",
            draws=0,
        )
    told = [
        "model pooled: fits runs together",
        "draws: expected a whole number",
        "none*.csv",
        "no_list.txt",
        "address: the engine local has none",
    ]
    assert len(caught.value.faults) == len(told)
    assert all(part in fault for part, fault in zip(told, caught.value.faults, strict=True))
    assert not (tmp_path / "out").exists()


def test_a_full_disk_keeps_what_was_written(made: pd.DataFrame, logs: list[Path], tmp_path: Path) -> None:
    """The file-size limit stands in for a full disk; the same call goes on when there is room again."""
    limited = ["bash", "-c", 'trap "" XFSZ; ulimit -f 4; exec "$@"', "bash", str(COMMAND)]
    command = [*limited, "batch", *map(str, logs), "--out", "out", "--workers", "1", *COMMON]
    environment = os.environ | {"JAX_ENABLE_COMPILATION_CACHE": "0"}
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=LIMIT, env=environment)
    assert done.returncode == 2 and "could not be written" in done.stderr and "Traceback" not in done.stderr
    assert not list((tmp_path / "out").rglob(".*"))
    table = bayes_grpo.batch(logs, tmp_path / "out", model=MODEL, workers=1, reading=READING, **QUICK)
    same(table, made)


def test_first_columns_are_in_every_table() -> None:
    """Whether all runs were fitted or none, the columns are there and hold the same kind of value."""
    answer = {"model": "overdamped", "method": "importance", "converged": True, "rows": 9, "last_step": 9.0}
    fitted = frame([{"source": "a.csv", "run": "a", "key": "1"} | answer])
    failed = frame([{"source": "b.csv", "error": "no reward", "key": "2"}])
    assert list(fitted.columns[: len(FIRST)]) == list(failed.columns[: len(FIRST)]) == list(FIRST)
    assert fitted["error"].isna().all() and failed["converged"].isna().all()
    assert (fitted.dtypes[list(FIRST)] == failed.dtypes[list(FIRST)]).all()
