"""The contract that every law keeps, whatever corrections it is composed with.

Every composition that a model file allows is tried where a check is cheap, every pair of choices where functions are
traced, and every choice where they are compiled.
"""

from collections.abc import Iterator, Mapping
from dataclasses import fields
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import Array

from bayes_grpo import list_models
from bayes_grpo.laws.law import Law
from bayes_grpo.laws.likelihood import derived, log_likelihood, simulated, state_space
from bayes_grpo.laws.units import UNITS
from bayes_grpo.runs.fields import RUN_FIELDS, STEP_FIELDS
from tests.laws import equations
from tests.laws.compositions import (
    ALL_UNITS,
    CURVED,
    EVERY_LAW,
    GAPS,
    LINEAR,
    PAIRS,
    RANGE,
    VALUES,
    Composition,
    name_of,
    parameters_of,
    run_data,
)

#: Points of a composition's differences, filled up, so that compositions share the shapes of all operations.
MOST_POINTS = 61


def named(compositions: list[Composition]) -> list:
    return [pytest.param(chosen, law, id=name_of(chosen)) for chosen, law in compositions]


class Read(Mapping[str, Array]):
    """Parameters that remember which of them were read."""

    def __init__(self, values: Mapping[str, Array]) -> None:
        self.values_by_name, self.names = values, set[str]()

    def __getitem__(self, name: str) -> Array:
        self.names.add(name)
        return self.values_by_name[name]

    def __contains__(self, name: object) -> bool:
        return name in self.values_by_name

    def __iter__(self) -> Iterator[str]:
        return iter(self.values_by_name)

    def __len__(self) -> int:
        return len(self.values_by_name)


def test_equal_compositions_are_one_compile_key_and_no_others() -> None:
    assert len(EVERY_LAW) > 400 and len(set(EVERY_LAW)) == len(EVERY_LAW)
    for law in EVERY_LAW:
        again = type(law)(**{field.name: getattr(law, field.name) for field in fields(law)})
        assert again == law and hash(again) == hash(law) and again is not law


def test_every_name_has_a_unit_and_one_meaning() -> None:
    run = run_data()
    for law in EVERY_LAW:
        names = law.parameters()
        assert len(set(names)) == len(names) and set(names) <= set(ALL_UNITS)
        follows = jax.eval_shape(partial(derived, law, run=run), parameters_of(law))
        fixed = law.fixed(2.5)
        assert set(follows) | set(fixed) <= set(ALL_UNITS)
        for first, second in ((names, follows), (names, fixed), (follows, fixed)):
            assert not set(first) & set(second), (law, set(first) & set(second))
        assert all(entry.shape == () for entry in follows.values())


@pytest.mark.parametrize("model", list_models(), ids=lambda model: model.name)
def test_priors_of_the_shipped_models_state_the_laws_units(model) -> None:
    assert {name: prior.unit for name, prior in model.parameters.items()} == {
        name: UNITS[name] for name in model.law.parameters()
    }


def test_needs_are_quantities_of_a_run() -> None:
    for law in EVERY_LAW:
        for name, cost in law.needs().items():
            assert name in RUN_FIELDS or name in STEP_FIELDS, (law, name)
            assert cost, (law, name)


@pytest.mark.parametrize(("chosen", "law"), named(PAIRS))
def test_parameters_are_what_the_functions_read(chosen: Mapping[str, Any], law: Law) -> None:
    """No function misses one; each is read, and the likelihood depends on it."""
    run, values = run_data(), Read(parameters_of(law))
    # Traced, not run: a law that asks for another parameter ends with a KeyError.
    jax.eval_shape(lambda: log_likelihood(law, values, run))
    assert values.names == set(law.parameters())
    for function in (derived, lambda *given: simulated(*given, jax.random.key(0))):
        jax.eval_shape(partial(function, law, parameters_of(law), run))


@pytest.mark.parametrize(("chosen", "law"), named(LINEAR + CURVED))
def test_gradients_equal_central_differences(chosen: Mapping[str, Any], law: Law) -> None:
    """Of the log-likelihood with regard to every parameter, none of which is without influence."""
    run, values = run_data(), parameters_of(law)
    names = law.parameters()
    centre = np.array([float(values[name]) for name in names])
    steps = np.diag(2e-4 * centre)
    points = np.tile(centre, (MOST_POINTS, 1))
    points[1 : 4 * len(names) + 1] = np.concatenate([centre + times * steps for times in (-2, -1, 1, 2)])

    @jax.vmap
    def at(point: Array) -> tuple[Array, Array]:
        return jax.value_and_grad(lambda p: log_likelihood(law, dict(zip(names, p, strict=True)), run))(point)

    # Operation by operation: compiling a program for each composition takes three times as long.
    with jax.disable_jit():
        value, slopes = (np.asarray(entry) for entry in at(jnp.asarray(points)))
    two_left, left, right, two_right = value[1 : 4 * len(names) + 1].reshape(4, len(names))
    difference = (two_left - 8 * left + 8 * right - two_right) / (12 * np.diag(steps))
    # The table of the finite-group factor is interpolated: its second derivative jumps at the table's nodes.
    rtol = 2e-4 if chosen.get("finite_groups") else 1e-6
    np.testing.assert_allclose(slopes[0], difference, rtol=rtol, atol=rtol / 10 * np.abs(slopes[0]).max())
    assert (np.abs(slopes[0] * centre) > 1e-6).all(), dict(zip(names, slopes[0], strict=True))


