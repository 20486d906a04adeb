"""Run Datasets: units, absence, all faults at once, joining."""

from pathlib import Path

import numpy as np
import pytest

from bayes_grpo import InputError, combine, make_run
from bayes_grpo.runs.dataset import check_varies, hyperparameters_of, one_run
from bayes_grpo.runs.fields import RUN_FIELDS, STEP_FIELDS
from bayes_grpo.runs.netcdf import load_runs, save_runs
from tests.common import curve

STEPS = np.arange(1, 9)
REWARD = np.linspace(0.1, 0.8, 8)


def test_every_variable_states_its_unit_and_the_unknown_is_absent() -> None:
    run = make_run("a", {"optimizer_step": STEPS, "reward": REWARD, "kl": np.full(8, np.nan)}, {"group_size": 4})
    assert run["reward"].attrs["units"] == "reward"
    assert run["group_size"].attrs["units"] == "completion/prompt"
    assert run.sizes == {"run": 1, "step": 8}
    assert "kl" not in run
    assert "momentum" not in run
    assert all(field.unit for field in (*STEP_FIELDS.values(), *RUN_FIELDS.values()))


def test_all_faults_are_listed_at_once() -> None:
    with pytest.raises(InputError) as caught:
        make_run(
            "a",
            {"optimizer_step": [1, 2, 3, 2, 5, 6], "reward": [0, 1, np.inf, 1, 0, 1], "clip_ratio": [0, 2, 0, 0, 0, 0]},
            source="log.csv",
        )
    assert caught.value.where == "log.csv"
    text = str(caught.value)
    for part in (
        "optimizer_step",
        "found 2 after 3",
        "reward: expected finite numbers",
        "clip_ratio",
        "row 4",
        "row 2",
    ):
        assert part in text
    with pytest.raises(InputError) as caught:
        make_run("a", {"optimizer_step": STEPS, "reward": REWARD}, {"group_size": 0, "momentum": 1, "grup": 3})
    assert len(caught.value.faults) == 3


@pytest.mark.parametrize(
    ("reward", "said"),
    [
        (np.full(8, np.nan), "found none"),
        (np.where(STEPS < 4, REWARD, np.nan), "at least 5 rows"),
    ],
)
def test_rewards_without_information_are_refused(reward: np.ndarray, said: str) -> None:
    with pytest.raises(InputError, match=said):
        make_run("a", {"optimizer_step": STEPS, "reward": reward})


def test_constant_rewards_are_a_run_but_no_curve() -> None:
    run = make_run("a", {"optimizer_step": STEPS, "reward": np.full(8, 0.5)}, source="log.csv")
    assert run["reward"].values.tolist() == [[0.5] * 8]
    with pytest.raises(InputError, match="log.csv: reward: expected values that vary, found 0.5 in all 8 rows"):
        check_varies(one_run(run))
    check_varies(one_run(make_run("a", {"optimizer_step": STEPS, "reward": REWARD})))


def test_rewards_outside_their_bounds_are_refused() -> None:
    with pytest.raises(InputError, match="reward_upper = 0.5"):
        make_run("a", {"optimizer_step": STEPS, "reward": REWARD}, {"reward_lower": 0, "reward_upper": 0.5})


def test_runs_of_different_length_join_and_come_apart_unchanged() -> None:
    long = make_run(
        "long", {"optimizer_step": STEPS, "reward": REWARD, "kl": REWARD}, {"group_size": 4, "momentum": 0.9}
    )
    short = make_run("short", {"optimizer_step": [2, 2, 4, 6, 9], "reward": REWARD[:5]}, {"group_size": 16})
    both = combine([long, short])
    assert both.sizes == {"run": 2, "step": 8}
    assert both["reward"].attrs["units"] == "reward"
    apart = one_run(both, "short")
    assert apart["optimizer_step"].values.tolist() == [2, 2, 4, 6, 9]
    assert "kl" not in apart
    assert hyperparameters_of(apart) == {"group_size": 16}
    assert hyperparameters_of(one_run(both, "long")) == {"group_size": 4, "momentum": 0.9}
    with pytest.raises(InputError, match="more than once"):
        combine([long, long])


def test_spreads_of_different_meaning_do_not_join() -> None:
    def run(name: str, spread: str):
        return make_run(name, {"optimizer_step": STEPS, "reward": REWARD, "reward_spread": REWARD}, spread=spread)

    assert combine([run("a", "batch"), run("b", "batch")])["reward_spread"].attrs["spread"] == "batch"
    with pytest.raises(InputError, match="different meanings"):
        combine([run("a", "batch"), run("b", "within_group")])


def test_labels_of_stored_runs_keep_their_length(tmp_path: Path) -> None:
    """Runs of two files, joined and stored again: the second file's labels are longer than the first's."""
    parts = [make_run(name, {"optimizer_step": np.arange(20), "reward": curve(20)}) for name in ("a", "longer")]
    read = [load_runs(save_runs(part, tmp_path / f"{i}.nc")) for i, part in enumerate(parts)]
    again = load_runs(save_runs(combine(read), tmp_path / "joined.nc"))
    assert again["run"].values.tolist() == ["a", "longer"]
