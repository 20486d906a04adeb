"""State-dependent laws: against a particle filter, an ODE solver, exact sums and the linear law they reduce to."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.linalg import expm

from bayes_grpo import InputError, load_model, make_run
from bayes_grpo.inference.layout import prepare
from bayes_grpo.laws import oscillator as dynamics
from bayes_grpo.laws.finite_groups import finite_group_factor, group_factor, group_factor_table
from bayes_grpo.laws.likelihood import derived, expected_reward, leave_one_out, log_likelihood, simulated
from bayes_grpo.laws.run_data import RunData

FACTS = {"momentum": 0.9, "reward_lower": 0, "reward_upper": 1, "logging_window": 1, "group_size": 4}
RISE = {"plateau": 0.85, "initial_reward": 0.08, "stiffness": 0.12, "damping": 0.9, "initial_velocity": 0.5}
RISE |= {"fluctuation": 0.05, "observation_sd": 0.05}


def run_data(model: str, n: int = 40, seed: int = 3, **facts: float) -> RunData:
    """A run of ``n`` steps, with the learning rate warming up and two gaps, of rewards drawn from the law at `RISE`."""
    spec = load_model(model)
    steps = np.delete(np.arange(1.0, n + 6), [10, 11, 12, 20, 21])
    rate = np.minimum(1.0, steps / 8)
    columns = {"optimizer_step": steps, "reward": np.linspace(0.1, 0.8, n), "learning_rate": rate}
    data = prepare(make_run("a", columns, FACTS | {"planned_steps": n} | facts), spec).data.run
    logged = simulated(spec.law, given(model), data, jax.random.key(seed))[1]
    return data._replace(grid=data.grid._replace(value=np.asarray(logged)))


def given(model: str, **more: float) -> dict[str, jax.Array]:
    return {name: jnp.asarray((RISE | more)[name]) for name in load_model(model).parameters}


@pytest.mark.parametrize("group_size", [2, 4, 8, 64])
def test_the_table_of_the_group_factor_interpolates_it(group_size: int) -> None:
    p = np.concatenate([np.geomspace(1e-6, 0.5, 60), 1 - np.geomspace(1e-6, 0.5, 60)])
    exact = finite_group_factor(p, group_size) * np.sqrt(1 - 1 / group_size)
    ours = group_factor(group_factor_table(float(group_size)), jnp.log(p) - jnp.log1p(-p))
    np.testing.assert_allclose(ours, exact, rtol=2e-4)
    assert float(group_factor(group_factor_table(None), jnp.asarray(-3.0))) == 1.0


@pytest.mark.parametrize(("gap", "damping", "stiffness"), [(1.0, 1.0, -0.02), (5.0, 0.4, -0.1), (30.0, 1.0, -0.01)])
def test_transitions_hold_where_the_drift_pushes_away(gap: float, damping: float, stiffness: float) -> None:
    """Negative stiffness, as where success is rare: against the block matrix exponential (Van Loan 1978)."""
    mass, noise = 9.5, 0.01
    drift = np.array([[0.0, 1.0], [-stiffness / mass, -damping / mass]])
    block = np.block([[-drift, np.diag([0.0, noise / mass**2])], [np.zeros((2, 2)), drift.T]])
    exponential = expm(block * gap)
    f = exponential[2:, 2:].T
    q = f @ exponential[:2, 2:]
    ours = dynamics.second_order(gap, mass, damping, stiffness, noise)
    np.testing.assert_allclose([ours.f11, ours.f12, ours.f21, ours.f22], f.ravel(), rtol=1e-9)
    np.testing.assert_allclose([ours.q11, ours.q12, ours.q22], [q[0, 0], q[0, 1], q[1, 1]], rtol=1e-8)


def force(x: np.ndarray, rate: float, p: dict[str, jax.Array], table: np.ndarray) -> np.ndarray:
    """The drift in z, written anew in NumPy."""
    logits = np.arange(-14, 14.01, 0.25)
    factor = np.exp(np.interp(x, logits, table))
    return float(p["stiffness"]) * rate * 4 * factor * (float(p["plateau"]) - 1 / (1 + np.exp(-x)))


def particle_filter(model: str, p: dict[str, jax.Array], data: RunData, particles: int, seed: int) -> float:
    """Bootstrap particle filter with Euler steps of 1/8 (Gordon, Salmond and Smith 1993); log-likelihood estimate."""
    rng = np.random.default_rng(seed)
    grid, table = data.grid, np.asarray(data.log_group_factor)
    heavy = "damping" in p
    mass, damping = float(data.closed_form_mass), float(p.get("damping", 1.0))
    z = np.full(particles, np.log(float(p["initial_reward"]) / (1 - float(p["initial_reward"]))))
    v = float(p.get("initial_velocity", 0.0)) * force(z, float(grid.start_rate), p, table)
    total, variance = 0.0, float(p["observation_sd"]) ** 2 + data.resolution**2
    for i in np.flatnonzero(grid.observed):
        gap, rate = grid.gap[grid.kind[i]], grid.rate[grid.kind[i]]
        noise = np.sqrt(2 * float(p["stiffness"])) * 4 * float(p["fluctuation"]) * rate
        parts = round(gap * 8)
        for _ in range(parts):
            kick = noise * np.sqrt(gap / parts) * rng.normal(size=particles)
            pull = force(z, rate, p, table) * gap / parts
            if heavy:
                v = v + (pull - damping * v * gap / parts + kick) / mass
                z = z + v * gap / parts
            else:
                z = z + pull + kick
        log_weight = -0.5 * (np.log(2 * np.pi * variance) + (grid.value[i] - 1 / (1 + np.exp(-z))) ** 2 / variance)
        top = log_weight.max()
        weight = np.exp(log_weight - top)
        total += top + np.log(weight.mean())
        places = (np.arange(particles) + rng.uniform()) / particles
        keep = np.searchsorted(np.cumsum(weight) / weight.sum(), places).clip(max=particles - 1)
        z, v = z[keep], v[keep]
    return total


@pytest.mark.parametrize("model", ["bounded_overdamped", "bounded"])
@pytest.mark.parametrize(("more", "within"), [({}, 0.15), ({"fluctuation": 0.12, "plateau": 0.95}, 0.5)])
def test_likelihood_agrees_with_a_particle_filter(model: str, more: dict[str, float], within: float) -> None:
    """What statistical linearisation costs in 40 rows: within 0.15 nats at the prior's scale of noise, 0.5 at double.

    The particle filter's own error, 0.05, is part of that.
    """
    data, p = run_data(model), given(model, **more)
    ours = float(log_likelihood(load_model(model).law, p, data))
    runs = [particle_filter(model, p, data, 10_000, seed) for seed in range(3)]
    assert ours == pytest.approx(np.mean(runs), abs=within), runs


def test_expected_rewards_stay_between_the_bounds() -> None:
    model = "bounded"
    data, p = run_data(model, reward_lower=-1, reward_upper=3), given(model, fluctuation=2.0, plateau=2.9)
    law = load_model(model).law
    for seed in range(5):
        for path in (
            simulated(law, p, data, jax.random.key(seed))[0],
            expected_reward(law, p, data, jax.random.key(seed)),
        ):
            assert float(path.min()) >= -1 and float(path.max()) <= 3


def test_small_groups_start_later_and_infinite_ones_do_not_differ() -> None:
    law = load_model("bounded_overdamped").law
    reached = []
    for group in (2, 4, 16, 64):
        data = run_data("bounded_overdamped", n=120, group_size=group)
        path = np.asarray(simulated(law, given("bounded_overdamped", fluctuation=1e-9), data, jax.random.key(0))[0])
        reached.append(int(np.argmax(path > 0.4)))
    assert reached == sorted(reached, reverse=True)
    assert reached[0] > 2 * reached[-1]


def test_near_the_plateau_it_is_the_linear_law() -> None:
    """Small noise about p* = 1/2, unknown group size: the oscillator's likelihood up to the curvature."""
    n = 60
    small = {"plateau": 0.5, "initial_reward": 0.5, "fluctuation": 0.004, "observation_sd": 0.004, "stiffness": 0.1}
    columns = {"optimizer_step": np.arange(n), "reward": 0.5 + 0.006 * np.random.default_rng(2).normal(size=n)}
    facts = {key: value for key, value in FACTS.items() if key != "group_size"}
    run = make_run("a", columns, facts)
    found = [
        float(log_likelihood(load_model(m).law, given(m, **small), prepare(run, load_model(m)).data.run))
        for m in ("bounded", "oscillator")
    ]
    assert found[0] == pytest.approx(found[1], abs=0.01)
    p, data = given("bounded", **small), prepare(run, load_model("bounded")).data.run
    linear = derived(load_model("oscillator").law, given("oscillator", **small), data)
    for name, value in derived(load_model("bounded").law, p, data).items():
        assert float(value) == pytest.approx(float(linear[name]), rel=1e-6), name


def test_leave_one_out_is_near_the_density_without_the_row() -> None:
    """log p(y_t | rest) = log p(all) - log p(all but t) by the filter, within 0.02 nats: the linearisation moves."""
    model = "bounded_overdamped"
    data, p, law = run_data(model), given(model), load_model(model).law
    ours = np.asarray(leave_one_out(law, p, data))
    whole = float(log_likelihood(law, p, data))
    for row in (0, 7, 20, 39):
        observed = data.grid.observed.copy()
        observed[row] = 0.0
        without = float(log_likelihood(law, p, data._replace(grid=data.grid._replace(observed=observed))))
        assert ours[row] == pytest.approx(whole - without, abs=0.02), row


def test_groups_of_one_are_refused() -> None:
    run = make_run("a", {"optimizer_step": np.arange(9), "reward": np.linspace(0, 1, 9)}, FACTS | {"group_size": 1})
    with pytest.raises(InputError, match="needs groups of at least 2, found 1"):
        prepare(run, load_model("bounded"))
