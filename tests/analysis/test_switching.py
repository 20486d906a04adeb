"""The switching filter: exact where it can be, and right about simulated regimes."""

import numpy as np
import pytest

from bayes_grpo.analysis.switching import Rates, Regimes, Switching, follow, paths, regimes_of, start, transitions

NEVER = Switching(gain=1.0, scatter=0.1, rates=Rates(1e-15, 1e-15, 30.0))
MODEL = Switching(gain=0.5, scatter=0.05, rates=Rates(0.002, 0.002, 20.0))


def test_without_switches_it_is_a_kalman_filter() -> None:
    """The level given all rewards, by dense linear algebra: a random walk of 0.05 scatters a step, and white noise."""
    rewards = 0.3 + 0.1 * np.random.default_rng(0).standard_normal(20)
    now = start(0.3, 0.04)
    for reward in rewards:
        now = follow(now, NEVER, 2.0, float(reward))
    level = 0.04 + 2 * (0.05 * 0.1) ** 2 * np.minimum.outer(np.arange(1, 21), np.arange(1, 21))
    weights = np.linalg.solve(level + 0.1**2 * np.eye(20), level[:, -1])
    assert now.mean[0] == pytest.approx(0.3 + weights @ (rewards - 0.3))
    assert now.variance[0] == pytest.approx(level[-1, -1] - weights @ level[:, -1])
    assert now.probability[0] == pytest.approx(1.0)


def test_one_row_is_bayes_rule_over_the_regimes() -> None:
    """After one row from a steady start: prior times normal density, by hand."""
    now = follow(start(0.7, 0.001), MODEL, 3.0, 0.6)
    prior = transitions(MODEL, 3.0)[0]
    mean = 0.7 + 0.5 / 20 * 3 * np.array([0, 1, -1])
    moving = (0.5 * 0.5) ** 2 / 20 * 3 * np.array([0, 1, 1])
    total = 0.001 + (0.05 * 0.05) ** 2 * 3 + moving + 0.05**2
    density = prior * np.exp(-((0.6 - mean) ** 2) / (2 * total)) / np.sqrt(total)
    assert np.allclose(now.probability, density / density.sum())


@pytest.mark.parametrize("gap", [1.0, 50.0, 1e3, 1e6])
def test_transitions_are_probabilities_over_any_gap(gap: float) -> None:
    """A jump or a collapse begins first, each at 0.002 a step."""
    found = transitions(MODEL, gap)
    assert (found >= 0).all() and found.sum(axis=1) == pytest.approx(np.ones(3))
    assert found[0, 1:] == pytest.approx(0.5 * -np.expm1(-0.004 * gap))


def test_probabilities_of_a_collapse_are_calibrated() -> None:
    """300 logs of its own model: of the rows called collapsing with 0.4 to 0.9, as many are, within 0.1.

    Rows of a log depend on each other; the tolerance is four standard errors of about 100 independent rows.
    """
    said, was = [], []
    for seed in range(300):
        rng = np.random.default_rng(seed)
        regime, level, now = 0, 0.5, start(0.5, 1e-6)
        for _ in range(80):
            regime = int(rng.choice(3, p=transitions(MODEL, 1.0)[regime]))
            drift = 0.5 / 20 * (0, 1, -1)[regime]
            sd = 0.0025 if regime == 0 else np.hypot(0.0025, 0.25 / np.sqrt(20))
            level += drift + sd * rng.standard_normal()
            now = follow(now, MODEL, 1.0, level + 0.05 * rng.standard_normal())
            said.append(now.probability[2])
            was.append(regime == 2)
    said, was = np.array(said), np.array(was)
    unsure = (said > 0.4) & (said < 0.9)
    assert unsure.sum() > 300 and abs(said[unsure].mean() - was[unsure].mean()) < 0.1


def test_paths_go_on_in_the_regime_that_they_begin_in() -> None:
    """From a certain jump, the mean rise over a long horizon is the gain: 0.5, within 4.5 standard errors of 4,000."""
    now = Regimes(np.array([0.0, 1.0, 0.0]), np.full(3, 0.2), np.full(3, 1e-9))
    quiet = Switching(0.5, 0.05, Rates(1e-12, 1e-12, 20.0))
    ends = paths(now, quiet, np.ones(300), 4000, np.random.default_rng(1))[:, -1]
    # A regime that ends after each row with probability 1 - exp(-1 / 20) moves for 19.5 rows after the present one.
    expected = 0.2 + 0.5 / 20 * np.exp(-1 / 20) / -np.expm1(-1 / 20)
    assert abs(ends.mean() - expected) < 4.5 * ends.std() / np.sqrt(4000)


def test_a_log_is_filtered_from_its_last_rows_alone() -> None:
    """300 rows: what the first 90 are in does not matter, as far as gain and scatter are the same."""
    rng = np.random.default_rng(2)
    rewards = 0.5 + 0.05 * rng.standard_normal(300)
    other = np.concatenate([rewards[:90][::-1], rewards[90:]])
    other[89:91] = rewards[89:91]
    (model, now), (again, same) = (regimes_of(np.arange(300.0), part, 0.3, MODEL.rates) for part in (rewards, other))
    assert model.gain == again.gain == 0.3
    assert np.allclose(now.probability, same.probability, rtol=0.02)
    assert now.probability[0] > 0.9 and now.mean[0] == pytest.approx(0.5, abs=0.03)


def test_rows_that_count_tokens_make_no_infinite_numbers() -> None:
    """Steps of 131,072 tokens a row; warnings are errors."""
    steps = 131_072.0 * np.arange(1, 201)
    rewards = 0.5 + 0.1 * np.random.default_rng(0).standard_normal(200)
    _, now = regimes_of(steps, rewards, 0.3, Rates(0.002, 0.002, 20.0))
    assert all(np.isfinite(part).all() for part in now) and now.probability.sum() == pytest.approx(1.0)
