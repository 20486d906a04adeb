"""Remedies: each change, made in the law itself, brings what was asked; what cannot be seen is not called ringing."""

import json
from pathlib import Path

import numpy as np
import pytest
import xarray as xr
from scipy.integrate import solve_ivp

from bayes_grpo import InputError, make_run, remedy, save_fit, summarise_oscillation, summarise_remedy
from bayes_grpo import oscillation as oscillation_of
from bayes_grpo.analysis.decisions.remedy.remedy import damping_ratio_of
from bayes_grpo.analysis.stability.dynamics import overshoot_of
from bayes_grpo.analysis.stability.table import oscillation_table
from bayes_grpo.inference.fit import light_fit
from bayes_grpo.laws.oscillator import closed_form_mass, second_order
from tests.common import FACTS, call, curve


def overshoot_by_integration(mass: float, damping: float, stiffness: float) -> float:
    """How far a response from rest goes beyond its level, as a share of the way."""
    end = 40 * np.pi * np.sqrt(mass / stiffness)
    path = solve_ivp(
        lambda _, y: [y[1], (-damping * y[1] - stiffness * (y[0] - 1)) / mass], (0, end), [0, 0], max_step=end / 4000
    )
    return float(path.y[0].max() - 1)


@pytest.mark.parametrize("ratio", [0.2, 0.5, 0.9])
def test_overshoot_against_integration(ratio: float) -> None:
    mass, stiffness = 9.5, 0.05
    damping = 2 * ratio * np.sqrt(mass * stiffness)
    found = overshoot_by_integration(mass, damping, stiffness)
    assert float(overshoot_of(np.array(ratio))) == pytest.approx(found, abs=2e-3)
    assert damping_ratio_of(float(overshoot_of(np.array(ratio)))) == pytest.approx(ratio)


@pytest.fixture(scope="module")
def ringing() -> xr.DataTree:
    """A run that overshoots by 40 % of the way, with a known momentum."""
    time = np.arange(120)
    mass, damping, stiffness = 9.5, 0.35, 0.1
    path = solve_ivp(
        lambda _, y: [y[1], (-damping * y[1] - stiffness * (y[0] - 0.6)) / mass], (0, 119), [0.2, 0], t_eval=time
    )
    rewards = path.y[0] + 0.02 * np.random.default_rng(0).normal(size=120)
    facts = FACTS | {"planned_steps": 120, "refresh_interval": 4}
    return light_fit(make_run("ringing", {"optimizer_step": time + 1, "reward": rewards}, facts), "oscillator")


def test_a_ringing_run_gets_changes_that_end_it(ringing: xr.DataTree) -> None:
    result = remedy(ringing, overshoot=0.1)
    summary = summarise_remedy(result)
    assert summary["probability_overshoot"] > 0.95
    posterior = ringing["posterior"].to_dataset().stack(sample=("chain", "draw"))
    rows = np.unique(np.linspace(0, posterior.sizes["sample"] - 1, 1000).round().astype(int))
    for i in (0, 300, 700):
        k, c = (float(posterior[name][rows[i]]) for name in ("stiffness", "damping"))
        if float(result["overshoot"][i]) == np.inf:
            continue
        assert float(result["overshoot"][i]) == pytest.approx(overshoot_by_integration(9.5, c, k), abs=5e-3)
        slower = k * float(result["ring_learning_rate"][i])
        assert overshoot_by_integration(9.5, c, slower) == pytest.approx(0.1, abs=5e-3)
        momentum = float(result["ring_momentum"][i])
        if momentum > 0:
            assert overshoot_by_integration(closed_form_mass(momentum), c, k) == pytest.approx(0.1, abs=5e-3)
    changes = [row["change"] for row in summary["remedies"] if row["against"] == "ringing"]
    assert changes == ["learning rate, times", "momentum", "refresh interval"]
    (rate,) = [row for row in summary["remedies"] if row["change"] == "learning rate, times"][:1]
    assert float((result["ring_learning_rate"] >= rate["sufficient"]).mean()) == pytest.approx(0.9, abs=0.01)
    assert rate["cost"] == f"{1 / rate['sufficient']:.2g} times the steps"
    assert "Against ringing: learning rate, times" in summary["statement"]


