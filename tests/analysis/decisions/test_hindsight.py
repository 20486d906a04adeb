"""A forecast next to what came: what is counted, and what simpler forecasts say."""

import numpy as np
import pytest
import xarray as xr

from bayes_grpo import InputError, make_run
from bayes_grpo.analysis.decisions.hindsight.figure import plot_hindsight
from bayes_grpo.analysis.decisions.hindsight.hindsight import hindsight
from bayes_grpo.analysis.decisions.hindsight.peers import scalerl_curve
from bayes_grpo.analysis.decisions.hindsight.table import hindsight_table
from benchmarks.curves.contract import Case
from benchmarks.curves.peers import sigmoid
from tests.common import FACTS

CUT, END = 40, 60


def forecast_of(run: xr.Dataset, centre: float) -> xr.Dataset:
    """A forecast of independent rewards about a level, from the first steps of a run."""
    steps = np.arange(CUT + 1.0, END + 21)
    paths = centre + 0.05 * np.random.default_rng(0).standard_normal((4000, steps.size))
    first = run.isel(step=slice(0, CUT))
    empty = ("sample", np.full(4000, np.nan))
    return xr.Dataset(
        {"reward": (("sample", "step"), paths), "expected_reward": (("sample", "step"), paths), "plateau": empty}
        | {"logged_reward": ("logged_row", first["reward"].values)},
        coords={"optimizer_step": ("step", steps), "logged_step": ("logged_row", first["optimizer_step"].values)},
        attrs={"run": "a", "last_step": float(CUT), "until": END + 20.0, "model": "level", "schedule": "constant"},
    )


@pytest.fixture(scope="module")
def run() -> xr.Dataset:
    """40 steps at 0.5, then a rise: 0.5 in the first quarter of the rest, 0.58 after it; one reward is missing."""
    rewards = np.full(END, 0.5) + 0.02 * np.random.default_rng(1).standard_normal(END)
    rewards[CUT + 5 :] += 0.08
    rewards[CUT] = np.nan
    return make_run("a", {"optimizer_step": np.arange(1.0, END + 1), "reward": rewards}, FACTS).isel(run=0)


def test_what_came_is_inside_or_outside(run: xr.Dataset) -> None:
    answer = hindsight(forecast_of(run, 0.5), run)
    rest = run["reward"].values[CUT + 1 :]
    assert answer["rewards"] == rest.size and answer["until"] == END
    assert answer["whole"]["came"] == pytest.approx(rest.mean())
    # The mean of 5 independent rewards about 0.5 has standard deviation 0.05 / sqrt(5) = 0.022.
    assert [part["inside"] for part in answer["parts"]] == [True, False, False, False]
    assert answer["parts"][0]["upper"] == pytest.approx(0.5 + 1.645 * 0.05 / np.sqrt(5), abs=0.003)
    assert answer["peers"]["last_mean"] == pytest.approx(run["reward"].values[CUT - 5 : CUT].mean())
    limit = 0.5 + 1.645 * 0.05
    assert abs(answer["rewards_inside"] - (np.abs(rest - 0.5) < limit - 0.5).sum()) <= 1
    assert not answer["whole"]["inside"] and "OUTSIDE" in answer["statement"]
    table = hindsight_table(answer)
    assert table.count(" NO") == 4 and table.count(" yes") == 1
    assert "inside what was forecast" in hindsight(forecast_of(run, 0.56), run)["statement"]


def test_the_figure_has_what_came(run: xr.Dataset) -> None:
    drawn = {line.get_label(): line.get_xdata() for line in plot_hindsight(forecast_of(run, 0.5), run).axes[0].lines}
    np.testing.assert_array_equal(drawn["reward that came"], np.arange(CUT + 1.0, END + 1))
    assert drawn["ScaleRL's sigmoid, least squares"][-1] == END + 20


def test_a_run_that_did_not_go_on_is_refused(run: xr.Dataset) -> None:
    with pytest.raises(InputError, match="expected at least 4 rewards at steps of the forecast, found 2"):
        hindsight(forecast_of(run, 0.5), run.isel(step=slice(0, CUT + 3)))


def test_the_sigmoid_is_that_of_the_benchmark() -> None:
    """On a noisy sigmoid: the curve in closed form within its error, and the peer that forecasts are scored against."""
    steps, ahead = np.arange(0.0, 150), np.arange(150.0, 300)
    curve = [0.2 + 0.5 / (1 + (60 / np.maximum(t, 1e-9)) ** 2.0) for t in (steps, ahead)]
    rewards = curve[0] + 0.02 * np.random.default_rng(0).standard_normal(steps.size)
    foretold = scalerl_curve(steps, rewards, ahead, (0.0, 1.0)).mean()
    assert foretold == pytest.approx(curve[1].mean(), abs=0.03)
    past = xr.Dataset({"reward": ("step", rewards), "optimizer_step": ("step", steps)})
    peer = sigmoid(Case(past, ahead, np.ones(ahead.size), 0.0, 1.0, "none", 0))
    assert foretold == pytest.approx(peer.expected.mean(), abs=0.01)
