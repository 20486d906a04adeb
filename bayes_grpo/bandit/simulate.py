"""Bandit runs, sampled or in expectation; one compiled program runs all settings and seeds."""

from collections.abc import Sequence
from functools import lru_cache
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import xarray as xr
from jax import Array, lax, random
from jax.nn import log_softmax, softmax

from bayes_grpo.bandit.drift import GROUPS, Advantages, check_groups, direction, mean_advantages
from bayes_grpo.bandit.setting import Bandit, Numbers, Structure, split
from bayes_grpo.errors import InputError
from bayes_grpo.runs.dataset import combine, make_run

_ADAM_EPSILON = 1e-8


class _Row(NamedTuple):
    """What one step logs, before its update."""

    expected_reward: Array
    reward: Array
    reward_spread: Array
    zero_spread_share: Array
    entropy: Array
    kl: Array


class _State(NamedTuple):
    theta: Array
    behaviour: Array
    update: Array  # heavy ball's last update, or Adam's first moment
    second: Array


UNITS = {
    "expected_reward": "reward",
    "reward": "reward",
    "reward_spread": "reward",
    "zero_spread_share": "1",
    "entropy": "nat",
    "kl": "nat",
}


def trajectories(
    bandits: Bandit | Sequence[Bandit], seeds: Sequence[int] = (0,), *, groups: str = "sampled"
) -> xr.Dataset:
    """Simulate bandits.

    Parameters
    ----------
    bandits : Bandit or sequence of Bandit
        Settings that share arms, steps, kind of reward, normalisation, optimizer and staleness.
    seeds : sequence of int
        There is one run for each setting and seed. Where nothing is random only the first seed is used.
    groups : {"sampled", "infinite", "finite"}
        Whether rewards are drawn, or replaced by their expectation over groups of infinite size or of the bandit's
        own.

    Returns
    -------
    xarray.Dataset
        Dims (setting, seed, step). A row holds the state before its update. Where a batch serves K updates, its values
        are repeated K times.

        - ``expected_reward`` (reward): of the current policy.
        - ``reward`` (reward): mean of the batch.
        - ``reward_spread`` (reward): mean standard deviation within groups.
        - ``zero_spread_share`` (1): share of groups whose rewards are all equal.
        - ``entropy`` and ``kl`` (nat): of the current policy.

    Raises
    ------
    InputError
        For settings that cannot run side by side, and for expectations that have no closed form.

    Examples
    --------
    >>> from bayes_grpo.bandit import Bandit, trajectories
    >>> paths = trajectories(Bandit(steps=50), seeds=(0, 1, 2))
    >>> dict(paths.sizes)
    {'setting': 1, 'seed': 3, 'step': 50}
    """
    many = [bandits] if isinstance(bandits, Bandit) else list(bandits)
    structure, numbers = split(many)
    if groups != "sampled":
        if groups not in GROUPS:
            raise InputError("groups", f"expected sampled, {' or '.join(GROUPS)}, found {groups!r}")
        for bandit in many:
            check_groups(bandit, groups)
        seeds = seeds[:1]
    keys = jnp.stack([random.key(seed) for seed in seeds])
    rows = _program(structure, groups)(keys, numbers)
    dims = ("setting", "seed", "step")
    return xr.Dataset(
        {name: (dims, np.asarray(values), {"units": UNITS[name]}) for name, values in rows._asdict().items()},
        coords={"seed": list(seeds), "step": np.arange(1, many[0].steps + 1)},
        attrs={"groups": groups},
    )


