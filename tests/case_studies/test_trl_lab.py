"""The laboratory's TRL runs: complete, readable, and settled where the closed form says."""

import numpy as np
import pytest
import xarray as xr

import bayes_grpo
from bayes_grpo.analysis.stability.law_error import LAW_DISCREPANCY, LAW_OFFSET
from bayes_grpo.bandit import Bandit, linearise
from case_studies.common.runs import LABORATORY
from case_studies.trl_lab.compare import FOLDER, rows
from case_studies.trl_lab.fluctuation import exponent, exponent_by_t, predicted, read
from case_studies.trl_lab.half_gain import half_of
from case_studies.trl_lab.law_error import held, pairs, settings, spread
from case_studies.trl_lab.moments import moments_of
from case_studies.trl_lab.sweeps import SWEEPS, trials

RUNS = LABORATORY


@pytest.fixture(scope="module")
def lab() -> xr.Dataset:
    return bayes_grpo.read_run(RUNS)


def test_every_sweep_has_five_seeds(lab: xr.Dataset) -> None:
    names = [str(name) for name in lab["run"].values]
    settings = {name.rsplit("-seed", 1)[0] for name in names}
    assert len(names) == 115 and len(settings) == 23
    assert all(sum(name.startswith(f"{setting}-seed") for name in names) == 5 for setting in settings)
    assert set(np.unique(lab["group_size"])) == {2, 4, 8, 16, 32}
    assert set(np.unique(lab["refresh_interval"])) == {1, 2, 4, 8, 16, 32, 64}
    assert lab["reward_spread"].attrs["spread"] == "within_group"


@pytest.mark.parametrize("group_size", [8, 16, 32])
def test_transformers_settle_at_the_finite_group_fixed_point(lab: xr.Dataset, group_size: int) -> None:
    """One softmax over the task's eleven words, no fitted number; infinite groups would be 0.02 to 0.07 higher."""
    name = f"adamw-G{group_size}-K1-clip-beta0.9-lr0.001-kl0.4-w64-seed"
    runs = lab.isel(run=[str(run).startswith(name) for run in lab["run"].values])
    settled = float(runs["reward"].where(runs["optimizer_step"] > 150).mean())
    task = Bandit(reward_mean=(0.8,) + (0.2,) * 10, kl=0.4, normalisation="group", group_size=group_size)
    assert settled == pytest.approx(linearise(task, "finite").expected_reward, abs=0.01)
    assert settled < linearise(task, "infinite").expected_reward - 0.015


@pytest.fixture(scope="module")
def second() -> xr.Dataset:
    return bayes_grpo.read_run(RUNS.with_name("second_lab.nc"))


def test_the_later_sweeps_have_five_seeds_each(lab: xr.Dataset, second: xr.Dataset) -> None:
    """The first laboratory has the five seeds of one and of four updates a batch."""
    names = {str(name) for runs in (lab, second) for name in runs["run"].values}
    later = trials([sweep for sweep in SWEEPS if sweep != "first"], range(5))
    assert {trial.name for trial in later} <= names


@pytest.mark.parametrize("sweep", ["graded", "reuse"])
def test_the_twin_does_what_the_trainer_does(lab: xr.Dataset, second: xr.Dataset, sweep: str) -> None:
    """Within 4 standard errors at equal length: false alarm 0.04 (Student's t of 10 degrees, 15 settings), once.

    The runs are fixed: a failure later means that they, the twin's table or the comparison has changed.
    """
    table = [row for row in rows([second, lab], sweep) if row["seeds"] == 5]
    assert len(table) == len(SWEEPS[sweep])
    assert max(abs(row["off_twin_se"]) for row in table) < 4


def test_half_of_the_gain_is_found_between_two_intervals() -> None:
    """K = 1, 16, 32, 64, 128: halfway in the logarithm between 32 and 64, or nowhere."""
    assert half_of([0.0, 0.2, 0.4, 0.6, 0.5]) == pytest.approx(32 * 2**0.5)
    assert half_of([0.0, 0.2, 0.4, 0.49, 0.49]) == np.inf


def test_moments_of_a_path_of_known_variance_and_memory() -> None:
    """An autoregression of variance 1 and correlation time 20; twelve paths, five standard errors each (seed fixed)."""
    rng, decay = np.random.default_rng(1), np.exp(-1 / 20)
    path = np.zeros((12, 6000))
    for place in range(1, 6000):
        path[:, place] = decay * path[:, place - 1] + np.sqrt(1 - decay**2) * rng.standard_normal(12)
    figures = [moments_of(each[1000:]) for each in path]
    assert np.mean([f["variance"] for f in figures]) == pytest.approx(1, abs=5 * np.sqrt(2 * 20 / 5000 / 12))
    assert np.mean([f["time"] for f in figures]) == pytest.approx(20, rel=0.25)


@pytest.mark.parametrize(
    ("table", "sizes"), [("twin/fluctuation_long", (8, 16, 32, 64)), ("compared/fluctuation", (8, 64))]
)
def test_fluctuation_falls_otherwise_under_adam_than_under_sgd(table: str, sizes: tuple[int, ...]) -> None:
    """At equal momentum each optimizer's 90 % interval of the exponent excludes the other's value, called and seen."""
    runs = [row for row in read(FOLDER / f"{table}.csv") if float(row["momentum"]) == 0.9]
    by = {name: [row for row in runs if row["optimizer"] == name] for name in ("sgd", "adamw_torch")}
    assert all(len(some) >= 6 * len(sizes) for some in by.values())
    found = {
        name: exponent_by_t(some, sizes) if len(sizes) == 2 else exponent(some, "variance", sizes, np.mean)
        for name, some in by.items()
    }
    called = predicted()
    for name, other in (("sgd", "adamw_torch"), ("adamw_torch", "sgd")):
        _, low, high = found[name]
        assert not low <= found[other][0] <= high and not low <= called[other] <= high
    assert found["sgd"][2] < found["adamw_torch"][1] or len(sizes) == 2


def test_the_doubts_about_the_law_are_those_that_the_settings_teach() -> None:
    """The numbers of the package are the spreads over all settings; a doubt learned on one task fails on the other."""
    every = settings()
    between = [pair for some in pairs(every).values() for pair in some]
    assert spread(every) == pytest.approx(LAW_OFFSET, abs=0.02) and spread(between) == pytest.approx(
        LAW_DISCREPANCY, abs=0.01
    )
    first, second = ([s for s in every if (s.sweep == "graded") == graded] for graded in (False, True))
    assert held(second, spread(first)) <= 2 and held(first, spread(second)) == len(first)
