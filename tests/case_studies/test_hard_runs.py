import numpy as np
import pytest

from case_studies.calibration.hard_runs import KINDS, report, sampled, simulated


@pytest.mark.parametrize("kind", KINDS)
def test_simulated_runs_are_of_their_kind_and_of_their_seed(kind):
    run, again, other = simulated(kind, 1), simulated(kind, 1), simulated(kind, 2)
    reward = run["reward"].values[0]
    assert reward.size == KINDS[kind][0] and reward.min() >= 0 and reward.max() <= 1
    assert np.array_equal(reward, again["reward"].values[0])
    assert not np.array_equal(reward, other["reward"].values[0])
    third = reward.size // 3
    rise = reward[third : 2 * third].mean() - reward[:2].mean()
    if kind == "collapsed":
        assert reward[-3:].mean() < reward.max() / 3
    elif kind == "flat":
        assert abs(rise) < 0.15
    elif kind != "noisy":
        assert rise > 0


def test_a_fit_is_counted_by_the_limits_that_it_breaks():
    row = {"model": "exponential", "kind": "12 rows", "label": "0", **sampled(simulated("12 rows", 0), "exponential")}
    assert row["broken"] == [] and row["khat"] < 0.7 and row["seconds"] > 0
    broken = row | {"kind": "flat", "broken": ["khat", "disagreement"]}
    last = report([row, broken]).splitlines()[-1]
    assert last.startswith("| all | 1 of 1 | 0 of 1 | 1 of 2 | 1, 0, 1, 0 |")