def simulate(bandits: Bandit | Sequence[Bandit], seeds: Sequence[int] = (0,), *, groups: str = "sampled") -> xr.Dataset:
    """Simulate bandits as training runs, in the form that `bayes_grpo.read_run` gives.

    Parameters
    ----------
    bandits, seeds, groups
        As for `trajectories`.

    Returns
    -------
    xarray.Dataset
        Dims (run, step). A run has a row for each batch of rollouts, which is every ``refresh_interval`` steps. The
        expected reward, which no trainer could log, is the variable ``evaluation_reward``.

    Raises
    ------
    InputError
        As for `trajectories`, and if a run's rewards never vary.

    Examples
    --------
    >>> from bayes_grpo.bandit import Bandit, simulate
    >>> runs = simulate(Bandit(group_size=16, steps=60, learning_rate=0.3), seeds=(0, 1))
    >>> runs["run"].values.tolist()
    ['bandit-seed0', 'bandit-seed1']
    """
    many = [bandits] if isinstance(bandits, Bandit) else list(bandits)
    seen = trajectories(many, seeds, groups=groups)
    runs = []
    for i, bandit in enumerate(many):
        rows = slice(None, None, bandit.refresh_interval)
        known = {
            "group_size": bandit.group_size,
            "prompts_per_step": bandit.prompts_per_step,
            "momentum": bandit.momentum,
            "refresh_interval": bandit.refresh_interval,
            "logging_window": 1,
            "planned_steps": bandit.steps,
        }
        known |= {"reward_lower": 0, "reward_upper": 1} if bandit.binary else {}
        for j, seed in enumerate(seen["seed"].values):
            run = seen.isel(setting=i, seed=j, step=rows)
            columns = {name: run[name].values for name in UNITS if name != "expected_reward"}
            columns["optimizer_step"] = run["step"].values
            columns["learning_rate"] = bandit.learning_rate * bandit.rates()[rows]
            columns["evaluation_reward"] = run["expected_reward"].values
            name = f"bandit-{i}-seed{seed}" if len(many) > 1 else f"bandit-seed{seed}"
            runs.append(make_run(name, columns, known, spread="within_group", notes=[str(bandit)]))
    return combine(runs)


@lru_cache(maxsize=32)
def _program(structure: Structure, groups: str):  # type: ignore[no-untyped-def]
    def run(key: Array, numbers: Numbers) -> _Row:
        def step(state: _State, inputs: tuple[Array, Array]) -> tuple[_State, _Row]:
            index, rate = inputs
            rollout = index // numbers.refresh_interval
            fresh = index % numbers.refresh_interval == 0
            behaviour = jnp.where(fresh, state.theta, state.behaviour)
            probabilities = softmax(behaviour)
            # The same key draws the same rollouts again, so a reused batch need not be carried along.
            advantages, seen = _batch(random.fold_in(key, rollout), probabilities, numbers, structure, groups)
            ascent = direction(state.theta, behaviour, advantages, numbers, structure)
            log_pi = log_softmax(state.theta)
            pi = jnp.exp(log_pi)
            row = _Row(
                expected_reward=pi @ jnp.asarray(numbers.reward_mean),
                entropy=-pi @ log_pi,
                kl=pi @ (log_pi - log_softmax(jnp.asarray(numbers.reference))),
                **seen,
            )
            eta = jnp.asarray(numbers.learning_rate * rate)
            return _advance(state._replace(behaviour=behaviour), ascent, eta, index, numbers, structure), row

        start = jnp.asarray(numbers.initial, float)
        zero = jnp.zeros_like(start)
        indices = jnp.arange(numbers.rates.shape[0])
        _, rows = lax.scan(step, _State(start, start, zero, zero), (indices, jnp.asarray(numbers.rates)))
        return rows

    seeds = jax.vmap(run, in_axes=(0, None))
    return jax.jit(jax.vmap(seeds, in_axes=(None, 0)))


def _advance(state: _State, ascent: Array, eta: Array, index: Array, numbers: Numbers, structure: Structure) -> _State:
    beta1, beta2 = numbers.momentum, numbers.adam_beta2
    if structure.optimizer == "heavy_ball":
        update = beta1 * state.update + (1 - beta1) * eta * ascent
        return state._replace(theta=state.theta + update, update=update)
    first = beta1 * state.update + (1 - beta1) * ascent
    second = beta2 * state.second + (1 - beta2) * ascent**2
    count = index + 1.0
    mean, square = first / (1 - beta1**count), second / (1 - beta2**count)
    theta = state.theta + eta * mean / (jnp.sqrt(square) + _ADAM_EPSILON)
    return state._replace(theta=theta, update=first, second=second)


