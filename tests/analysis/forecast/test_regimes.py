"""Jumps and collapses: what counts as one, and probabilities that follow from the log alone."""

import numpy as np
import pytest
from scipy.special import expit

from bayes_grpo.analysis.forecast.regimes import chances, covariates, happened, state_of
from case_studies.forecast import regimes
from tests.common import curve


def test_a_change_counts_from_half_of_the_gain() -> None:
    """A run that has risen by 0.4 with noise of 0.01: 0.3 more is a jump, 0.3 less a collapse, 0.1 neither."""
    rng = np.random.default_rng(0)
    past = np.linspace(0.2, 0.6, 100) + 0.01 * rng.standard_normal(100)
    state = state_of(past, 0.5)
    assert state.level == pytest.approx(0.58, abs=0.01) and state.gain == pytest.approx(0.36, abs=0.02)
    assert state.momentum == 6  # it rises by many standard errors
    for change, events in ((0.3, (True, False)), (-0.3, (False, True)), (0.1, (False, False)), (-0.1, (False, False))):
        assert happened(state, 0.58 + change + 0.01 * rng.standard_normal(50)) == events


def test_noise_is_no_change() -> None:
    """100 flat runs: a mean over a window is beyond four standard errors of a difference in fewer than 5 of them."""
    rng = np.random.default_rng(1)
    events = [happened(state_of(rng.standard_normal(60), 0.5), rng.standard_normal(40)) for _ in range(100)]
    assert sum(map(any, events)) < 5


def test_probabilities_follow_the_file() -> None:
    steps, rewards = np.arange(1.0, 61.0), curve(60)
    early, late = (chances(steps, rewards, seen) for seen in (0.2, 0.9))
    values = covariates(state_of(rewards, 0.2), np.array(list(early.regime.values())))
    assert early.jump == pytest.approx(expit(np.dot((-0.09, -1.95, -0.02, 1.28), values)))
    assert late.jump < early.jump and late.collapse == early.collapse == pytest.approx(expit(-3.79))


def test_a_jump_that_has_begun_makes_one_probable() -> None:
    """A level with noise of 0.02 that begins to rise by 0.01 a row: ten rows later a jump is twice as probable."""
    noise = 0.02 * np.random.default_rng(3).standard_normal(120)
    level = 0.3 + 0.2 * (1 - np.exp(-np.arange(120) / 10))
    still, rising = level + noise, level + noise + np.clip(0.01 * (np.arange(120) - 110), 0, None)
    before, begun = (chances(np.arange(120.0), rewards, 0.5) for rewards in (still, rising))
    assert begun.jump > 2 * before.jump and begun.regime["jump"] > 0.5 > before.regime["jump"]


def test_coefficients_are_recovered() -> None:
    """4,000 rows of a known law: each coefficient within 4.5 of its standard errors, about 0.15."""
    rng = np.random.default_rng(2)
    covariates = np.column_stack([np.ones(4000), rng.uniform(0.2, 0.9, 4000), rng.normal(size=4000)])
    truth = np.array([-1.0, -2.0, 0.6])
    event = (rng.uniform(size=4000) < expit(covariates @ truth)).astype(float)
    learned = regimes.learn(covariates, event, np.ones(4000))
    information = covariates.T @ (covariates * (expit(covariates @ truth) * expit(-covariates @ truth))[:, None])
    assert (np.abs(learned - truth) < 4.5 * np.sqrt(np.diag(np.linalg.inv(information)))).all()