def test_the_fluctuation_falls_to_what_was_asked(ringing: xr.DataTree) -> None:
    """The stationary variance of the law's exact transition, stiffness times f, noise times f squared."""
    result = remedy(ringing, fluctuation=1e-4)
    posterior = ringing["posterior"].to_dataset().stack(sample=("chain", "draw"))
    rows = np.unique(np.linspace(0, posterior.sizes["sample"] - 1, 1000).round().astype(int))
    for i in (10, 500):
        k, c = (float(posterior[name][rows[i]]) for name in ("stiffness", "damping"))
        if c <= 0.05:
            continue
        intensity = 2 * c * k * float(result["fluctuation"][i]) ** 2
        factor = float(result["noise_learning_rate"][i])
        slower = second_order(1e9, 9.5, c, k * factor, intensity * factor**2)
        assert np.sqrt(float(slower.q11)) == pytest.approx(1e-4, rel=1e-3)
        larger = second_order(1e6, 9.5, c, k, intensity / float(result["noise_batch"][i]))
        assert np.sqrt(float(larger.q11)) == pytest.approx(1e-4, rel=1e-3)
    assert (result["noise_batch"] >= 1).all() and (remedy(ringing, fluctuation=10.0)["noise_batch"] == 1).all()


def test_what_cannot_be_seen_is_not_called_ringing() -> None:
    """A smooth rise whose momentum is assumed: a damping ratio just below 1 overshoots by nothing that anyone sees."""
    bare = {name: value for name, value in FACTS.items() if name != "momentum"}
    run = make_run("smooth", {"optimizer_step": np.arange(1, 61), "reward": curve()}, bare)
    fit = light_fit(run, "oscillator")
    summary = summarise_oscillation(oscillation_of(fit), fit)
    assert summary["probability_visible"] < summary["probability_oscillatory"]
    share = (oscillation_of(fit)["overshoot"] >= 0.05).mean()
    assert summary["probability_visible"] == pytest.approx(float(share))
    text = " ".join(oscillation_table(summary).split())
    assert text.startswith("It rings visibly, beyond its plateau by 5% of the way or more, with probability")
    assert text.index("It rings visibly") < text.index("P(rings)")
    assert "a momentum that is assumed" in text
    stated = remedy(fit)
    assert summarise_remedy(stated)["probability_overshoot"] == pytest.approx(summary["probability_visible"], abs=0.03)


def test_nothing_to_remedy_and_laws_that_cannot_ring(small_fit: xr.DataTree) -> None:
    summary = summarise_remedy(remedy(small_fit, fluctuation=0.5))
    assert summary["remedies"] == [] and "Nothing needs a remedy" in summary["statement"]
    assert any(note["subject"] == "mass" for note in summary["notes"])
    with pytest.raises(InputError) as error:
        remedy(small_fit, overshoot=2, fluctuation=-1)
    assert "overshoot: expected a share" in str(error.value) and "fluctuation: expected" in str(error.value)


def test_the_command(tmp_path: Path, ringing: xr.DataTree) -> None:
    save_fit(ringing, tmp_path / "fit.nc")
    done = call("remedy", tmp_path / "fit.nc", "--overshoot", "0.1", "--json")
    summary = json.loads(done.stdout)
    assert summary["remedies"] and summary["statement"]
    shown = call("remedy", tmp_path / "fit.nc", "--fluctuation", "0.001", columns=80)
    assert "not known:" in shown.stdout and max(map(len, shown.stdout.splitlines())) <= 80
    assert "…" not in shown.stdout
    wrong = call("remedy", tmp_path / "fit.nc", "--overshoot", "much")
    assert wrong.returncode == 2 and "--overshoot: expected a number" in wrong.stderr
