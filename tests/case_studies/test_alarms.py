"""Simulated falls: what the tests that are compared see, and how it is counted."""

import numpy as np
import pytest

from bayes_grpo.analysis.alarms import boundary_for
from case_studies.alarms.delays import FALLS, ROWS, TESTS, Run, falling_trend, level_shift, seen, simulated
from tests.common import curve


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
        highest = statistic[run.switch : run.switch + 16].max()
        assert highest > 2.5 and highest > 2 * statistic[run.switch - 2], name
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


def test_a_level_that_wanders_is_taken_for_a_fall_less_often_than_by_a_cusum() -> None:
    """60 runs whose level wanders slowly by half of its scatter; boundaries of 0.3 alarms per 1,000 healthy rows each.

    The CUSUM alarms 25 of them or so; half as many would differ by chance once in a thousand times.
    """
    alarmed = {"bayes_grpo": 0, "CUSUM of falls": 0}
    boundaries = {"bayes_grpo": boundary_for(0.3), "CUSUM of falls": (1.432 - np.log(0.3)) / 0.2149}
    for seed in range(60):
        rng, away = np.random.default_rng(seed), np.zeros(200)
        for row in range(1, 200):
            away[row] = 0.97 * away[row - 1] + 0.006 * rng.standard_normal()
        for name in alarmed:
            alarmed[name] += bool(TESTS[name](curve(200, seed) + away).max() > boundaries[name])
    assert alarmed["bayes_grpo"] <= 0.6 * alarmed["CUSUM of falls"]
