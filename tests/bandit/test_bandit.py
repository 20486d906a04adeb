"""The bandit's closed forms against brute-force simulation; statistical tests state their false-alarm rate."""

import itertools
import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.nn import softmax

from bayes_grpo import InputError
from bayes_grpo.bandit import Bandit, linearise, simulate, trajectories
from bayes_grpo.bandit.drift import mean_direction
from bayes_grpo.bandit.setting import Numbers, split
from bayes_grpo.laws.finite_groups import NORMALISATIONS, drive, finite_group_factor
from bayes_grpo.laws.stability import oscillation_onset, refresh_threshold


def near(bandit: Bandit, distance: float = 0.01) -> tuple[float, ...]:
    logits = linearise(bandit).logits
    return (float(logits[0]) + distance, *map(float, logits[1:]))


def enumerated_direction(bandit: Bandit, theta: np.ndarray) -> np.ndarray:
    """Expected GRPO direction of one group, from every possible outcome of its G completions."""
    pi, n = np.asarray(softmax(theta)), len(theta)
    total = np.zeros(n)
    outcomes = [(arm, reward) for arm in range(n) for reward in (0.0, 1.0)]
    chances = [pi[a] * (bandit.reward_mean[a] if r else 1 - bandit.reward_mean[a]) for a, r in outcomes]
    for group in itertools.product(range(len(outcomes)), repeat=bandit.group_size):
        rewards = np.array([outcomes[i][1] for i in group])
        spread = rewards.std(ddof=1)
        scale = {"none": 1.0, "group": spread, "batch": spread}[bandit.normalisation]
        if spread == 0:
            continue
        scores = np.array([np.eye(n)[outcomes[i][0]] - pi for i in group])
        total += math.prod(chances[i] for i in group) * ((rewards - rewards.mean()) / scale) @ scores / len(group)
    log_ratio = np.log(pi) - np.log(softmax(np.array(bandit.reference)))
    return total - bandit.kl * pi * (log_ratio - pi @ log_ratio)


@pytest.mark.parametrize("normalisation", NORMALISATIONS)
def test_finite_drift_equals_enumeration_of_all_groups(normalisation: str) -> None:
    bandit = Bandit(reward_mean=(0.9, 0.4, 0.1), reference=(0.3, 0.0, -0.1), group_size=4, normalisation=normalisation)
    structure, stacked = split([bandit])
    numbers = Numbers(*(field[0] for field in stacked))
    theta = np.array([0.2, -0.4, 0.5])
    ours = mean_direction(theta, theta, numbers, structure, "finite")
    np.testing.assert_allclose(ours, enumerated_direction(bandit, theta), rtol=1e-10)


def test_batch_drive_of_many_prompts_equals_enumeration() -> None:
    p, group, prompts = 0.3, 3, 2
    expected = 0.0
    for outcome in itertools.product((0.0, 1.0), repeat=group * prompts):
        rewards = np.array(outcome).reshape(prompts, group)
        deviation = rewards.std(ddof=1)
        if deviation:
            chance = p ** rewards.sum() * (1 - p) ** (rewards.size - rewards.sum())
            share = rewards.mean(1)
            expected += chance * (share * (1 - share)).mean() / deviation
    ours = drive(jnp.asarray(p), jnp.asarray(float(group)), jnp.asarray(float(prompts)), "batch", 5, 4)
    assert float(ours) == pytest.approx(expected, rel=1e-12)


def test_finite_group_factor_has_the_known_values() -> None:
    np.testing.assert_allclose(finite_group_factor(0.1, [4, 8, 16, 64]), [0.51, 0.70, 0.85, 0.98], atol=0.005)
    np.testing.assert_allclose(finite_group_factor(0.5, [4, 16]), [0.81, 0.97], atol=0.005)
    assert float(finite_group_factor(0.0, 8)) == 0.0
    slope = (finite_group_factor(0.3 + 1e-6, 8) - finite_group_factor(0.3 - 1e-6, 8)) / 2e-6
    assert float(jax.grad(lambda p: finite_group_factor(p, 8.0, 8))(0.3)) == pytest.approx(float(slope), rel=1e-6)


