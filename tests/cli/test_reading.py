"""`inspect` and `convert`: what they print, write and return."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np

from bayes_grpo import read_run
from tests.readers.files import REWARDS, STEPS, N, jsonl, tfevents, trl_rows

COMMAND = Path(sys.executable).parent / "bayes-grpo"


def call(*arguments, columns: int = 100) -> subprocess.CompletedProcess:
    environment = os.environ | {"COLUMNS": str(columns)}
    return subprocess.run([COMMAND, *map(str, arguments)], env=environment, capture_output=True, text=True, timeout=120)


def test_inspect_shows_what_is_understood_assumed_and_missing(tmp_path: Path) -> None:
    log = jsonl(tmp_path)
    (tmp_path / "hyperparameters.toml").write_text("group_size = 8\n")
    done = call("inspect", log, "--momentum", "0.9", columns=80)
    assert done.returncode == 0, done.stderr
    text = done.stdout
    assert text.startswith("verl: JSONL, logged by verl\n")
    assert f"{N} rows, optimizer steps 1 to {N}" in text
    for part in ("'critic/rewards/mean'", "(hyperparameters file)", "(stated)", "not used (1)", "actor/pg_loss"):
        assert part in text
    assert "--refresh-interval" in text and "--reward-bounds LOWER UPPER" in text
    assert "momentum: 0.9 is assumed" not in text
    prose = [line for line in text.splitlines()[2:] if " x " not in line]
    assert max(map(len, prose)) <= 80


def test_inspect_as_json(tmp_path: Path) -> None:
    log = jsonl(tmp_path)
    (tmp_path / "bad.csv").write_text("step,loss\n1,2\n2,3\n")
    done = call("inspect", log, tmp_path / "bad.csv", "--json", "--refresh-interval", "2")
    assert done.returncode == 2
    found = json.loads(done.stdout)
    assert len(found["runs"]) == 1 and len(found["faults"]) == 1 and "bad.csv" in done.stderr
    run = found["runs"][0]
    assert (run["trainer"], run["format"], run["rows"]) == ("verl", "JSONL", N)
    assert (run["first_step"], run["last_step"]) == (1, 2 * N - 1)
    reward = run["columns"]["reward"]
    assert reward == {
        "column": "critic/rewards/mean",
        "unit": "reward",
        "values": N,
        "min": min(REWARDS),
        "max": max(REWARDS),
    }
    assert run["hyperparameters"]["refresh_interval"] == {"value": 2, "unit": "step", "from": "stated"}
    assert {"group_size", "momentum", "reward_spread"} <= set(run["missing"]) and "refresh_interval" not in run[
        "missing"
    ]
    assert all(said["cost"] and said["cure"] for said in run["missing"].values())
    assert run["unused"] == ["actor/pg_loss"]
    assert any("2 optimizer steps each" in note for note in run["assumed"])
    assert found["faults"][0].startswith(str(tmp_path / "bad.csv"))


def test_inspect_refuses_with_2_and_no_traceback(tmp_path: Path) -> None:
    (tmp_path / "empty.csv").write_text("")
    for arguments, said in (
        ((tmp_path / "nothing",), "no such file or folder"),
        ((tmp_path / "empty.csv", "--json"), "the file is empty"),
        ((tmp_path, "--group-size", "0"), "group_size: expected a number at least 1, found 0"),
    ):
        done = call("inspect", *arguments)
        assert done.returncode == 2 and said in done.stderr
        assert done.stdout.strip() == "" and "Traceback" not in done.stderr


def test_convert_writes_what_fit_and_inspect_read(tmp_path: Path) -> None:
    """From two formats into one file, and from that again: the same runs."""
    (tmp_path / "tb").mkdir()
    sources = [jsonl(tmp_path), tfevents(tmp_path / "tb")]
    out = tmp_path / "run.nc"
    done = call("convert", *sources, "--out", out, "--json", "--group-size", "4")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == {"file": str(out), "runs": ["verl", "events"], "faults": []}
    run = read_run(out)
    assert run["run"].values.tolist() == ["verl", "events"] and run["group_size"].values.tolist() == [4, 4]
    for index in range(2):
        assert run["optimizer_step"].values[index].tolist() == STEPS
        np.testing.assert_allclose(run["reward"].values[index], REWARDS, rtol=1e-6)
    again = call("convert", out, "--out", tmp_path / "again.nc")
    assert again.returncode == 0, again.stderr
    assert "2 runs, verl, events" in again.stderr and again.stdout == ""
    assert read_run(tmp_path / "again.nc").drop_vars("source").identical(run.drop_vars("source"))
    shown = json.loads(call("inspect", out, "--json").stdout)["runs"]
    assert [one["run"] for one in shown] == ["verl", "events"]
    assert shown[1]["hyperparameters"]["group_size"]["value"] == 4


def test_convert_leaves_nothing_behind_where_it_cannot(tmp_path: Path) -> None:
    log = jsonl(tmp_path)
    (tmp_path / "bad.csv").write_text("step,loss\n1,2\n2,3\n")
    for arguments, said in (
        ((log, "--out", tmp_path / "nowhere" / "run.nc"), "does not exist"),
        ((log, "--out", tmp_path), "found a folder"),
        ((tmp_path / "bad.csv", "--out", tmp_path / "out.nc"), "--reward-column"),
    ):
        done = call("convert", *arguments)
        assert done.returncode == 2 and said in done.stderr and "Traceback" not in done.stderr
    assert sorted(p.name for p in tmp_path.iterdir()) == ["bad.csv", "verl.jsonl"]
    done = call("convert", log, tmp_path / "bad.csv", "--out", tmp_path / "out.nc")
    assert done.returncode == 2 and "bad.csv" in done.stderr
    assert read_run(tmp_path / "out.nc").sizes["run"] == 1, "the run that could be read is kept"


def test_fit_takes_a_folder_with_a_run_in_it(tmp_path: Path) -> None:
    """`fit PATH` finds the log below the path; impossible fits still end with 2."""
    (tmp_path / "project" / "run").mkdir(parents=True)
    (tmp_path / "project" / "config.json").write_text('{"reward": 1, "step": 2}')
    (tmp_path / "project" / "run" / "log.jsonl").write_text("".join(json.dumps(row) + "\n" for row in trl_rows()))
    quick = ("--model", "exponential", "--draws", "25", "--tune", "25", "--chains", "2", "--json")
    done = call("fit", tmp_path / "project", "--out", tmp_path / "fit.nc", *quick)
    assert done.returncode in (0, 3), done.stderr
    assert json.loads(done.stdout)["run"] == "log"
