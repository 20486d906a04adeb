"""`bayes-grpo` fit, summary, plot, models and simulate: what they print, write and return, on good input and on bad."""

import json
import os
import pickle
import tomllib
from pathlib import Path

import numpy as np
import pytest
import xarray as xr

from bayes_grpo import load_fit, load_model, save_fit
from tests.common import FACTS, QUICK, SAMPLER, Done, call, call_process, curve, interrupt, options

FAST = ("--model", "exponential", *options(QUICK))


def write_log(path: Path, n: int = 40, **columns) -> Path:
    table = {"step": np.arange(1, n + 1), "reward": curve(n).round(4)} | columns
    body = "\n".join(",".join(str(v) for v in row) for row in zip(*table.values(), strict=True))
    path.write_text(",".join(table) + "\n" + body + "\n")
    return path


@pytest.fixture
def here(tmp_path: Path) -> Path:
    folder = tmp_path / "here"
    folder.mkdir()
    return folder


@pytest.fixture(scope="module")
def saved(small_fit: xr.DataTree, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_fit(small_fit, tmp_path_factory.mktemp("saved") / "small.nc")


def test_fit_prints_one_json_object_and_saves_a_fit(here: Path) -> None:
    log = write_log(here / "log.csv")
    stated = ("--json", "--group-size", "8", "--reward-bounds", "0", "1", "--seed", "3", *options(SAMPLER))
    done = call("fit", log, "--model", "overdamped", "--out", "fit.nc", *stated, folder=here)
    assert done.returncode == 0, done.stderr
    summary = json.loads(done.stdout)
    assert {"run", "model", "backend", "parameters", "interval", "diagnostics", "warnings"} <= set(summary)
    wanted = {"plateau", "stiffness", "damping", "timescale", "damping_ratio", "temperature"}
    assert wanted <= set(summary["parameters"])
    for name in ("plateau", "stiffness", "timescale", "temperature"):
        row = summary["parameters"][name]
        assert {"median", "mean", "sd", "lower", "upper", "ess_bulk", "rhat", "unit"} <= set(row)
        assert row["lower"] < row["median"] < row["upper"] and row["lower"] < row["mean"] < row["upper"]
    assert set(summary["diagnostics"]) == {
        "max_rhat",
        "min_ess_bulk",
        "min_ess_tail",
        "divergences",
        "min_bfmi",
        "seconds",
        "method",
        "khat",
        "importance_ess",
        "modes",
        "disagreement",
        "power",
        "generations",
        "evaluations",
    }
    assert summary["diagnostics"]["method"] == "importance"
    assert any("planned length unknown" in text for text in summary["warnings"])
    assert ("assumption", "planned_steps") in {(note["kind"], note["subject"]) for note in summary["notes"]}
    assert len(summary["notes"]) == len(summary["warnings"])
    fit = load_fit(here / "fit.nc")
    assert json.loads(fit.attrs["hyperparameters"])["group_size"] == 8
    assert float(fit["posterior"]["plateau"].mean()) == pytest.approx(summary["parameters"]["plateau"]["mean"])
    again = call("summary", "fit.nc", "--json", folder=here)
    assert json.loads(again.stdout) == summary


def test_table_figure_and_models(here: Path, saved: Path) -> None:
    table = call("summary", saved, folder=here)
    assert table.returncode == 0
    assert "plateau" in table.stdout and "converged" in table.stdout
    assert max(map(len, table.stdout.splitlines())) <= 100
    for suffix, mark in ((".png", b"\x89PNG"), (".svg", b"<?xml")):
        drawn = call("plot", saved, "--out", here / f"a{suffix}", folder=here)
        assert drawn.returncode == 0, drawn.stderr
        assert drawn.stdout.strip() == str(here / f"a{suffix}")
        assert (here / f"a{suffix}").read_bytes().startswith(mark)
    listed = json.loads(call("models", "--json", folder=here).stdout)
    assert {"exponential", "oscillator", "bounded", "pooled"} < {m["name"] for m in listed}
    printed = call("models", "overdamped", folder=here).stdout
    assert tomllib.loads(printed)["dynamics"] == "first_order"
    (here / "mine.toml").write_text(printed)
    assert load_model(here / "mine.toml").structure == load_model("overdamped").structure


def test_several_runs_in_one_command_one_of_them_bad(here: Path) -> None:
    logs = [write_log(here / f"{name}.csv") for name in ("a", "b")]
    done = call("fit", logs[0], here / "missing.csv", logs[1], "--json", *FAST, folder=here)
    assert done.returncode == 2
    assert "missing.csv: no such file" in done.stderr
    assert [fit["run"] for fit in json.loads(done.stdout)["fits"]] == ["a", "b"]
    assert {p.name for p in here.glob("*.nc")} == {"a.exponential.nc", "b.exponential.nc"}


def test_a_fit_that_does_not_converge_exits_with_3(here: Path) -> None:
    """The installed command, as a process of its own."""
    # A resumed run and repeated steps are ordinary input.
    steps = np.array([*range(1, 25), 20, 21, 21, *range(22, 35)])
    log = write_log(here / "log.csv", n=len(steps), step=steps)
    done = call_process("fit", log, "--method", "nuts", *FAST, folder=here)
    assert done.returncode == 3
    assert "*** NOT CONVERGED" in done.stderr and "NOT CONVERGED" in done.stdout
    assert "resumed" in done.stderr
    assert call("summary", "log.exponential.nc", folder=here).returncode == 3


def pairs(reward: str, n: int = 20) -> str:
    return "step,reward\n" + "".join(f"{i},{reward if i == 7 else i / n}\n" for i in range(n))


BAD_LOGS = {
    "empty": (b"", "empty"),
    "truncated": (b'{"log_history": [{"step": 1, "reward": 0.1}, {"st', "line 1, column"),
    "no_reward": (b"step,loss\n1,2\n2,3\n", "--reward-column"),
    "all_nan": (b"step,reward\n" + b"".join(b"%d,nan\n" % i for i in range(20)), "expected numbers, found none"),
    "constant": (b"step,reward\n" + b"".join(b"%d,0.5\n" % i for i in range(20)), "found 0.5 in all 20 rows"),
    "two_rows": (b"step,reward\n1,0.1\n2,0.2\n", "at least 5 rows"),
    "from_the_start": (b"step,reward\n" + b"".join(b"%d,0.%d\n" % (i % 10, i) for i in range(20)), "one run"),
    "text": (pairs("lots").encode(), "row 8, reward: expected a number, found 'lots'"),
    "infinite": (pairs("inf").encode(), "expected finite numbers, found inf in row 8"),
    "pickle": (pickle.dumps({"log_history": []}), "pickles are never opened"),
}


@pytest.mark.parametrize("case", BAD_LOGS)
def test_bad_logs_end_with_2_and_one_clear_message(here: Path, case: str) -> None:
    content, said = BAD_LOGS[case]
    (here / "log.json").write_bytes(content)
    done = call("fit", "log.json", *FAST, folder=here)
    assert_refused(done, said)
    assert "log.json" in done.stderr
    assert [p.name for p in here.iterdir()] == ["log.json"]


def assert_refused(done: Done, *said: str) -> None:
    assert done.returncode == 2, done.stderr
    assert done.stdout == ""
    assert "Traceback" not in done.stderr
    for part in said:
        assert part in done.stderr


def test_bad_options_end_with_2(here: Path) -> None:
    log = write_log(here / "log.csv")
    (here / "folder").mkdir()
    (here / "broken.toml").write_text('dynamics = "second_order"\n')
    model = load_model("overdamped").text.replace('"Uniform"', '"Unifrom"')
    (here / "typo.toml").write_text(model)
    for arguments, said in (
        (
            ("--group-size", "0", "--momentum", "1", "--planned-steps", "x"),
            ("3 faults", "--group-size", "--momentum", "--planned-steps"),
        ),
        (("--model", "oscilator"), ("expected one of balance, ", "did you mean 'oscillator'")),
        (("--model", "broken.toml"), ("broken.toml", "mass: expected one of closed_form, parameter")),
        (("--model", "typo.toml"), ("typo.toml", "Uniform", "'Unifrom'")),
        (("--out", "nowhere/fit.nc"), ("nowhere", "does not exist")),
        (("--out", "folder"), ("found a folder",)),
        (("--draws", "0"), ("draws: expected a whole number of at least 1",)),
    ):
        assert_refused(call("fit", log, *arguments, folder=here), *said)
    assert_refused(call("fit", "folder", folder=here), "expected trainer_state.json in the folder or in a checkpoint-N")
    assert_refused(call("summary", log, folder=here), "expected a fit")
    assert sorted(p.name for p in here.iterdir()) == ["broken.toml", "folder", "log.csv", "typo.toml"]


def test_a_folder_that_cannot_be_written_is_found_before_the_work(here: Path) -> None:
    if os.geteuid() == 0:
        target = Path("/proc/fit.nc")  # not even root may create files here
    else:
        (here / "locked").mkdir(mode=0o500)
        target = here / "locked" / "fit.nc"
    done = call("fit", write_log(here / "log.csv"), "--out", target, folder=here)
    assert_refused(done, "cannot be written", "--out")


def test_a_full_disk_loses_no_answer_and_leaves_no_part(here: Path) -> None:
    """The file-size limit stands in for a full disk: writing fails after the first kilobytes."""
    log = write_log(here / "log.csv")
    limited = ("bash", "-c", 'trap "" XFSZ; ulimit -f 20; exec "$@"', "bash")
    done = call_process("fit", log, *FAST, "--out", "fit.nc", folder=here, within=limited)
    assert done.returncode == 2
    assert "plateau" in done.stdout
    assert "could not be saved" in done.stderr and "Traceback" not in done.stderr
    assert [p.name for p in here.iterdir()] == ["log.csv"]


def test_ctrl_c_ends_with_130_and_no_traceback(here: Path) -> None:
    log = write_log(here / "log.csv")
    done = interrupt("fit", log, "--model", "exponential", "--draws", "250000", "--out", "fit.nc", folder=here)
    assert done.returncode == 130
    assert "interrupted" in done.stderr and "Traceback" not in done.stderr
    assert [p.name for p in here.iterdir()] == ["log.csv"]


def test_the_bundled_run_is_read_with_its_hyperparameters() -> None:
    import bayes_grpo

    run = bayes_grpo.example_run()
    assert run.sizes["step"] == 380
    assert run["group_size"].item() == FACTS["group_size"]
    assert run["reward_spread"].attrs["spread"] == "batch"
    assert run["learning_rate"].values[0, 0] == 0


def test_simulated_runs_are_read_and_fitted(here: Path) -> None:
    setting = ("--group-size", "16", "--steps", "60", "--seeds", "2", "--learning-rate", "0.3", "--json")
    done = call("simulate", "bandit", *setting, "--out", "runs.nc", folder=here)
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert told["runs"] == ["bandit-seed0", "bandit-seed1"]
    assert told["truth"]["stiffness"][0] == pytest.approx(0.3 * 0.1153, rel=0.01)
    fitted = call("fit", "runs.nc", *FAST, "--json", folder=here)
    assert fitted.returncode in (0, 3), fitted.stderr
    fits = json.loads(fitted.stdout)["fits"]
    assert [fit["run"] for fit in fits] == told["runs"]
    assert all(0.5 < fit["parameters"]["plateau"]["mean"] < 1 for fit in fits)


def test_impossible_simulations_are_refused_at_once(here: Path) -> None:
    wrong = ("--group-size", "1", "--refresh-interval", "0", "--momentum", "1", "--kl", "-1", "--reward-mean", "2", "0")
    done = call("simulate", "bandit", *wrong, folder=here)
    assert done.returncode == 2 and "Traceback" not in done.stderr
    for name in ("group_size", "refresh_interval", "momentum", "kl", "reward_mean"):
        assert f"- {name}: expected" in done.stderr
    words = call("simulate", "bandit", "--steps", "many", "--reward-sd", "x", folder=here)
    assert words.returncode == 2 and "--steps: expected a whole number, found 'many'" in words.stderr
    assert not list(here.iterdir())
