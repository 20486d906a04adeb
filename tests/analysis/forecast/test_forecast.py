"""Forecasts: conditional distributions against a dense Gaussian, schedules, persistence, stopping, and calibration."""

from dataclasses import replace

import jax.numpy as jnp
import numpy as np
import pytest
import xarray as xr

from bayes_grpo import InputError, list_models, load_model, make_run
from bayes_grpo.analysis.forecast.forecast import forecast_from, persistence_weight
from bayes_grpo.analysis.forecast.paths import PATHS, Basis, _extended, collapse_note, make_basis, sample_paths
from bayes_grpo.analysis.notes import stored_notes
from bayes_grpo.inference.fit import prior_predictive
from bayes_grpo.inference.layout import prepare
from bayes_grpo.inference.posterior import draw_posterior
from bayes_grpo.inference.sampler_settings import Sampler
from bayes_grpo.inference.timeline import build_grid
from bayes_grpo.laws.likelihood import state_space
from bayes_grpo.laws.smoother import kalman_smoother
from bayes_grpo.models.spec import ModelSpec
from tests.common import FACTS, curve

TRUTH = {"plateau": 0.7, "initial_reward": 0.2, "stiffness": 0.04, "fluctuation": 0.03, "observation_sd": 0.05}
MORE = {"damping": 1.0, "initial_velocity": 1.0, "rise": 0.5, "noise_ratio": 0.6, "midpoint": 20.0, "steepness": 1.5}
MORE |= {"step_sd": 0.01, "lag_share": 0.5, "mass": 9.5, "difficulty_spread": 0.5, "correlation_time": 10.0}
MORE |= {"initial_drive": 0.3}
# The balance law settles at 0.7 with these, in groups of 8.
MORE |= {"kl_weight": 0.749, "reference_reward": 0.2, "wrong_reward": 0.02, "right_reward": 0.98}


def basis(model: str, run: xr.Dataset, draws: int = 2000, **values: float) -> Basis:
    """A posterior that is a single point."""
    spec = load_model(model)
    point = {name: np.full(draws, (TRUTH | MORE | values)[name]) for name in spec.parameters}
    return make_basis(spec, prepare(run, spec), point)


def decaying(n: int = 60, end: float = 60.0) -> xr.Dataset:
    steps = np.arange(1.0, n + 1)
    rate = 1e-5 * np.maximum(0, 1 - steps / end)
    return make_run("decaying", {"optimizer_step": steps, "reward": curve(n), "learning_rate": rate}, FACTS)


def test_paths_are_the_conditional_gaussian(small_run: xr.Dataset) -> None:
    """Mean, variance and correlation of future rewards against the dense covariance of the same process.

    Seven statistics at 4.5 standard errors: a false alarm at one seed in 20,000.
    """
    k, fluctuation, noise = (TRUTH[name] for name in ("stiffness", "fluctuation", "observation_sd"))
    steps, ahead = np.arange(1.0, 61.0), np.array([61.0, 70.0, 120.0])
    times = np.concatenate([steps, ahead]) - 1
    # An Ornstein-Uhlenbeck process from a known start.
    earlier = np.minimum.outer(times, times)
    process = fluctuation**2 * (
        np.exp(-k * np.abs(np.subtract.outer(times, times))) - np.exp(-k * np.add.outer(times, times))
    )
    assert (np.diag(process) >= 0).all() and earlier.min() == 0
    mean = TRUTH["plateau"] + (TRUTH["initial_reward"] - TRUTH["plateau"]) * np.exp(-k * times)
    # Noise of a logged reward carries the resolution of 1/1000 of the range.
    seen = process[:60, :60] + (noise**2 + 1e-6) * np.eye(60)
    gain = process[60:, :60] @ np.linalg.inv(seen)
    expected = mean[60:] + gain @ (small_run["reward"].values[0] - mean[:60])
    covariance = process[60:, 60:] - gain @ process[:60, 60:]

    count = 20_000
    paths = sample_paths(basis("overdamped", small_run), ahead, np.ones(3), 0.0, seed=1, count=count)
    found = paths["expected_reward"]
    error = np.sqrt(np.diag(covariance) / count)
    assert (np.abs(found.mean(0) - expected) < 4.5 * error).all()
    spread = np.sqrt(np.diag(covariance))
    assert (np.abs(found.std(0) / spread - 1) < 4.5 / np.sqrt(2 * count)).all()
    rho = covariance[0, 1] / (spread[0] * spread[1])
    assert abs(np.corrcoef(found[:, 0], found[:, 1])[0, 1] - rho) < 4.5 * (1 - rho**2) / np.sqrt(count)
    rest = paths["reward"] - found
    assert abs(rest[:, 0].std() / np.sqrt(noise**2 + 1e-6) - 1) < 4.5 / np.sqrt(2 * count)
    np.testing.assert_allclose(paths["trend"][0, 1] - 0.7, (paths["trend"][0, 0] - 0.7) * np.exp(-9 * k), rtol=1e-9)


