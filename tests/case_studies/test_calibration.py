"""The walkers with which importance sampling is compared have the right distribution, and the comparison says so."""

import emcee
import numpy as np
import pytest

from bayes_grpo import example_run, load_model
from bayes_grpo.inference.layout import prepare
from benchmarks.curves.series import Series
from case_studies.calibration import agreement, ensemble

SERIES = Series("bundled", "bundled", "training", example_run())
#: Walkers and iterations of these tests.
FEW = {"WALKERS": 256, "WARM_UP": 100, "KEPT": 300}


@pytest.fixture
def few(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in FEW.items():
        monkeypatch.setattr(ensemble, name, value)


def test_the_moves_leave_a_normal_density_as_it_is() -> None:
    """Within 5 standard errors, and within 1 % of its standard deviation; the snooker move that is left out fails."""
    found = {}
    for name, moves in (("ours", ensemble.MOVES), ("snooker", emcee.moves.DESnookerMove())):
        walk = emcee.EnsembleSampler(512, 6, lambda x: -0.5 * (x * x).sum(axis=1), moves=moves, vectorize=True)
        walk.random_state = np.random.RandomState(1).get_state()
        walk.run_mcmc(np.random.default_rng(1).standard_normal((512, 6)), 400)
        found[name] = walk.get_chain()[100:]
    below = (found["ours"] < -1.645).mean(axis=(0, 2)).reshape(16, -1).mean(axis=1)
    assert abs(below.mean() - 0.05) < 5 * below.std(ddof=1) / 4
    assert abs(found["ours"].std() - 1) < 0.01
    assert found["snooker"].std() < 0.9


@pytest.mark.usefixtures("few")
def test_walkers_from_the_prior_agree_with_importance_sampling() -> None:
    """Ten limits of five parameters, each within 5 standard errors, from 16 groups (false alarms: 1 in 600)."""
    row = agreement.compared(SERIES, "overdamped", "ensemble")
    errors = np.array(list(row["in_errors"].values()))
    assert row["trusted"] and row["settled"]
    assert errors.shape == (5, 2) and np.abs(errors).max() < 5
    assert all(abs(share - 0.05) < 0.03 for share, _ in row["share_below"].values())


@pytest.mark.usefixtures("few")
def test_a_posterior_that_was_moved_is_found_out(monkeypatch: pytest.MonkeyPatch) -> None:
    """With 0.05 added to the rewards of the walkers their start is far off, and their stiffness is not."""
    run = example_run()
    shifted = run.assign(reward=run["reward"] + 0.05)
    spec = load_model("overdamped")
    other = ensemble.draw_ensemble(spec, prepare(shifted, spec).data, seed=2)
    monkeypatch.setattr(agreement, "draw_ensemble", lambda *_, **__: other)
    row = agreement.compared(SERIES, "overdamped", "ensemble")
    assert max(map(abs, row["in_errors"]["initial_reward"])) > 8
    assert max(map(abs, row["in_errors"]["stiffness"])) < 8
