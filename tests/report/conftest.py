"""Pages that the tests of the report share."""

from pathlib import Path

import numpy as np
import pytest
import xarray as xr

from bayes_grpo import describe_run, fit, make_run, pair_fits, report_html, save_fit, save_report
from bayes_grpo.cli import main
from tests.common import SAMPLER, curve

HOSTILE = (
    '<script>alert(1)</script>"><img src=x onerror=alert(1)>{{ 7*7 }}{% raw %}</script><!-- \u202egnp.exe $\\frac{x$'
)


@pytest.fixture(scope="session")
def hostile_fit() -> xr.DataTree:
    """Of a run with nothing but a reward column, and a name that would do harm."""
    run = make_run(HOSTILE, {"optimizer_step": np.arange(1, 61), "reward": curve()}, notes=[HOSTILE], source=HOSTILE)
    return fit(run, "overdamped", seed=3, **SAMPLER)


@pytest.fixture(scope="session")
def saved(ringing_fit: xr.DataTree, ahead_fit: xr.DataTree, tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    folder = tmp_path_factory.mktemp("fits")
    fits = {"oscillator": ringing_fit, "population": ahead_fit}
    return [str(save_fit(tree, folder / f"{name}.nc")) for name, tree in fits.items()]


@pytest.fixture(scope="session")
def one_page(saved: list[str], tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("pages") / "one.html"
    assert main(["report", *saved, "--out", str(out), "--until", "120"]) in (0, 3)
    return out


@pytest.fixture(scope="session")
def two_runs(ringing_fit: xr.DataTree, ahead_fit: xr.DataTree, hostile_fit: xr.DataTree) -> list:
    return [describe_run(subject) for subject in pair_fits([ringing_fit, ahead_fit, hostile_fit])]


@pytest.fixture(scope="session")
def two_page(two_runs: list, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("pages") / "two.html"
    return save_report(report_html(two_runs, left_out=[(HOSTILE, HOSTILE)]), out)