def test_paths_with_inertia_go_on_from_the_filtered_velocity(small_run: xr.Dataset) -> None:
    """Mean and spread of an oscillator's paths against the smoother over the rows to come, which have no rewards.

    Ten statistics at 4.5 standard errors: a false alarm at one seed in 10,000.
    """
    count, ahead = 20_000, np.array([61.0, 63.0, 70.0, 90.0, 160.0])
    one = basis("oscillator", small_run)
    found = sample_paths(one, ahead, np.ones(5), 0.0, seed=2, count=count)["expected_reward"]
    whole = _extended(one.run, ahead, np.ones(5))
    grid, rows = build_grid(whole, one.setting)
    values = {name: jnp.asarray(value[0]) for name, value in one.values.items()}
    exact = kalman_smoother(*state_space(one.spec.law, values, one.data._replace(grid=grid)))
    mean, spread = np.asarray(exact.mean)[rows[60:]] + TRUTH["plateau"], np.sqrt(np.asarray(exact.variance)[rows[60:]])
    assert (np.abs(found.mean(0) - mean) < 4.5 * spread / np.sqrt(count)).all()
    assert (np.abs(found.std(0) / spread - 1) < 4.5 / np.sqrt(2 * count)).all()


@pytest.mark.parametrize("model", [model.name for model in list_models() if not model.pooled])
def test_every_law_goes_on(model: str, small_run: xr.Dataset) -> None:
    found = forecast_from(basis(model, small_run, draws=50), 200, persistence=0)
    paths = found["expected_reward"].values
    assert np.isfinite(paths).all() and paths.min() >= 0 and paths.max() <= 1
    # The first step to come is near the last rewards, the last near the law's plateau.
    assert abs(np.median(paths[:, 0]) - small_run["reward"].values[0, -10:].mean()) < 0.1
    if load_model(model).law.relaxes:
        assert abs(np.median(paths[:, -1]) - 0.7) < 0.06


def test_a_learning_rate_that_runs_out_stops_the_training() -> None:
    run = decaying(30)
    found = forecast_from(basis("overdamped", run, stiffness=0.01), 160, persistence=0)
    assert "linear decay to step 60" in found.attrs["schedule"]
    (note,) = [note for note in stored_notes(found) if note.subject == "learning_rate"]
    assert note.kind == "limit" and "zero from step 60" in note.text
    after = found["optimizer_step"].values > 60
    trend = found["trend"].values[:, after]
    assert np.ptp(trend, axis=1).max() < 1e-12 and np.isinf(found["step_95"]).all()
    held = forecast_from(basis("overdamped", run, stiffness=0.01), 160, persistence=0, schedule="constant")
    assert held["trend"].values[:, -1].mean() > trend[:, -1].mean() + 0.05


def test_step_95_is_that_of_the_exponential(small_run: xr.Dataset) -> None:
    found = forecast_from(basis("overdamped", small_run), 200, persistence=0)
    expected = 1 + np.log(20) / TRUTH["stiffness"]
    assert (np.abs(found["step_95"] - expected) <= 1).all()
    assert (found["plateau"] == 0.7).all()


def test_persistence_mixes_in_the_recent_level(small_run: xr.Dataset) -> None:
    """The share is exact; the trend is the level at the end of the log, about which the expected reward moves."""
    level = small_run["reward"].values[0, -20:]
    found = forecast_from(basis("overdamped", small_run), 200, persistence=1.0)
    trend, expected = found["trend"].values, found["expected_reward"].values
    assert np.ptp(trend, axis=1).max() == 0
    assert abs(np.median(trend) - level.mean()) < level.std(ddof=1)
    assert (found["plateau"].values == trend[:, 0]).all()
    spread = (expected - trend).std(axis=0)
    assert 0 < spread[0] < spread[20] < spread[100]
    assert (found["component"] == "persistence").all()
    some = forecast_from(basis("overdamped", small_run), 200, persistence=0.3)
    assert int((some["component"] == "persistence").sum()) == 300
    spec = load_model("population")
    assert persistence_weight(load_model("overdamped"), np.arange(1, 61), 100) == 0
    if spec.persistence is not None:
        intercept, slope = spec.persistence
        expected = 1 / (1 + np.exp(-(intercept + slope * np.log(90 / 60))))
        assert persistence_weight(spec, np.arange(1.0, 61.0), 150) == pytest.approx(expected)


