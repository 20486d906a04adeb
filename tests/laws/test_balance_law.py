"""The balance law as a law of motion: against an ODE solver and the closed form of its plateau."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import xarray as xr
from scipy.integrate import solve_ivp

from bayes_grpo import InputError, balance_plateau, fit, load_model, make_run
from bayes_grpo.inference.layout import prepare
from bayes_grpo.laws.balance import balance_drive
from bayes_grpo.laws.likelihood import derived, simulated
from bayes_grpo.laws.run_data import RunData

FACTS = {"momentum": 0.9, "reward_lower": 0, "reward_upper": 1, "logging_window": 1, "group_size": 4}
TRUTH = {"initial_reward": 0.26, "stiffness": 0.06, "kl_weight": 0.4, "reference_reward": 0.2545, "wrong_reward": 0.2}
TRUTH |= {"right_reward": 0.8, "fluctuation": 1e-9, "observation_sd": 0.04, "damping": 1.0, "initial_velocity": 0.5}


def run_of(rows: int = 120, clip: float = 0.0, **facts: float) -> xr.Dataset:
    steps = np.arange(1.0, rows + 1)
    columns = {"optimizer_step": steps, "reward": np.linspace(0.2, 0.5, rows), "clip_ratio": np.full(rows, clip)}
    return make_run("a", columns, FACTS | {"planned_steps": rows} | facts)


def data_of(model: str, **settings: float) -> RunData:
    return prepare(run_of(**settings), load_model(model)).data.run


def given(model: str, **more: float) -> dict[str, jax.Array]:
    return {name: jnp.asarray((TRUTH | more)[name]) for name in load_model(model).parameters}


def force(z: np.ndarray, clipped: float = 0.0, kl: float = 0.4) -> np.ndarray:
    """Drive less pull, written anew."""
    x = 0.2 + 0.6 / (1 + np.exp(-z))
    place = (0.2545 - 0.2) / 0.6
    return np.asarray(balance_drive(x, 4, 0.6)) * (1 - clipped) - kl * (z - np.log(place / (1 - place)))


@pytest.mark.parametrize("model", ["balance_overdamped", "balance"])
@pytest.mark.parametrize("clip", [0.0, 0.3])
def test_without_noise_the_path_solves_the_differential_equation(model: str, clip: float) -> None:
    data = data_of(model, clip=clip)
    path = np.asarray(simulated(load_model(model).law, given(model), data, jax.random.key(0))[0])[:120]
    place = (0.26 - 0.2) / 0.6
    start = np.log(place / (1 - place))
    if model == "balance":
        velocity = 0.5 * 0.06 * float(force(np.array(start), clip))
        slope = lambda _, s: [s[1], (0.06 * float(force(s[0], clip)) - s[1]) / 9.5]  # noqa: E731
        state = [start, velocity]
    else:
        slope = lambda _, s: [0.06 * float(force(s[0], clip))]  # noqa: E731
        state = [start]
    exact = solve_ivp(slope, (0, 119), state, t_eval=np.arange(120.0), rtol=1e-6).y[0]
    np.testing.assert_allclose(path, 0.2 + 0.6 / (1 + np.exp(-exact)), atol=2e-3)


@pytest.mark.parametrize("group_size", [2, 8, 32])
@pytest.mark.parametrize("clip", [0.0, 0.2])
def test_the_plateau_is_the_closed_form(group_size: int, clip: float) -> None:
    model = "balance_overdamped"
    data = data_of(model, clip=clip, group_size=group_size)
    plateau = float(derived(load_model(model).law, given(model), data)["plateau"])
    start = (0.2545 - 0.2) / 0.6
    assert plateau == pytest.approx(balance_plateau(0.4, group_size, start, 0.2, 0.8, clipped=clip), abs=2e-4)


def test_the_timescale_is_the_slope_of_the_force() -> None:
    model = "balance_overdamped"
    found = derived(load_model(model).law, given(model), data_of(model))
    p = (float(found["plateau"]) - 0.2) / 0.6
    z = np.log(p / (1 - p))
    slope = (force(np.array(z + 1e-4)) - force(np.array(z - 1e-4))) / 2e-4
    assert float(found["timescale"]) == pytest.approx(-1 / (0.06 * float(slope)), rel=2e-3)


def test_without_a_pull_the_ceiling_is_what_right_answers_earn() -> None:
    model = "balance_overdamped"
    found = derived(load_model(model).law, given(model, kl_weight=1e-6), data_of(model))
    assert float(found["plateau"]) == pytest.approx(0.8, abs=1e-3)


def test_what_is_unknown_is_said_and_what_is_known_is_not() -> None:
    spec = load_model("balance_overdamped")
    unknown = prepare(run_of(), spec).settings[0]
    assert {"kl_weight", "reference_reward", "wrong_reward", "right_reward"} <= set(unknown.assumptions)
    known = prepare(run_of(kl_weight=0.4, reference_reward=0.25, wrong_reward=0.2, right_reward=0.8), spec).settings[0]
    assert not {"kl_weight", "reference_reward", "wrong_reward", "right_reward"} & set(known.assumptions)
    assert spec.resolve(known.values)["kl_weight"]["scale"] < 0.05 < spec.resolve(unknown.values)["kl_weight"]["scale"]


def test_rewards_outside_zero_and_one_are_refused() -> None:
    with pytest.raises(InputError, match="for rewards between 0 and 1"):
        prepare(run_of(reward_upper=2.0), load_model("balance_overdamped"))
    with pytest.raises(InputError, match="kl_weight: expected a number at least 0"):
        run_of(kl_weight=-0.1)


def test_a_fit_recovers_rate_and_plateau() -> None:
    """One simulated run; rate and plateau inside their intervals of 99.9 % (false alarms: 1 in 500, at one seed)."""
    spec = load_model("balance_overdamped")
    run = run_of(150, kl_weight=0.4, reference_reward=0.2545, wrong_reward=0.2, right_reward=0.8)
    data = prepare(run, spec).data.run
    logged = np.asarray(simulated(spec.law, given(spec.name, fluctuation=0.02), data, jax.random.key(4))[1])[:150]
    run["reward"] = (("run", "step"), logged[None].clip(0, 1))
    draws = fit(run, spec, seed=1, draws=300, tune=300, chains=2)["posterior"].to_dataset()
    for name, value in (("stiffness", 0.06), ("plateau", balance_plateau(0.4, 4, (0.2545 - 0.2) / 0.6, 0.2, 0.8))):
        below = float((draws[name] < value).mean())
        assert 0.0005 < below < 0.9995, (name, below)