@pytest.mark.parametrize(("chosen", "law"), named([c for c in PAIRS if equations.is_linear(c[0])]))
def test_motion_equals_the_matrix_exponential(chosen: Mapping[str, Any], law: Law) -> None:
    """Mean and covariance of (expected reward, velocity) in every row; for the noise, Van Loan (1978)."""
    assert law.linear
    run, values = run_data(), parameters_of(law)
    motion, _, position, velocity = state_space(law, values, run)
    motion = motion.per_row()._replace(window=None)
    rows = {name: np.asarray(entry) for name, entry in motion._asdict().items() if entry is not None}
    absolute = law.absolute(values, run)

    def reward(state: float, row: int) -> float:
        return float(np.broadcast_to(law.to_reward(absolute, run, jnp.asarray(state)), GAPS.shape)[row])

    # The first row ends where it begins: its gap is 0.
    assert reward(float(position), 0) == pytest.approx(float(values["initial_reward"]))
    mean, covariance = np.array([float(position), float(velocity)]), np.zeros((2, 2))
    for row, (expected, expected_covariance) in enumerate(equations.moments(chosen)):
        t = {name: entry[row] for name, entry in rows.items()}
        f = np.array([[t["f11"], t["f12"]], [t["f21"], t["f22"]]])
        q = np.array([[t["q11"], t["q12"]], [t["q12"], t["q22"]]])
        mean = f @ mean + np.array([t.get("b1", 0.0), t.get("b2", 0.0)])
        covariance = f @ covariance @ f.T + q
        ours = [reward(mean[0], row), mean[1]]
        np.testing.assert_allclose(ours, expected, rtol=1e-9, atol=1e-12, err_msg=f"row {row}")
        np.testing.assert_allclose(covariance, expected_covariance, rtol=1e-8, atol=1e-14, err_msg=f"row {row}")


@pytest.mark.parametrize(("chosen", "law"), named(PAIRS))
def test_noise_of_logged_rewards_follows_the_group_size(chosen: Mapping[str, Any], law: Law) -> None:
    run, values = run_data(), parameters_of(law)
    scale = equations.noise_scale(chosen, "observation")
    variance = VALUES["observation_sd"] ** 2 * scale + run.resolution**2
    np.testing.assert_allclose(law.row_variance(values, run, law.rows(run)), np.full(GAPS.size, variance), rtol=1e-12)


@pytest.mark.parametrize(("chosen", "law"), named(CURVED))
def test_simulated_paths_follow_the_equation(chosen: Mapping[str, Any], law: Law) -> None:
    """Mean and standard deviation in every row of 4,000 paths against small Euler steps of the equation written anew.

    4.5 standard errors of either, and 0.3 % of the reward range for the finite steps of both: a false alarm at 1 seed
    in 400 over all laws.
    """
    assert not law.linear
    run, values, count = run_data(), parameters_of(law), 4000
    keys = jax.random.split(jax.random.key(2), count)
    ours = np.asarray(jax.jit(jax.vmap(lambda key: simulated(law, values, run, key)[0]))(keys))
    theirs = equations.paths(chosen, count, seed=3)
    allowed = 0.003 * RANGE
    error = np.sqrt((ours.var(0) + theirs.var(0)) / count)
    np.testing.assert_array_less(np.abs(ours.mean(0) - theirs.mean(0)), 4.5 * error + allowed)
    spread = np.sqrt((ours.var(0) + theirs.var(0)) / 2 / count)
    np.testing.assert_array_less(np.abs(ours.std(0) - theirs.std(0)), 4.5 * spread + allowed)
    if chosen["process_noise"]:
        assert theirs.std(0).max() > 10 * allowed  # the allowance hides no wrong scale of the noise


@pytest.mark.parametrize(("chosen", "law"), named(LINEAR))
def test_the_likelihood_is_that_of_the_simulator(chosen: Mapping[str, Any], law: Law) -> None:
    """The mean slope of the log-likelihood over runs simulated at the same parameters is zero (the score identity).

    2,000 runs, 4.5 standard errors a parameter: a false alarm at 1 seed in 700 over all laws.
    """
    run, values = run_data(), parameters_of(law)
    # What scatters about the mean of a repeated step is no part of a simulated run.
    grid = run.grid._replace(repeats=jnp.ones(GAPS.size), scatter=jnp.zeros(GAPS.size))

    @jax.jit
    @jax.vmap
    def score(key: Array) -> Mapping[str, Array]:
        logged = simulated(law, values, run._replace(grid=grid), key)[1]
        seen = run._replace(grid=grid._replace(value=logged))
        return jax.grad(lambda p: log_likelihood(law, p, seen))(values)

    for name, slope in score(jax.random.split(jax.random.key(4), 2000)).items():
        error = float(slope.std()) / np.sqrt(2000)
        assert abs(float(slope.mean())) < 4.5 * error, name
