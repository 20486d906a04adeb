"""`inspect` and `convert`: what they print, write and return."""

import json
from pathlib import Path

import numpy as np

from bayes_grpo import read_run
from tests.common import QUICK, call, options
from tests.readers.files import REWARDS, STEPS, N, jsonl, tfevents, trl_rows


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
    assert "told by critic/rewards/mean" in text and "momentum" in text
    assert max(map(len, text.splitlines())) <= 80
    bars = next(line for line in text.splitlines() if line.startswith("  reward "))
    assert bars.endswith(" 100 %  \u2581\u2581\u2582\u2583\u2583\u2584\u2585\u2586\u2586\u2587\u2588\u2588")


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
        "share": 1.0,
        "min": min(REWARDS),
        "max": max(REWARDS),
        "course": REWARDS,
    }
    assert run["told_by"] == ["critic/rewards/mean", "actor/pg_loss", "response_length/mean"] and run["left_out"] == []
    assert run["hyperparameters"]["refresh_interval"] == {"value": 2, "unit": "step", "from": "stated"}
    assert {"group_size", "momentum", "reward_spread"} <= set(run["missing"]) and "refresh_interval" not in run[
        "missing"
    ]
    assert all(gap["cost"] and gap["cure"] and gap["gains"] for gap in run["missing"].values())
    assert run["unused"] == ["actor/pg_loss"]
    assert any("2 optimizer steps each" in note for note in run["assumed"])
    assert found["faults"][0].startswith(str(tmp_path / "bad.csv"))


def test_inspect_refuses_with_2_and_no_traceback(tmp_path: Path) -> None:
    (tmp_path / "empty.csv").write_text("")
    for arguments, said in (
        ((tmp_path / "nothing",), "no such file or folder"),
        ((tmp_path / "empty.csv", "--json"), "the file is empty"),
        ((tmp_path, "--group-size", "0"), "--group-size: expected a number at least 1 and at most 10000, found 0"),
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
    (tmp_path / "folder.nc").mkdir()
    for arguments, said in (
        ((log, "--out", tmp_path / "nowhere" / "run.nc"), "does not exist"),
        ((log, "--out", tmp_path), "expected a name ending in .nc"),
        ((log, "--out", tmp_path / "folder.nc"), "found a folder"),
        ((tmp_path / "bad.csv", "--out", tmp_path / "out.nc"), "--reward-column"),
    ):
        done = call("convert", *arguments)
        assert done.returncode == 2 and said in done.stderr and "Traceback" not in done.stderr
    assert sorted(p.name for p in tmp_path.iterdir()) == ["bad.csv", "folder.nc", "verl.jsonl"]
    done = call("convert", log, tmp_path / "bad.csv", "--out", tmp_path / "out.nc")
    assert done.returncode == 2 and "bad.csv" in done.stderr
    assert read_run(tmp_path / "out.nc").sizes["run"] == 1, "the run that could be read is kept"


def test_fit_takes_a_folder_with_a_run_in_it(tmp_path: Path) -> None:
    """`fit PATH` finds the log below the path; impossible fits still end with 2."""
    (tmp_path / "project" / "run").mkdir(parents=True)
    (tmp_path / "project" / "config.json").write_text('{"reward": 1, "step": 2}')
    (tmp_path / "project" / "run" / "log.jsonl").write_text("".join(json.dumps(row) + "\n" for row in trl_rows()))
    fast = ("--model", "exponential", "--json", *options(QUICK))
    done = call("fit", tmp_path / "project", "--out", tmp_path / "fit.nc", *fast)
    assert done.returncode in (0, 3), done.stderr
    assert json.loads(done.stdout)["run"] == "log"


def test_inspect_of_a_folder_gives_a_line_a_run_and_says_what_it_left_out(tmp_path: Path) -> None:
    """It does not stop at what cannot be read; --full and --json give the whole account."""
    for seed in range(3):
        folder = tmp_path / f"a_rather_long_name_of_a_run_with_seed_{seed}" / "logs"
        folder.mkdir(parents=True)
        jsonl(folder)
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken" / "log.jsonl").write_text('{"step": 1, "reward": 0.1}\n{"step": 1, "reward":\n{"step": 2}\n')
    done = call("inspect", tmp_path, columns=80)
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    rows = [line for line in lines if "verl" in line]
    assert len(rows) == 3 and all(f"seed_{i} " in row and "0.1 to 0.67" in row for i, row in enumerate(rows))
    assert "3 runs" in lines and "line 2: expected one JSON object a line" in " ".join(done.stdout.split())
    assert max(map(len, lines)) <= 80
    full = call("inspect", tmp_path, "--full", columns=80)
    assert full.stdout.count("understood") == 3 and "files left out" in full.stdout
    found = json.loads(call("inspect", tmp_path, "--json").stdout)
    assert len(found["runs"]) == 3 and len(found["runs"][0]["left_out"]) == 1


def test_columns_and_appended_runs_are_stated_on_the_command_line(tmp_path: Path) -> None:
    path = tmp_path / "log.jsonl"
    rows = [{"step": i + 1, "reward": r, "judge": 1 - r, "kept": 3, "dropped": 1} for i, r in enumerate(REWARDS)]
    path.write_text("".join(json.dumps(row) + "\n" for row in [*rows[:6], *rows]))
    columns = ("--column", "evaluation_reward=judge", "--column", "zero_spread_share=dropped/(dropped+kept)")
    done = call("inspect", path, "--run", "last", "--json", *columns)
    assert done.returncode == 0, done.stderr
    run = json.loads(done.stdout)["runs"][0]
    assert run["rows"] == N and run["columns"]["evaluation_reward"]["column"] == "judge"
    assert run["columns"]["zero_spread_share"]["min"] == 0.25 and run["unused"] == []
    for arguments, said in (
        ((), "take one by --run N or --run last (1: 6 rows, steps 1 to 6; 2: 12 rows, steps 1 to 12)"),
        (("--run", "3"), "expected a number from 1 to 2 or last, found '3'"),
        (("--run", "1", "--column", "judge"), "expected NAME=EXPRESSION, found 'judge'"),
        (("--run", "1", "--column", "entropie=judge"), "unknown name 'entropie'"),
    ):
        refused = call("inspect", path, *arguments)
        assert refused.returncode == 2 and said in refused.stderr and "Traceback" not in refused.stderr


def test_an_answer_about_a_log_whose_rewards_end_early_says_so(tmp_path: Path) -> None:
    path = tmp_path / "broken.csv"
    path.write_text("step,reward\n" + "".join(f"{i},{0.2 + 0.01 * i if i <= 40 else 'NaN'}\n" for i in range(1, 61)))
    done = call("diagnose", path)
    assert done.returncode == 0, done.stderr
    assert "note: broken: the last 20 rows, steps 41 to 60, have no reward" in done.stderr