def test_stiffness_of_two_arms_has_its_closed_form() -> None:
    """Without normalisation theta* = 1 / kl and k = 2 eta kl p (1 - p): two logits move apart twice as fast as one."""
    bandit = Bandit(kl=0.4, learning_rate=0.03)
    found = linearise(bandit)
    p = 1 / (1 + np.exp(-1 / 0.4))
    assert found.expected_reward == pytest.approx(p, rel=1e-12)
    assert found.stiffness == pytest.approx([2 * 0.03 * 0.4 * p * (1 - p)], rel=1e-10)


@pytest.mark.parametrize("normalisation", NORMALISATIONS)
def test_the_softest_mode_relaxes_at_its_stiffness(normalisation: str) -> None:
    """Five arms, Gaussian rewards: a policy off its fixed point comes back along the softest mode in the end."""
    means, sds = (1.0, 0.6, 0.3, 0.1, -0.5), (0.2, 0.5, 0.3, 0.4, 0.1)
    base = Bandit(
        reward_mean=means, reward_sd=sds, kl=1.0, normalisation=normalisation, momentum=0.0, learning_rate=0.03
    )
    found = linearise(base)
    assert found.stiffness.shape == (4,) and (np.diff(found.stiffness) >= 0).all()
    start = found.logits + np.array([0.02, -0.01, -0.01, 0.03, -0.03])
    steps = int(10 / found.stiffness[0])
    pushed = Bandit(**{**vars(base), "initial": tuple(start), "steps": steps})
    path = trajectories(pushed, groups="infinite").expected_reward.values[0, 0]
    late = np.abs(path[steps // 2 :] - found.expected_reward)
    rate = -np.polyfit(np.arange(late.size), np.log(late), 1)[0]
    assert rate == pytest.approx(found.stiffness[0], rel=0.01)


@pytest.mark.parametrize("momentum", [0.5, 0.9])
def test_rings_exactly_above_the_onset(momentum: float) -> None:
    onset = float(oscillation_onset(momentum))
    for factor, rings in ((0.97, False), (1.1, True)):
        unit = linearise(Bandit(kl=0.5, learning_rate=1.0)).stiffness[0]
        bandit = Bandit(kl=0.5, learning_rate=factor * onset / unit, momentum=momentum, steps=4000)
        bandit = Bandit(**{**vars(bandit), "initial": near(bandit, 1e-4)})
        path = trajectories(bandit, groups="infinite").expected_reward.values[0, 0]
        deviation = path - linearise(bandit).expected_reward
        assert (deviation.min() < -1e-7 * deviation[0]) == rings


@pytest.mark.parametrize("momentum", [0.0, 0.5, 0.9])
def test_refresh_threshold_of_a_frozen_gradient(momentum: float) -> None:
    """Mean-field runs at one interval below and at the predicted threshold, k = 0.00998: 201, 203, 219."""
    unit = linearise(Bandit(kl=0.5, learning_rate=1.0)).stiffness[0]
    base = Bandit(kl=0.5, learning_rate=0.00998 / unit, momentum=momentum)
    found = linearise(base)
    assert found.stiffness[0] == pytest.approx(0.00998, rel=1e-9)
    assert found.lag_share == pytest.approx([1.0])
    threshold = int(refresh_threshold(found.stiffness[0], momentum))
    assert threshold == {0.0: 201, 0.5: 203, 0.9: 219}[momentum]
    intervals = (threshold - 1, threshold)
    runs = [
        Bandit(**{**vars(base), "refresh_interval": interval, "initial": near(base), "steps": 60 * threshold})
        for interval in intervals
    ]
    deviation = trajectories(runs, groups="infinite").expected_reward.values[:, 0] - found.expected_reward
    grew = [abs(d[50 * k]) > abs(d[10 * k]) for d, k in zip(deviation, intervals, strict=True)]
    assert grew == [False, True]


@pytest.mark.parametrize("staleness", ["weighted", "clipped"])
def test_exact_importance_weights_have_no_threshold(staleness: str) -> None:
    """Without normalisation the re-weighted mean gradient is the current policy's: lag share 0, stable at any K."""
    base = Bandit(kl=0.5, learning_rate=0.1, staleness=staleness, refresh_interval=2000, steps=20_000)
    found = linearise(base)
    assert found.lag_share == pytest.approx([0.0], abs=1e-12)
    assert np.isinf(refresh_threshold(found.stiffness[0], 0.9, found.lag_share[0], limit=3000))
    start = Bandit(**{**vars(base), "initial": near(base)})
    path = trajectories(start, groups="infinite").expected_reward.values[0, 0]
    assert abs(path[-1] - found.expected_reward) < 1e-3 * abs(path[0] - found.expected_reward)


def test_clipping_holds_back_what_weights_let_through() -> None:
    """From far away a clipped batch moves the policy until its ratios leave the range, an unclipped one to the end."""
    reached = {}
    for staleness in ("weighted", "clipped"):
        bandit = Bandit(kl=0.5, staleness=staleness, refresh_interval=400, steps=400, momentum=0.0, clip=0.2)
        reached[staleness] = trajectories(bandit, groups="infinite").expected_reward.values[0, 0, -1]
    assert reached["weighted"] > 0.85
    assert 0.5 < reached["clipped"] < 0.5 * 1.2 + 0.02


@pytest.mark.parametrize(("normalisation", "kl"), [("none", 0.5), ("group", 2.0)])
def test_stationary_variance_falls_as_the_temperature_says(normalisation: str, kl: float) -> None:
    """Var x = T / (2 G k) at every group size; 200 seeds have a relative standard error below 2 %, the test allows 6 %.

    False-alarm rate below 0.3 % (three standard errors; curvature of the reward adds up to 1 %).
    """
    sizes = (2, 8, 32)
    bandits = [Bandit(group_size=g, kl=kl, normalisation=normalisation, learning_rate=0.05, steps=3000) for g in sizes]
    seen = trajectories(bandits, range(200)).expected_reward.values[:, :, 1000:]
    for bandit, path in zip(bandits, seen, strict=True):
        truth = linearise(bandit, "finite")
        predicted = truth.temperature / bandit.group_size / (2 * truth.stiffness[0])
        assert path.var() == pytest.approx(predicted, rel=0.06)
        standard_error = path.mean(1).std() / np.sqrt(len(path))
        assert abs(path.mean() - truth.expected_reward) < 4 * standard_error + 1e-3


def test_leading_temperature_is_the_limit_of_large_groups() -> None:
    for normalisation in ("none", "group"):
        bandit = Bandit(
            reward_mean=(0.8, 0.5, 0.2), kl=1.5, normalisation=normalisation, group_size=2000, reference=(0.1, 0, 0)
        )
        assert linearise(bandit, "finite").temperature == pytest.approx(linearise(bandit).temperature, rel=0.01)


def test_mean_trajectory_departs_by_the_finite_group_factor() -> None:
    """At low success the mean of 300 sampled runs follows the exact finite-group drift, and not the leading order.

    The mean is compared at 6 times; 5 standard errors plus 0.002 for the reward's curvature: false alarms below 1e-5.
    """
    base = {"initial": (-3.0, 0.0), "kl": 0.0, "normalisation": "group", "prompts_per_step": 16}
    bandits = [Bandit(group_size=g, learning_rate=0.05, steps=240, **base) for g in (4, 16)]
    sampled = trajectories(bandits, range(300)).expected_reward.values
    finite = trajectories(bandits, groups="finite").expected_reward.values[:, 0]
    infinite = trajectories(bandits, groups="infinite").expected_reward.values[:, 0]
    np.testing.assert_allclose(infinite[0], infinite[1])
    for row, exact, leading in zip(sampled, finite, infinite, strict=True):
        error = row.std(0) / np.sqrt(len(row))
        for t in range(40, 240, 40):
            assert abs(row[:, t].mean() - exact[t]) < 5 * error[t] + 0.002
        assert np.abs(row.mean(0) - leading).max() > 0.1


def test_seeds_and_settings_run_side_by_side_as_they_do_alone() -> None:
    bandits = [Bandit(group_size=g, learning_rate=r, steps=50) for g, r in ((4, 0.1), (16, 0.3))]
    together = trajectories(bandits, (3, 5))
    alone = trajectories(bandits[1], (5,))
    assert together.sizes == {"setting": 2, "seed": 2, "step": 50}
    np.testing.assert_allclose(together.reward.values[1, 1], alone.reward.values[0, 0])
    assert not np.allclose(together.reward.values[1, 0], together.reward.values[1, 1])


def test_adam_learns_and_gaussian_rewards_are_drawn() -> None:
    bandit = Bandit(
        reward_mean=(2.0, 0.0), reward_sd=(0.5, 1.0), optimizer="adam", learning_rate=0.02, kl=0.0, schedule="cosine"
    )
    run = simulate(bandit, (0,))
    assert float(run["evaluation_reward"][0, -1]) > 1.9
    assert float(run["learning_rate"][0, -1]) < 1e-4
    assert "reward_lower" not in run and run["reward_spread"].attrs["spread"] == "within_group"
    assert float(run["reward"].std()) > 0.1


def test_a_reused_batch_is_one_row() -> None:
    run = simulate(Bandit(refresh_interval=4, steps=42), (0,))
    np.testing.assert_array_equal(run["optimizer_step"].values[0], np.arange(1, 43, 4))
    assert float(run["refresh_interval"][0]) == 4


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"group_size": 1}, "group_size"),
        ({"refresh_interval": 0}, "refresh_interval"),
        ({"momentum": 1}, "momentum"),
        ({"kl": -0.1}, "kl"),
        ({"reward_mean": (1.5, 0.0)}, "probabilities"),
        ({"reward_mean": (0.5, 0.5)}, "arms that differ"),
        ({"reward_mean": (0.5,)}, "two arms"),
        ({"initial": (0.0, 0.0, 0.0)}, "one an arm"),
        ({"reward_sd": (-1.0, 1.0)}, "reward_sd"),
        ({"steps": True}, "steps"),
        ({"learning_rate": math.nan}, "learning_rate"),
        ({"optimizer": "sgd"}, "heavy_ball, adam"),
    ],
)
def test_impossible_settings_are_refused(changes: dict, words: str) -> None:
    with pytest.raises(InputError, match=words):
        Bandit(**changes)


def test_all_faults_at_once() -> None:
    with pytest.raises(InputError) as caught:
        Bandit(group_size=1, refresh_interval=0, momentum=1.0, kl=-1.0, reward_mean=(2.0, 0.0))
    assert len(caught.value.faults) == 5


def test_what_has_no_closed_form_is_refused() -> None:
    with pytest.raises(InputError, match="raise kl"):
        linearise(Bandit(kl=0.0))
    with pytest.raises(InputError, match="raise kl"):
        linearise(Bandit(kl=0.5, normalisation="group"))
    with pytest.raises(InputError, match="Adam"):
        linearise(Bandit(optimizer="adam"))
    gaussian = Bandit(reward_mean=(1.0, 0.0), reward_sd=(1.0, 1.0), normalisation="group")
    with pytest.raises(InputError, match="no closed form"):
        trajectories(gaussian, groups="finite")
    with pytest.raises(InputError, match="simulate them apart"):
        trajectories([Bandit(steps=5), Bandit(steps=6)])
