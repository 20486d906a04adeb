"""Simulated falls: what the tests that are compared see, and how it is counted."""

import numpy as np
import pytest

from case_studies.alarms.delays import FALLS, ROWS, TESTS, Run, falling_trend, level_shift, seen, simulated


@pytest.mark.parametrize("kind", FALLS)
def test_runs_fall_where_they_say(kind: str) -> None:
    """A third of the runs each has another noise; means of ten rows have a standard error of about 0.02."""
    for seed in range(3):
        run = simulated(kind, seed)
        before, end = run.rewards[run.switch - 10 : run.switch].mean(), run.rewards[-10:].mean()
        assert 60 <= run.switch < 100 and run.rewards.size == ROWS
        assert before - end == pytest.approx(0.5 * FALLS[kind][0], abs=0.12)
        assert run.third == ROWS if kind == "healthy" else run.switch <= run.third < run.switch + 25


def test_each_statistic_stands_out_after_a_fall_and_knows_the_past_alone() -> None:
    run = simulated("drop", 0)
    other = np.concatenate([run.rewards[:80], run.rewards[80:][::-1]])
    for name, test in TESTS.items():
        statistic = test(run.rewards)
        assert statistic[run.switch + 15] > 2 * statistic[run.switch - 2] and statistic[run.switch + 15] > 2.5, name
        np.testing.assert_array_equal(statistic[:80], test(other)[:80])


def test_statistics_are_the_textbooks() -> None:
    """By hand: ten falling rewards have 45 pairs in order, and a step of six scatters is one."""
    falling = np.concatenate([np.zeros(10), -np.arange(10.0)])
    assert falling_trend(falling)[-1] == pytest.approx(45 / np.sqrt(10 * 9 * 25 / 18))
    noise = np.tile([0.1, -0.1, 0.0, 0.05, -0.05], 12)
    assert level_shift(noise)[-1] < 2 < level_shift(noise - 2.0 * (np.arange(60) >= 30))[-1]


def test_an_alarm_before_the_switch_is_none() -> None:
    statistics = [np.array(values) for values in ([0, 5, 0, 0, 0.0], [0, 0, 0, 5, 0.0], [0, 0, 0, 0, 5.0], np.zeros(5))]
    runs = [Run(np.zeros(5), 2, 4)] * 4
    found = seen(statistics, runs, 1.0)
    assert (found.before, found.after, found.early, found.delay) == (0.25, 0.5, 0.25, 1.5)
