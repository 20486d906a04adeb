"""The compare command: what it prints and returns, on good input and on bad."""

import json
from pathlib import Path

import pytest
import xarray as xr

from bayes_grpo import compare_fits, load_fit, save_fit
from bayes_grpo.analysis.posterior.table import sensitivity_table
from tests.cli.test_fit import write_log
from tests.common import QUICK, call, curve, options

FAST = (*options(QUICK), "--method", "nuts", "--reward-bounds", "0", "1")


@pytest.fixture
def here(tmp_path: Path) -> Path:
    folder = tmp_path / "here"
    folder.mkdir()
    return folder


def test_compare_prints_one_json_object_and_keeps_fits(here: Path) -> None:
    write_log(here / "log.csv")
    write_log(here / "more.csv", reward=curve(40, seed=3).round(4))
    laws = ("--models", "exponential,sigmoid")
    done = call("compare", "log.csv", "more.csv", "gone.csv", *laws, "--json", "--out", "fits", *FAST, folder=here)
    assert done.returncode == 2 and "gone.csv" in done.stderr, done.stderr
    result = json.loads(done.stdout)
    assert result["criterion"] == "loo" and result["runs"] == ["log", "more"] and result["rewards"] == 80
    assert {row["model"] for row in result["table"]} == {"exponential", "sigmoid"}
    assert result["table"][0]["delta"] == 0 > result["table"][1]["delta"]
    assert len(result["per_run"]) == 4
    failed = {note["subject"] for note in result["notes"] if note["kind"] == "not_converged"}
    assert failed and failed <= {"exponential", "sigmoid"}
    assert sum(text.startswith("NOT CONVERGED: ") for text in result["warnings"]) == sum(
        note["kind"] == "not_converged" for note in result["notes"]
    )
    assert "log: sigmoid" in done.stderr and "***" in done.stderr
    fits = [load_fit(path) for path in sorted((here / "fits").glob("*.nc"))]
    assert compare_fits(fits).as_dict()["table"] == result["table"]

    alone = call("compare", "log.csv", *laws, *FAST, folder=here)
    assert alone.returncode == 3, alone.stderr
    assert "log: loo, 40 rewards" in alone.stdout and "nothing can be said" in alone.stdout
    assert max(len(line) for line in alone.stdout.splitlines()) <= 100


def test_compare_names_every_fault_at_once(here: Path) -> None:
    write_log(here / "log.csv")
    done = call("compare", "log.csv", "log.csv", "--models", "pooled,nosuch,pooled", "--criterion", "lfo", folder=here)
    assert done.returncode == 2 and done.stdout == "" and "Traceback" not in done.stderr
    for text in ("nosuch", "pooled is named twice", "run log is given twice", "lfo takes the future from one run"):
        assert text in done.stderr
    single = call("compare", "gone.csv", "--models", "overdamped", folder=here)
    assert single.returncode == 2 and "gone.csv" in single.stderr and "at least 2, found 1" in single.stderr


def test_summary_and_plot_show_the_checks(here: Path, small_fit: xr.DataTree) -> None:
    save_fit(small_fit, here / "small.nc")
    done = call("summary", "small.nc", "--sensitivity", "--json", folder=here)
    sensitivity = json.loads(done.stdout)["sensitivity"]
    assert set(sensitivity["plateau"]) == {"prior", "likelihood", "diagnosis"}
    drawn = call("plot", "small.nc", "--kind", "left-out", "--out", "left.png", folder=here)
    assert drawn.returncode == 0, drawn.stderr
    assert (here / "left.png").read_bytes().startswith(b"\x89PNG")
    assert "to prior" in sensitivity_table(sensitivity)
