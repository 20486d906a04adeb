"""How a run is laid out in time, and what is assumed where it does not say."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from bayes_grpo import InputError, load_model, make_run
from bayes_grpo.inference.layout import prepare
from bayes_grpo.inference.quantities import settle
from bayes_grpo.inference.timeline import FEW_KINDS, MAX_POINTS, build_grid
from bayes_grpo.laws.grid import Grid, padded_length
from bayes_grpo.laws.kalman import Observations, kalman_filter
from bayes_grpo.laws.likelihood import filtered
from bayes_grpo.laws.oscillator import second_order
from bayes_grpo.runs.dataset import one_run

OSCILLATOR = load_model("oscillator")
REWARD = np.linspace(0.2, 0.7, 6)


def laid(steps, facts=None, **columns) -> tuple[Grid, np.ndarray]:
    run = one_run(make_run("a", {"optimizer_step": steps, "reward": REWARD, **columns}, facts or {}))
    return build_grid(run, settle(run, OSCILLATOR))


def test_padded_lengths_are_few_and_close() -> None:
    lengths = sorted({padded_length(n) for n in range(1, 5001)})
    assert lengths[:5] == [64, 96, 128, 192, 256]
    assert len(lengths) < 16
    assert all(n <= padded_length(n) <= max(64, 1.5 * n) for n in range(1, 5001))


def test_irregular_and_repeated_steps_keep_their_gaps() -> None:
    grid, rows = laid([3, 4, 4, 9, 10, 11])
    assert grid.gap[grid.kind][:5].tolist() == [0, 1, 5, 1, 1]
    assert rows.tolist() == [0, 1, 1, 2, 3, 4]
    assert grid.observed.sum() == 5
    assert grid.gap.size == FEW_KINDS


def test_rows_of_one_step_count_as_if_they_stood_alone() -> None:
    """Likelihood of merged rows against the filter over all rows with gaps of zero."""
    steps = np.array([1, 1, 1, 2, 4, 4.0])
    reward = np.array([0.2, 0.35, np.nan, 0.4, 0.6, 0.3])
    facts = {"group_size": 4, "momentum": 0.9, "reward_lower": 0, "reward_upper": 1, "planned_steps": 10}
    data = prepare(make_run("a", {"optimizer_step": steps, "reward": reward}, facts), OSCILLATOR).data.run
    p = {"plateau": 0.7, "initial_reward": 0.25, "stiffness": 0.1, "damping": 0.9, "initial_velocity": 0.8}
    p |= {"fluctuation": 0.05, "observation_sd": 0.1}
    merged = float(filtered(OSCILLATOR.law, jax.tree.map(jnp.asarray, p), data).log_density.sum())

    noise = 2 * p["stiffness"] * p["fluctuation"] ** 2
    gaps = np.diff(steps, prepend=steps[0])
    motion = second_order(gaps, data.closed_form_mass, p["damping"], p["stiffness"], noise)
    one, seen = np.ones(6), np.isfinite(reward).astype(float)
    variance = (p["observation_sd"] ** 2 + data.resolution**2) * one
    rows = Observations(np.nan_to_num(reward) - p["plateau"], variance, seen, 0 * one, one)
    gap = p["initial_reward"] - p["plateau"]
    alone = kalman_filter(motion, rows, gap, -p["initial_velocity"] * p["stiffness"] * gap).log_density.sum()
    assert merged == pytest.approx(float(alone), rel=1e-10)


def test_window_means_become_points_inside_their_window() -> None:
    grid, rows = laid([5, 10, 15, 20, 25, 30], {"logging_window": 5})
    assert rows.tolist() == [4, 9, 14, 19, 24, 29]
    assert grid.gap[grid.kind][:30].tolist() == [0, *[1] * 29]
    assert grid.keep[:6].tolist() == [0, 1, 1, 1, 1, 0]
    assert grid.weight[0] == pytest.approx(0.2)
    assert grid.noise[0] == pytest.approx(0.2)
    assert np.flatnonzero(grid.observed).tolist() == rows.tolist()
    np.testing.assert_allclose(grid.value[rows], REWARD)


def test_long_windows_are_thinned_about_the_same_mean_time() -> None:
    grid, rows = laid(np.arange(1, 7) * 100, {"logging_window": 100})
    times = np.cumsum(grid.gap[grid.kind])[:MAX_POINTS]
    assert rows[0] == MAX_POINTS - 1
    # The window holds steps 1 to 100 with mean 50.5; time counts from its first point, step 5.5.
    assert times.mean() + 5.5 == pytest.approx(50.5)


def test_the_clock_follows_the_learning_rate() -> None:
    rate = np.array([0.0, 1e-6, np.nan, 2e-6, 1e-6, 0.0])
    grid, _ = laid([1, 2, 3, 4, 5, 6], learning_rate=rate)
    ratio = np.array([0.0, 0.5, 0.75, 1.0, 0.5, 0.0])
    expected = np.concatenate([ratio[:1], (ratio[1:] + ratio[:-1]) / 2])
    np.testing.assert_allclose(grid.rate[grid.kind][:6], expected)
    assert grid.start_rate == pytest.approx(0.25)
    with pytest.raises(InputError, match="learning_rate: expected a positive value"):
        laid([1, 2, 3, 4, 5, 6], learning_rate=np.zeros(6))


def test_what_is_unknown_is_assumed_aloud_and_what_is_known_is_not() -> None:
    bare = one_run(make_run("a", {"optimizer_step": [5, 10, 15, 20, 25, 30], "reward": REWARD}))
    setting = settle(bare, OSCILLATOR)
    assert set(setting.assumptions) == {
        "group_size",
        "momentum",
        "planned_steps",
        "reward_bounds",
        "logging_window",
        "learning_rate",
    }
    for name, text in setting.assumptions.items():
        assert "state --" in text or name == "learning_rate"
    assert "momentum" not in settle(bare, load_model("overdamped")).assumptions
    facts = {
        "group_size": 8,
        "momentum": 0.5,
        "planned_steps": 100,
        "reward_lower": 0,
        "reward_upper": 2,
        "logging_window": 5,
    }
    known = one_run(
        make_run("a", {"optimizer_step": [5, 10, 15, 20, 25, 30], "reward": REWARD, "learning_rate": REWARD}, facts)
    )
    setting = settle(known, OSCILLATOR)
    assert setting.assumptions == {}
    assert setting.values["closed_form_mass"] == pytest.approx(1.5)
    assert setting.values["reward_range"] == 2


@pytest.mark.parametrize(
    ("low", "high", "bounds"),
    [(0.1, 0.9, (0, 1)), (-4.2, 9.1, (-50, 50)), (-9.7, -2.0, (-20, 10)), (20.0, 21.0, (19, 22))],
)
def test_assumed_bounds_are_round_and_well_outside_the_data(
    low: float, high: float, bounds: tuple[float, float]
) -> None:
    run = one_run(make_run("a", {"optimizer_step": range(6), "reward": np.linspace(low, high, 6)}))
    values = settle(run, OSCILLATOR).values
    assert (values["reward_lower"], values["reward_upper"]) == bounds
