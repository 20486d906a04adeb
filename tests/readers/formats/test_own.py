"""Our own NetCDF format: documented, versioned, round-trips, refuses what is none."""

from pathlib import Path

import h5netcdf
import numpy as np
import pytest
import xarray as xr
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bayes_grpo import InputError, combine, make_run, read_run, save_runs
from tests.readers.files import REWARDS, STEPS, N

finite = st.floats(-1e6, 1e6, allow_nan=False).map(lambda x: round(x, 6))


def test_a_netcdf_bomb_is_refused_before_it_is_loaded(tmp_path: Path) -> None:
    """A compressed constant may claim any size; a newer layout is said to be one."""
    path = tmp_path / "runs.nc"
    with h5netcdf.File(path, "w") as file:
        file.attrs["format"] = "bayes_grpo runs 2"
        file.dimensions = {"run": 1, "step": 2_000_000_000}
        for name in ("optimizer_step", "reward"):
            file.create_variable(name, ("run", "step"), float, chunks=(1, 100_000), compression="gzip")
    with pytest.raises(InputError, match="at most 8 GiB of runs"):
        read_run(path)
    with h5netcdf.File(path, "w") as file:
        file.attrs["format"] = "bayes_grpo runs 9"
    with pytest.raises(InputError, match="needs a newer bayes_grpo"):
        read_run(path)


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture], derandomize=True)
@given(data=st.data())
def test_our_own_format_round_trips(data, tmp_path: Path) -> None:
    """Any runs.

    Values, absence, units, meanings, reward functions, hyperparameters and notes come back as they were.
    """
    runs = []
    for name in data.draw(
        st.lists(st.text("abc\u00e9 /", min_size=1, max_size=6), min_size=1, max_size=3, unique=True)
    ):
        rewards = data.draw(st.lists(finite, min_size=5, max_size=12).filter(lambda r: len(set(r)) > 1))
        n = len(rewards)
        column = st.lists(st.one_of(st.just(float("nan")), st.floats(0, 1)), min_size=n, max_size=n)
        columns = {
            "optimizer_step": list(range(n)),
            "reward": rewards,
            "reward_spread": data.draw(column),
            "kl": data.draw(column),
        }
        known = data.draw(
            st.fixed_dictionaries({}, optional={"group_size": st.integers(1, 64), "momentum": st.floats(0, 0.99)})
        )
        parts = data.draw(st.dictionaries(st.sampled_from(("format", "answer")), column, max_size=2))
        notes = data.draw(st.lists(st.text(max_size=10).filter(lambda t: "\0" not in t and "\n" not in t), max_size=2))
        runs.append(make_run(name, columns, known, spread="within_group", source="log", notes=notes, components=parts))
    joined = combine(runs)
    path = save_runs(joined, tmp_path / "runs.nc")
    back = read_run(path)
    joined = joined.assign(source=back["source"])
    xr.testing.assert_equal(back, joined)
    for name, value in joined.variables.items():
        assert {k: v for k, v in back[name].attrs.items() if k in value.attrs} == dict(value.attrs), name
    again = read_run(save_runs(back, tmp_path / "again.nc"))
    xr.testing.assert_identical(again.drop_vars("source"), back.drop_vars("source"))


def test_our_own_format_states_its_conventions(tmp_path: Path) -> None:
    """What docs/formats.md promises: version, conventions, a unit and a meaning for every number."""
    run = make_run(
        "a", {"optimizer_step": STEPS, "reward": REWARDS, "kl": [0.1] * N}, {"group_size": 4}, components={"f": REWARDS}
    )
    with h5netcdf.File(save_runs(run, tmp_path / "runs.nc"), "r") as file:
        assert file.attrs["Conventions"] == "CF-1.11" and file.attrs["format"] == "bayes_grpo runs 2"
        assert "bayes_grpo" in file.attrs["history"]
        assert file["run"].attrs["cf_role"] == "timeseries_id"
        for name, variable in file.variables.items():
            assert "long_name" in variable.attrs, name
            if name not in ("run", "component", "source", "notes"):
                assert "units" in variable.attrs and np.isnan(variable.attrs["_FillValue"]), name
        assert file["reward_components"].dimensions == ("run", "step", "component")


def test_damage_is_found_and_other_programs_files_are_read(tmp_path: Path) -> None:
    """Every byte counts.

    Rewritten by xarray, without the seal, it is read; another reader takes the sealed file as it is.
    """
    run = make_run("a", {"optimizer_step": STEPS, "reward": REWARDS}, {"group_size": 4})
    path = save_runs(run, tmp_path / "runs.nc")
    content = path.read_bytes()
    for at in range(0, len(content) - 90, len(content) // 40):
        damaged = bytearray(content)
        damaged[at] ^= 0x10
        path.write_bytes(damaged)
        with pytest.raises(InputError, match="found a damaged file"):
            read_run(path)
    path.write_bytes(content)
    with xr.open_dataset(path, engine="h5netcdf") as opened:
        assert opened["reward"].values[0].tolist() == REWARDS
        opened.load().to_netcdf(tmp_path / "rewritten.nc", engine="h5netcdf")
    assert read_run(tmp_path / "rewritten.nc")["reward"].values[0].tolist() == REWARDS


def test_files_of_the_first_version_are_read(tmp_path: Path) -> None:
    run = make_run("a", {"optimizer_step": STEPS, "reward": REWARDS}, {"group_size": 4})
    path = tmp_path / "old.nc"
    run.assign_attrs(format="bayes_grpo runs 1").to_netcdf(path, engine="h5netcdf")
    assert read_run(path)["reward"].values[0].tolist() == REWARDS
