"""The mixture of laws: shares from the horizon, paths in their proportion, and faults of its file."""

import json
from pathlib import Path

import numpy as np
import pytest
import xarray as xr

from bayes_grpo import InputError, forecast, load_model, summarise_forecast
from bayes_grpo.analysis.forecast.mixture import PERSISTENCE, Member, Mixture, fit_members, load_mixture, mix_paths
from bayes_grpo.inference.sampler_settings import Sampler

TWO = Mixture({"overdamped": Member(1.0, 0.5), "sigmoid": Member(-1.0, 0.0)}, "two laws", "a test", "a test")


def test_shares_follow_the_horizon() -> None:
    """By hand: scores 0, 1 + 0.5 log 2 and -1 where twice as much is to come as was logged."""
    shares = TWO.shares(2.0)
    scores = np.array([0.0, 1 + 0.5 * np.log(2), -1.0])
    np.testing.assert_allclose(list(shares.values()), np.exp(scores) / np.exp(scores).sum(), rtol=1e-12)
    assert list(shares) == [PERSISTENCE, "overdamped", "sigmoid"]
    assert TWO.shares(4.0)["overdamped"] > shares["overdamped"]


def test_paths_are_mixed_in_proportion(small_run: xr.Dataset) -> None:
    fits = fit_members(small_run, TWO.specs, Sampler("importance", draws=100, chains=2))
    steps = np.arange(61.0, 121.0)
    shares = {PERSISTENCE: 0.255, "overdamped": 0.5, "sigmoid": 0.245}
    paths = mix_paths(fits, shares, steps, np.ones(60), 0, 200)
    names, counts = np.unique(paths["component"], return_counts=True)
    assert dict(zip(names, counts, strict=True)) == {"overdamped": 100, PERSISTENCE: 51, "sigmoid": 49}
    assert paths["reward"].shape == (200, 60)
    stays = paths["component"] == PERSISTENCE
    assert (np.ptp(paths["trend"][stays], axis=1) == 0).all()
    assert (np.ptp(paths["expected_reward"][stays], axis=1) > 0).all()
    # A curve without noise of its own is what its paths are.
    np.testing.assert_array_equal(
        *(paths[name][paths["component"] == "sigmoid"] for name in ("trend", "expected_reward"))
    )


def test_a_log_is_forecast_by_the_mixture(small_run: xr.Dataset) -> None:
    """All members have a part, the same seed gives the same paths, and the numbers are those of the paths."""
    result, again = (forecast(small_run, 120) for _ in range(2))
    xr.testing.assert_identical(result, again)
    shares = json.loads(result.attrs["shares"])
    assert list(shares) == [PERSISTENCE, *load_mixture().members]
    assert sum(shares.values()) == pytest.approx(1, abs=1e-3)
    assert result.attrs["persistence"] == pytest.approx(shares[PERSISTENCE], abs=1e-4)
    summary = summarise_forecast(result)
    known = result["plateau"].values[np.isfinite(result["plateau"].values)]
    assert 0 < known.size < 1000
    assert summary["plateau"]["median"] == pytest.approx(np.median(known))
    assert summary["shares"] == shares and summary["model"] == "mixture"
    assert 0 <= summary["mean"]["lower"][-1] < 0.7 < summary["mean"]["upper"][-1] <= 1


def test_persistence_can_be_overruled(small_run: xr.Dataset) -> None:
    result = forecast(small_run, 120, persistence=1.0)
    assert set(result["component"].values) == {PERSISTENCE}
    none = forecast(small_run, 120, persistence=0.0)
    assert PERSISTENCE not in none["component"].values


def test_one_law_can_be_named(small_run: xr.Dataset) -> None:
    result = forecast(small_run, 120, model="overdamped")
    assert result.attrs["model"] == "overdamped" and set(result["component"].values) == {"overdamped"}
    with pytest.raises(InputError, match="pools over runs"):
        forecast(small_run, 120, model="pooled")
    with pytest.raises(InputError, match="after the last logged one"):
        forecast(small_run, 10)


def test_every_member_is_a_model_that_comes_along() -> None:
    mixture = load_mixture()
    assert mixture.source and mixture.reason
    for name in mixture.members:
        assert not load_model(name).pooled


def test_faults_of_a_mixture_are_said_at_once(tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    text = 'summary = "x"\nreason = "x"\n[members.sigmoid]\nintercept = "a"\nslope = 1\n'
    path.write_text(text)
    with pytest.raises(InputError) as raised:
        load_mixture(path)
    assert len(raised.value.faults) == 2
    assert "source" in raised.value.faults[0] and "members.sigmoid" in raised.value.faults[1]
