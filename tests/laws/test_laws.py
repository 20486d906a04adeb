"""Laws that are linear in the reward, each against a formula of its own."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import xarray as xr

from bayes_grpo import load_model, make_run
from bayes_grpo.inference.layout import prepare
from bayes_grpo.laws.likelihood import derived, expected_reward, filtered, leave_one_out, log_likelihood, simulated
from bayes_grpo.laws.run_data import RunData

STEPS = np.array([1, 2, 4, 5, 9, 10, 11, 15, 16, 17.0])
RATE = np.linspace(1.0, 0.3, 10) * 1e-6
FACTS = {
    "group_size": 8,
    "momentum": 0.9,
    "reward_lower": 0,
    "reward_upper": 1,
    "planned_steps": 20,
    "logging_window": 1,
}
COMMON = {"plateau": 0.8, "initial_reward": 0.2, "stiffness": 0.1, "damping": 0.9, "initial_velocity": 0.7}
COMMON |= {"fluctuation": 0.05, "observation_sd": 0.06, "midpoint": 4.0, "steepness": 1.7, "step_sd": 0.03}


def run_data(model: str, **facts: float) -> RunData:
    rewards = 0.2 + 0.05 * np.random.default_rng(0).normal(size=10).cumsum() ** 2
    columns = {"optimizer_step": STEPS, "reward": rewards.clip(0, 1), "learning_rate": RATE}
    return prepare(make_run("a", columns, FACTS | facts), load_model(model)).data.run


def parameters(model: str, **more: float) -> dict[str, jax.Array]:
    values = COMMON | more
    return {name: jnp.asarray(values[name]) for name in load_model(model).parameters}


def test_sigmoid_is_the_curve_with_independent_noise() -> None:
    data, law = run_data("sigmoid"), load_model("sigmoid").law
    compute = STEPS - STEPS[0]
    with np.errstate(divide="ignore"):
        curve = 0.2 + (0.8 - 0.2) / (1 + (4.0 / compute) ** 1.7)
    residual = data.grid.value[:10] - curve
    variance = 0.06**2 + data.resolution**2
    terms = -0.5 * (np.log(2 * np.pi * variance) + residual**2 / variance)
    for function in (lambda *given: filtered(*given).log_density, leave_one_out):
        ours = function(law, parameters("sigmoid"), data)
        np.testing.assert_allclose(np.asarray(ours)[:10], terms, rtol=1e-9)
    path = expected_reward(law, parameters("sigmoid"), data, jax.random.key(0))
    np.testing.assert_allclose(np.asarray(path)[:10], curve, rtol=1e-12)


def test_relative_parameters_are_the_same_law() -> None:
    """The rise is counted in reward ranges from the start, the fluctuation in observation noises; bounds 0 to 2."""
    facts = {"reward_upper": 2.0}
    relative, plain = load_model("population").law, load_model("overdamped").law
    data = run_data("population", **facts)
    stated = parameters("population", rise=0.3, noise_ratio=0.05 / 0.06)
    same = parameters("overdamped", plateau=0.2 + 0.3 * 2.0)
    for function in (log_likelihood, leave_one_out, lambda *given: simulated(*given, jax.random.key(1))[1]):
        np.testing.assert_allclose(function(relative, stated, data), function(plain, same, data), rtol=1e-9)
    found, expected = derived(relative, stated, data), derived(plain, same, data)
    assert found["plateau"] == pytest.approx(0.8) and found["fluctuation"] == pytest.approx(0.05)
    for name, value in expected.items():
        assert found[name] == pytest.approx(float(value)), name


def test_random_walk_equals_a_dense_gaussian() -> None:
    """Covariance of the walk: its clock at the earlier of two rows; noise at the learning rate's mean over each gap."""
    data, law = run_data("random_walk"), load_model("random_walk").law
    rate = RATE / RATE.max()
    clock = np.concatenate([[0], np.cumsum(np.diff(STEPS) * ((rate[1:] + rate[:-1]) / 2) ** 2)])
    covariance = 0.03**2 * np.minimum.outer(clock, clock) + (0.06**2 + data.resolution**2) * np.eye(10)
    residual = data.grid.value[:10] - 0.2
    dense = -0.5 * (np.linalg.slogdet(2 * np.pi * covariance)[1] + residual @ np.linalg.solve(covariance, residual))
    assert float(log_likelihood(law, parameters("random_walk"), data)) == pytest.approx(dense, rel=1e-9)


def test_lag_erodes_the_damping_and_nothing_else() -> None:
    """K = 4: mean age 1.5, damping 1 - lambda k eta / eta0 1.5 within each gap; at constant rate an oscillator's."""
    delayed, plain = load_model("delayed_oscillator").law, load_model("oscillator").law
    data = run_data("delayed_oscillator", refresh_interval=4)
    data = data._replace(grid=data.grid._replace(rate=np.ones_like(data.grid.rate)))
    ours = log_likelihood(delayed, parameters("delayed_oscillator", lag_share=0.6), data)
    damping = 1 - 0.6 * 0.1 * 1.5
    assert float(ours) == pytest.approx(float(log_likelihood(plain, parameters("oscillator", damping=damping), data)))
    known = derived(delayed, parameters("delayed_oscillator", lag_share=0.6), data)
    assert float(known["damping"]) == pytest.approx(damping)
    assert float(known["damping_ratio"]) == pytest.approx(damping / (2 * np.sqrt(9.5 * 0.1)))


def test_without_schedule_the_learning_rate_does_not_matter() -> None:
    data = run_data("sigmoid")
    flat = data._replace(grid=data.grid._replace(rate=np.ones_like(data.grid.rate)))
    law = load_model("sigmoid").law
    assert float(log_likelihood(law, parameters("sigmoid"), data)) == float(
        log_likelihood(law, parameters("sigmoid"), flat)
    )


def test_a_missing_group_size_or_refresh_interval_is_said(small_run: xr.Dataset) -> None:
    bare = small_run.drop_vars(["group_size", "refresh_interval"])
    said = prepare(bare, load_model("delayed_oscillator")).settings[0].assumptions
    assert "refresh interval unknown" in said["refresh_interval"]
    said = prepare(bare, load_model("bounded")).settings[0].assumptions
    assert "the finite-group factor is left out" in said["group_size"]