def _batch(
    key: Array, probabilities: Array, numbers: Numbers, structure: Structure, groups: str
) -> tuple[Advantages, dict[str, Array]]:
    """Advantages of a batch of rollouts for each arm, and what a trainer would log about the batch."""
    mean = jnp.asarray(numbers.reward_mean)
    if groups != "sampled":
        expected = probabilities @ mean
        variance = mean * (1 - mean) if structure.binary else jnp.asarray(numbers.reward_sd) ** 2
        spread = jnp.sqrt(probabilities @ ((mean - expected) ** 2 + variance))
        seen = {"reward": expected, "reward_spread": spread, "zero_spread_share": jnp.zeros(())}
        return mean_advantages(probabilities, numbers, structure, groups), seen
    arm, reward = _draw(key, probabilities, numbers, structure)
    counted = (jnp.arange(structure.most_prompts)[:, None] < numbers.prompts) & (
        jnp.arange(structure.most_group) < numbers.group_size
    )
    reward = jnp.where(counted, reward, 0.0)
    size = numbers.group_size * numbers.prompts
    centred = jnp.where(counted, reward - reward.sum(-1, keepdims=True) / numbers.group_size, 0.0)
    within = jnp.sqrt((centred**2).sum(-1, keepdims=True) / (numbers.group_size - 1))
    flat = jnp.abs(centred).max(-1, keepdims=True) < 1e-12
    batch_mean = reward.sum() / size
    if structure.normalisation == "group":
        scale = jnp.where(flat, 1.0, within)
    elif structure.normalisation == "batch":
        deviation = jnp.sqrt(jnp.where(counted, (reward - batch_mean) ** 2, 0.0).sum() / (size - 1))
        scale = jnp.where(deviation > 0, deviation, 1.0)
    else:
        scale = jnp.ones(())
    advantage = centred / scale / size
    chosen = arm[..., None] == jnp.arange(len(mean))
    positive = jnp.where(chosen, jnp.maximum(advantage, 0.0)[..., None], 0.0).sum((0, 1))
    negative = jnp.where(chosen, jnp.minimum(advantage, 0.0)[..., None], 0.0).sum((0, 1))
    real = counted[:, :1]
    seen = {
        "reward": batch_mean,
        "reward_spread": jnp.where(real, within, 0.0).sum() / numbers.prompts,
        "zero_spread_share": (flat & real).sum() / numbers.prompts,
    }
    return Advantages(positive, negative), seen


def _draw(key: Array, probabilities: Array, numbers: Numbers, structure: Structure) -> tuple[Array, Array]:
    """Arms and rewards of all groups, each of shape (prompts, group)."""
    shape = (structure.most_prompts, structure.most_group)
    mean = jnp.asarray(numbers.reward_mean)
    if structure.binary:
        # One uniform number gives arm and reward: each arm's interval is split at its success probability.
        cells = jnp.stack([probabilities * mean, probabilities * (1 - mean)], axis=-1).reshape(-1)
        uniform = random.uniform(key, shape, dtype=jnp.float32)
        cell = (uniform[..., None] >= jnp.cumsum(cells)[:-1]).sum(-1)
        return cell // 2, (cell % 2 == 0).astype(float)
    key_arm, key_reward = random.split(key)
    uniform = random.uniform(key_arm, shape, dtype=jnp.float32)
    arm = (uniform[..., None] >= jnp.cumsum(probabilities)[:-1]).sum(-1)
    noise = random.normal(key_reward, shape)
    return arm, mean[arm] + jnp.asarray(numbers.reward_sd)[arm] * noise
