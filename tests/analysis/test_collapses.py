"""Collapses and recoveries: counts become a rate with its interval, and a collapsed run is told it."""

from pathlib import Path

import numpy as np
import pytest
from scipy.stats import beta

from bayes_grpo import diagnose, make_run, summarise_diagnosis
from bayes_grpo.analysis.collapses import collapse_of, new_rate, recovery, recovery_text
from bayes_grpo.analysis.diagnosis.table import diagnosis_table
from bayes_grpo.errors import InputError
from case_studies.forecast.recovery import fate_of
from tests.common import curve


def test_the_rate_of_a_new_repository_is_that_of_simulated_ones() -> None:
    """Simulate the prior, keep what matches the counts exactly: mean within 4.5 standard errors, ends within 0.03."""
    rng = np.random.default_rng(0)
    runs, events = np.array([3, 4]), np.array([1, 0])
    mean, concentration = rng.uniform(size=400_000), np.exp(rng.uniform(0, np.log(100), 400_000))
    rates = rng.beta(mean * concentration, (1 - mean) * concentration, (3, mean.size))
    same = (rng.binomial(runs[:, None], rates[:2]) == events[:, None]).all(0)
    kept = rates[2][same]
    probability, lower, upper = new_rate(events, runs)
    assert abs(probability - kept.mean()) < 4.5 * kept.std() / np.sqrt(kept.size)
    assert np.allclose((lower, upper), np.quantile(kept, (0.05, 0.95)), atol=0.03)


def test_many_runs_of_many_repositories_leave_little_doubt() -> None:
    """40 repositories of 50 runs at 0.3: the interval is that of their scatter, beta with a concentration of 100."""
    probability, lower, upper = new_rate(np.full(40, 15), np.full(40, 50))
    assert probability == pytest.approx(0.3, abs=0.01)
    assert np.allclose((lower, upper), beta(30, 70).ppf((0.05, 0.95)), atol=0.03)


def test_a_run_that_takes_back_its_loss_recovers() -> None:
    """A fall by 0.4 of a gain of 0.5 at row 150; back at row 180 or not at all, or a log that ends with the fall."""
    rng = np.random.default_rng(1)
    steps = np.arange(300.0)
    for back, rows, expected in (
        (180, 300, (True, True, True)),
        (400, 300, (False, False, False)),
        (180, 220, (True, True, True)),
    ):
        fallen = (steps >= 150) & (steps < back)
        rewards = 0.2 + 0.5 * (1 - np.exp(-steps / 15)) - 0.4 * fallen + 0.01 * rng.standard_normal(300)
        fate = fate_of(steps[:rows], rewards[:rows])
        assert fate is not None and tuple(fate) == expected
    assert fate_of(steps[:156], rewards[:156]) is None  # nobody knows what became of it
    assert fate_of(steps[:150], rewards[:150]) is None  # it did not collapse


def test_a_loss_of_less_than_half_the_gain_is_no_collapse() -> None:
    """The gain is 1 and the noise 0.01, so that every loss here is seen for certain."""
    rise, noise = np.linspace(0, 1, 60), 0.01 * np.random.default_rng(0).standard_normal(100)
    lost = {loss: collapse_of(np.concatenate([rise, np.full(40, 1 - loss)]) + noise) for loss in (0.2, 0.4, 0.6, 0.9)}
    assert [loss for loss, collapse in lost.items() if collapse is not None] == [0.6, 0.9]
    assert lost[0.9] is not None and lost[0.9].level == pytest.approx(0.1, abs=0.01)


def test_counts_that_make_no_sense_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "counts.toml"
    path.write_text('[repositories]\na = { runs = 2, recovered = 3, kept = 0 }\nb = { runs = "x" }\n', encoding="utf-8")
    with pytest.raises(InputError) as error:
        recovery(path)
    assert len(error.value.faults) == 2 and "repositories.a" in error.value.faults[0]


def test_a_diagnosis_of_a_collapse_says_how_often_runs_recover() -> None:
    rng = np.random.default_rng(2)
    steps = np.arange(1, 201)
    fallen = np.where(steps <= 130, curve(200), 0.2) + 0.02 * rng.standard_normal(200)
    summary = summarise_diagnosis(diagnose(make_run("fallen", {"optimizer_step": steps, "reward": fallen})))
    assert summary["recovery"] == recovery() and recovery()["runs"] == 16
    assert "takes back more than half of its loss within 100 steps" in " ".join(diagnosis_table(summary).split())
    healthy = summarise_diagnosis(diagnose(make_run("healthy", {"optimizer_step": steps, "reward": curve(200)})))
    assert healthy["recovery"] is None and collapse_of(curve(200)) is None
    assert f"{recovery()['probability']:.2f}" in recovery_text(recovery())
