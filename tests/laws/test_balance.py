"""The balance law's fixed point against brute force: sampled groups on a softmax of answers."""

import numpy as np
import pytest

from bayes_grpo.bandit import Bandit, linearise
from bayes_grpo.laws.balance import balance_drive, fixed_point

START, WRONG, RIGHT, KL = 1 / 11, 0.2, 0.8, 0.4


def sampled_drive(p: float, group_size: int, groups: int, rng: np.random.Generator) -> tuple[float, float]:
    """Mean push on logit p of groups of sampled answers, and its standard error: advantages times the score's odds."""
    right = rng.random((groups, group_size)) < p
    reward = (rng.random(right.shape) < np.where(right, RIGHT, WRONG)).astype(float)
    spread = reward.std(1, ddof=1, keepdims=True)
    advantage = np.where(spread > 0, (reward - reward.mean(1, keepdims=True)) / np.where(spread > 0, spread, 1), 0)
    push = (advantage * (right / p - ~right / (1 - p))).mean(1)
    return float(push.mean()), float(push.std() / groups**0.5)


@pytest.mark.parametrize("group_size", [2, 4, 8, 16])
def test_drive_and_pull_balance_in_sampled_groups(group_size: int) -> None:
    """At the fixed point the sampled drive equals the pull within 4 standard errors (false alarms: 1 in 4,000)."""
    p = float(fixed_point(KL, group_size, START, WRONG, RIGHT))
    push, error = sampled_drive(p, group_size, 200_000, np.random.default_rng(group_size))
    pull = KL * (np.log(p / (1 - p)) - np.log(START / (1 - START)))
    assert abs(push - pull) < 4 * error
    assert push == pytest.approx(
        float(balance_drive(WRONG + (RIGHT - WRONG) * p, group_size, RIGHT - WRONG)), abs=4 * error
    )


@pytest.mark.parametrize("group_size", [2, 4, 8, 16, 32])
def test_fixed_point_is_that_of_the_bandit(group_size: int) -> None:
    """The bandit's drift, which knows every arm, has the same root."""
    bandit = Bandit(reward_mean=(RIGHT, *[WRONG] * 10), kl=KL, normalisation="group", group_size=group_size)
    reward = WRONG + (RIGHT - WRONG) * float(fixed_point(KL, group_size, START, WRONG, RIGHT))
    assert reward == pytest.approx(linearise(bandit, "finite").expected_reward, abs=1e-5)


def test_without_a_pull_there_is_a_ceiling() -> None:
    assert float(fixed_point(0.0, 8, START, WRONG, RIGHT)) == 1.0
    slight = np.asarray(fixed_point([2.0, 0.4, 0.1], 8, START, WRONG, RIGHT))
    assert (np.diff(slight) > 0).all() and slight[-1] > 0.999


def test_without_a_deviation_the_fixed_point_is_a_straight_line_in_the_logit() -> None:
    p = float(fixed_point(KL, 8, START, WRONG, RIGHT, normalisation="none"))
    rise = np.log(p / (1 - p)) - np.log(START / (1 - START))
    assert rise == pytest.approx((RIGHT - WRONG) * (1 - 1 / 8) / KL)


def test_all_drive_clipped_leaves_the_start() -> None:
    assert float(fixed_point(KL, 8, START, WRONG, RIGHT, clipped=1.0)) == pytest.approx(START, abs=1e-6)
