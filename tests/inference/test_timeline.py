"""How a run is laid out in time, and what is assumed where it does not say."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import xarray as xr

from bayes_grpo import InputError, load_model, make_run
from bayes_grpo.inference.gap_tables import FEW_KINDS
from bayes_grpo.inference.layout import prepare
from bayes_grpo.inference.quantities import settle
from bayes_grpo.inference.timeline import GridShape, build_grid, merged_grid
from bayes_grpo.laws.grid import Grid, padded_length
from bayes_grpo.laws.kalman import Observations, kalman_filter
from bayes_grpo.laws.likelihood import filtered, simulated
from bayes_grpo.laws.oscillator import second_order
from bayes_grpo.runs.dataset import one_run

FACTS = {"group_size": 4, "momentum": 0.9, "reward_lower": 0, "reward_upper": 1, "logging_window": 1}
OSCILLATOR = load_model("oscillator")
REWARD = np.linspace(0.2, 0.7, 6)


def laid(steps, facts=None, **columns) -> tuple[Grid, np.ndarray]:
    run = one_run(make_run("a", {"optimizer_step": steps, "reward": REWARD, **columns}, facts or {}))
    return build_grid(run, settle(run, OSCILLATOR))


def test_padded_lengths_are_few_and_close() -> None:
    lengths = [padded_length(n) for n in range(1, 5001)]
    short = [64, 96, 128, 192, 256, 384, 512, 768, 1024, 1536]
    assert sorted(set(lengths)) == [*short, *range(2048, 4096, 256), 4096, 4608, 5120]
    assert all(n <= length <= max(64, 1.5 * n) for n, length in enumerate(lengths, 1))
    assert all(length <= 1.125 * n for n, length in enumerate(lengths, 1) if n > 2048)
    assert padded_length(10_000) == 10_240


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
    rows = Observations(np.nan_to_num(reward) - p["plateau"], variance, seen)
    gap = p["initial_reward"] - p["plateau"]
    alone = kalman_filter(motion, rows, gap, -p["initial_velocity"] * p["stiffness"] * gap).log_density.sum()
    assert merged == pytest.approx(float(alone), rel=1e-10)


def test_window_means_are_rows_of_many_points() -> None:
    grid, rows = laid([5, 10, 15, 20, 25, 30], {"logging_window": 5})
    assert rows.tolist() == [0, 1, 2, 3, 4, 5]
    assert grid.gap[grid.kind][:7].tolist() == [0, 1, 1, 1, 1, 1, 0]
    assert grid.points[grid.kind][:7].tolist() == [5, 5, 5, 5, 5, 5, 1]
    assert grid.digits[:, grid.kind[0]].tolist() == [0, 0, 1]
    assert grid.noise[0] == pytest.approx(0.2)
    np.testing.assert_allclose(grid.value[rows], REWARD)


def test_windows_may_be_long_and_apart() -> None:
    grid, rows = laid(np.arange(1, 7) * 100, {"logging_window": 60})
    assert grid.points[grid.kind][rows].tolist() == [60] * 6
    assert grid.gap[grid.kind][rows].tolist() == [0] + [41] * 5


def single_steps(window: int, n: int) -> tuple[xr.Dataset, xr.Dataset]:
    """A log of window means, and one of single steps of which only the last of each window is logged."""
    rng = np.random.default_rng(3)
    facts = {"group_size": 4, "momentum": 0.9, "reward_lower": 0, "reward_upper": 1, "planned_steps": n * window}
    rate = 1e-6 * (1 + np.cos(np.pi * np.arange(1, n * window + 1) / (n * window))) / 2
    reward = rng.uniform(0.2, 0.8, n)
    ends = np.arange(1, n + 1) * window
    logged = {"optimizer_step": ends, "reward": reward, "learning_rate": rate[ends - 1]}
    return make_run("a", logged, facts | {"logging_window": window}), reward


@pytest.mark.parametrize("model", ["overdamped", "oscillator", "random_walk", "bounded_overdamped"])
def test_a_window_mean_has_the_density_of_the_points_it_averages(model: str) -> None:
    """Against the law's own simulation in single steps: mean and covariance of what is logged, 4,000 paths.

    Each entry within 5 standard errors (false-alarm rate below 1e-4), and 2 % of the standard deviation for the steps
    of the rate in a window.
    """
    window, n = 6, 8
    spec = load_model(model)
    run, _ = single_steps(window, n)
    data = prepare(run, spec).data.run
    steps = {"optimizer_step": np.arange(1, n * window + 1), "reward": np.full(n * window, 0.5)}
    steps["learning_rate"] = np.interp(steps["optimizer_step"], run["optimizer_step"][0], run["learning_rate"][0])
    single = prepare(
        make_run(
            "a", steps | {"reward": np.linspace(0.4, 0.5, n * window)}, dict(FACTS) | {"planned_steps": n * window}
        ),
        spec,
    ).data.run
    p = {"plateau": 0.7, "initial_reward": 0.3, "stiffness": 0.08, "damping": 0.9, "initial_velocity": 0.8}
    p |= {"fluctuation": 0.05, "observation_sd": 1e-6, "step_sd": 0.02}
    p = {name: jnp.asarray(p[name]) for name in spec.parameters}
    draw = jax.jit(jax.vmap(lambda key, run: simulated(spec.law, p, run, key)[1], (0, None)))
    means = np.asarray(draw(jax.random.split(jax.random.key(0), 4000), data))[:, :n]
    points = np.asarray(draw(jax.random.split(jax.random.key(1), 4000), single))[:, : n * window]
    averages = points.reshape(4000, n, window).mean(2)
    sd = averages.std(0)
    np.testing.assert_array_less(np.abs(means.mean(0) - averages.mean(0)), (5 * np.sqrt(2 / 4000) + 0.02) * sd + 1e-3)
    ours, theirs = np.cov(means.T), np.cov(averages.T)
    error = 5 * np.sqrt(2 * (np.outer(sd, sd) ** 2 + theirs**2) / 4000) + 0.04 * np.outer(sd, sd)
    np.testing.assert_array_less(np.abs(ours - theirs), error)


@pytest.mark.parametrize("model", ["overdamped", "oscillator", "delayed_oscillator", "bounded"])
def test_a_schedule_is_interpolated_and_nothing_is_lost(model: str) -> None:
    """300 rows of a decaying rate between ten nodes of it, against a transition for each row, at a large stiffness."""
    n = 300
    rng = np.random.default_rng(0)
    columns = {"optimizer_step": np.arange(1, n + 1), "reward": rng.uniform(0.2, 0.8, n)}
    columns["learning_rate"] = 1e-6 * np.linspace(1, 0, n)
    spec = load_model(model)
    run = make_run("a", columns, FACTS | {"planned_steps": n, "refresh_interval": 4})
    blended = prepare(run, spec).data.run
    assert blended.grid.blend is not None and blended.grid.gap.size == FEW_KINDS
    grid, _ = build_grid(one_run(run), settle(one_run(run), spec), GridShape(kinds=n))
    by_row = blended._replace(grid=grid)
    assert by_row.grid.blend is None
    for stiffness in (0.01, 0.3, 0.95):
        p = {"plateau": 0.7, "initial_reward": 0.3, "stiffness": stiffness, "damping": 0.9, "initial_velocity": 0.8}
        p |= {"fluctuation": 0.05, "observation_sd": 0.1, "lag_share": 0.3}
        p = {name: jnp.asarray(p[name]) for name in spec.parameters}
        ours, exact = (float(filtered(spec.law, p, run).log_density.sum()) for run in (blended, by_row))
        assert ours == pytest.approx(exact, rel=1e-8), stiffness


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


@pytest.mark.parametrize("window", [1, 5])
def test_blocks_of_rows_are_laid_out_like_a_log_of_their_means(window: int) -> None:
    """Means, times and noise of blocks of four rows against a log that averages four times as many steps a row."""
    rng = np.random.default_rng(0)
    steps, reward = window * np.arange(1.0, 81), rng.normal(0.5, 0.1, 80)
    facts = FACTS | {"logging_window": window, "planned_steps": 400}
    rate = np.linspace(1e-3, 5e-4, 80)
    columns = {"optimizer_step": steps, "reward": reward, "learning_rate": rate}
    grid = merged_grid(prepare(make_run("a", columns, facts), OSCILLATOR).data.run.grid, most=20)
    coarse = {"optimizer_step": steps[3::4], "reward": reward.reshape(20, 4).mean(1), "learning_rate": rate[3::4]}
    facts["logging_window"] = 4 * window
    expected = prepare(make_run("a", coarse, facts), OSCILLATOR).data.run.grid
    for name in ("gap", "points", "spacing"):
        ours, theirs = grid.per_row(getattr(grid, name))[0], expected.per_row(getattr(expected, name))[0]
        np.testing.assert_allclose(ours[1:20], theirs[1:20])
    peaks = rate[3] / rate[0]
    ours, theirs = grid.per_row(grid.rate)[0], peaks * expected.per_row(expected.rate)[0]
    np.testing.assert_allclose(ours[1:20], theirs[1:20], rtol=0.01)
    np.testing.assert_allclose(grid.value[:20], expected.value[:20])
    np.testing.assert_allclose((grid.noise / grid.repeats)[:20], expected.noise[:20])
    assert grid.observed.sum() == 20 and np.all(grid.repeats[:20] == 4)


def test_blocks_keep_what_neighbours_say_about_the_noise() -> None:
    """A line with noise of 0.05: differences of neighbours in a block give its variance within 4 se."""
    rng = np.random.default_rng(1)
    steps = np.arange(1.0, 401)
    reward = 0.3 + 0.001 * steps + rng.normal(0, 0.05, 400)
    reward[[7, 8, 100]] = np.nan
    run = make_run("a", {"optimizer_step": steps, "reward": reward}, FACTS)
    grid = merged_grid(prepare(run, OSCILLATOR).data.run.grid, most=80)
    pairs = (grid.repeats - 1).sum()
    assert grid.repeats[:80].sum() == 397
    assert grid.scatter.sum() / pairs == pytest.approx(0.0025, rel=4 * np.sqrt(2 * 1.5 / pairs))