def test_a_collapse_is_seen_and_noise_is_none() -> None:
    rng = np.random.default_rng(0)
    steps = np.arange(200)
    rise = 0.2 + 0.5 * (1 - np.exp(-steps / 20))
    fall = np.where(steps < 150, rise, 0.15)
    note = collapse_note(fall + 0.03 * rng.standard_normal(200))
    assert note is not None and note.kind == "alarm"
    # 500 runs that rise, 500 that only scatter: a false alarm would be 4 standard errors.
    alarms = [collapse_note(rise + 0.1 * rng.standard_normal(200)) is not None for _ in range(500)]
    alarms += [collapse_note(0.3 + 0.1 * rng.standard_normal(200)) is not None for _ in range(500)]
    assert sum(alarms) == 0


def test_what_cannot_be_forecast_is_refused(small_run: xr.Dataset) -> None:
    one = basis("overdamped", small_run)
    with pytest.raises(InputError, match="until: expected a step after the last logged one, 60, found 60"):
        forecast_from(one, 60)
    short = small_run.isel(step=slice(9))
    with pytest.raises(InputError) as caught:
        forecast_from(basis("overdamped", short), 5, persistence=2)
    assert len(caught.value.faults) == 3 and "at least 10 rewards, found 9" in str(caught.value)


def test_the_same_seed_gives_the_same_paths(small_run: xr.Dataset) -> None:
    first, again, other = (forecast_from(basis("overdamped", small_run), 90, seed=seed) for seed in (3, 3, 4))
    xr.testing.assert_identical(first, again)
    assert not np.allclose(first["reward"], other["reward"])


def test_intervals_cover_at_their_rate() -> None:
    """Runs drawn from the model's own prior, cut at a third, fitted and forecast: blocks inside 90 % intervals.

    24 runs of 3 blocks, which within a run all but move together: were they one, the number of runs covered is
    binomial (24, 0.9), below 18 with probability 0.9 %.
    """
    spec = load_model("overdamped")
    steps = np.arange(1.0, 91.0)
    base = make_run("simulated", {"optimizer_step": steps, "reward": curve(90)}, FACTS | {"planned_steps": 90})
    simulated = prior_predictive(base, "overdamped", seed=11, draws=24)
    inside = []
    for draw in range(24):
        rewards = simulated["reward"].values[draw]
        run = base.isel(step=slice(30)).assign(reward=(("run", "step"), rewards[None, :30]))
        basis = _fitted(spec, run)
        # The prior's rewards know no bounds.
        basis = basis._replace(setting=replace(basis.setting, assumptions={"reward_bounds": "none"}))
        paths = sample_paths(basis, steps[30:], np.ones(60), 0.0, seed=draw)["reward"]
        blocks, truth = paths.reshape(PATHS, 3, 20).mean(2), rewards[30:].reshape(3, 20).mean(1)
        low, high = np.quantile(blocks, [0.05, 0.95], axis=0)
        inside.append(((truth >= low) & (truth <= high)).mean())
    mean = float(np.mean(inside))
    assert mean >= 18 / 24, mean


def _fitted(spec: ModelSpec, run: xr.Dataset) -> Basis:
    prepared = prepare(run, spec)
    drawn = draw_posterior(spec, prepared, Sampler(seed=1, draws=250, chains=2))
    return make_basis(spec, prepared, {name: value.ravel() for name, value in drawn.values.items()})


def test_attributes_are_plain(small_run: xr.Dataset) -> None:
    found = forecast_from(basis("overdamped", small_run), 90)
    assert found["reward"].attrs["units"] == "reward" and isinstance(found.attrs["notes"], str) and stored_notes(found)
    assert float(found["optimizer_step"].values[-1]) == 160  # paths reach 100 steps on, for the gain over them
