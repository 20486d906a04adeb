"""The benchmark of forecasts: scores are the textbook's, nothing sees the future, and it is resumed."""

import json
from pathlib import Path

import numpy as np
import pytest
from scipy.stats import norm

from bayes_grpo.runs.dataset import make_run
from benchmarks.curves.contract import ORIGINS, Case, Forecast, cut, named
from benchmarks.curves.laws import law, mixture
from benchmarks.curves.leaderboard import figure, leaderboard
from benchmarks.curves.peers import drift, exponential, fracast, last_mean, sigmoid
from benchmarks.curves.runner import rows_of, run
from benchmarks.curves.scores import block_means, crps, mixed_density, predicted, scored
from benchmarks.curves.series import Series, all_series
from tests.common import FACTS, PUBLIC, curve


def _series(rewards: np.ndarray, label: str = "a", kind: str = "training, 0 to 1") -> Series:
    rows = {"optimizer_step": np.arange(rewards.size), "reward": rewards}
    return Series(label, label, kind, make_run(label, rows, FACTS))


def test_scores_are_the_textbooks() -> None:
    """CRPS of a normal (Gneiting and Raftery 2007) from quantiles of it, and block means."""
    draws = norm.ppf((np.arange(4000) + 0.5) / 4000)[:, None] * np.array([1.0, 2.0])
    truth = np.array([0.3, -1.0])
    z = truth / np.array([1.0, 2.0])
    expected = np.array([1.0, 2.0]) * (z * (2 * norm.cdf(z) - 1) + 2 * norm.pdf(z) - 1 / np.sqrt(np.pi))
    np.testing.assert_allclose(crps(draws, truth), expected, atol=2e-3)
    np.testing.assert_allclose(block_means(np.arange(10.0)), [0.5, 2.5, 4.5, 6.5, 8.5])
    np.testing.assert_allclose(mixed_density(np.zeros((3, 2)), np.ones((3, 1)), truth), norm.logpdf(truth))


def test_a_calibrated_forecast_is_scored_so() -> None:
    """Rewards that scatter about a known level by a known noise, 40 times five blocks.

    The share inside 90 % intervals is off by at most 4 standard errors of 200 blocks, 0.085: a false alarm in 16,000
    seeds. The log score is the negative entropy of a normal.
    """
    rng, noise, rows = np.random.default_rng(0), 0.1, 50
    inside, log_scores = [], []
    for seed in range(40):
        truth = 0.5 + noise * rng.standard_normal(rows)
        row = scored(predicted(Forecast(np.full((400, rows), 0.5), noise), truth, seed), truth, noise)
        inside.append(row["cover_90%"])
        log_scores.append(row["log_score"])
    assert abs(np.mean(inside) - 0.9) < 0.085
    assert abs(np.mean(log_scores) + 0.5 * np.log(2 * np.pi * np.e)) < 4 * np.sqrt(0.5 / (40 * rows))


def test_the_zero_shot_peer_goes_on_with_a_level() -> None:
    """A level with noise 0.02: its forecast of rows beyond the model's 48 stays within three times that."""
    pytest.importorskip("fracast", reason="fracast is no dependency")
    case, _ = cut(_series(0.4 + 0.02 * np.random.default_rng(0).standard_normal(200)), 0.5)
    forecast = fracast()(case)
    assert forecast.expected.shape[1] == case.ahead.size > 48
    assert np.abs(np.median(forecast.expected, 0) - 0.4).max() < 0.06 and 0 < forecast.noise < 0.1


@pytest.mark.parametrize("peer", [last_mean, drift, exponential, sigmoid])
def test_peers_find_a_curve_of_their_kind(peer) -> None:
    steps = np.arange(1.0, 201.0)
    rng = np.random.default_rng(1)
    curves = {
        last_mean: 0 * steps + 0.4,
        drift: 0.2 + 0.001 * steps,
        exponential: 0.7 - 0.5 * np.exp(-steps / 40),
        sigmoid: 0.2 + 0.5 / (1 + (40 / steps) ** 2),
    }
    rewards = curves[peer] + 0.02 * rng.standard_normal(200)
    past = make_run("a", {"optimizer_step": steps[:120], "reward": rewards[:120]}).isel(run=0)
    forecast = peer(Case(past, steps[120:], np.ones(80), 0.0, 1.0, "a", 0))
    said, wanted = predicted(forecast, rewards[120:], 0).blocks, block_means(curves[peer][120:])
    # Within 4 of the peer's own standard deviations, which are themselves small.
    assert (np.abs(said.mean(0) - wanted) < 4 * said.std(0)).all()
    assert said.std(0).max() < 0.05


@pytest.mark.parametrize("forecaster", [law("power_law"), mixture(), exponential], ids=["law", "mixture", "peer"])
def test_nothing_sees_the_future(forecaster) -> None:
    """The rewards after the origin in another order give the same case and the same forecast, bit for bit."""
    rewards = curve()
    other = rewards.copy()
    other[30:] = rewards[30:][::-1]
    (case, truth), (again, later) = (cut(_series(values), 0.5) for values in (rewards, other))
    assert not np.array_equal(truth, later)
    forecast, repeated = forecaster(case), forecaster(again)
    np.testing.assert_array_equal(forecast.expected, repeated.expected)
    np.testing.assert_array_equal(forecast.noise, repeated.noise)


def _fails(case: Case) -> Forecast:
    raise ValueError("not today")


def test_a_benchmark_is_resumed_and_reported(tmp_path: Path) -> None:
    """A second call adds only what is missing; a forecaster that fails is counted; the tables name every set."""
    series = [_series(curve(seed=seed), f"repository{seed}") for seed in range(2)]
    run(series[:1], {"last mean": last_mean}, tmp_path)
    first = (tmp_path / "scores.jsonl").read_text(encoding="utf-8")
    (tmp_path / "scores.jsonl").write_text(first + '{"label": "cut o', encoding="utf-8")
    assert len(rows_of(tmp_path / "scores.jsonl")) == len(ORIGINS)
    (tmp_path / "scores.jsonl").write_text(first, encoding="utf-8")
    name, mine = named("benchmarks.curves.peers:drift")
    run(series, {"last mean": last_mean, name: mine, "mine": exponential}, tmp_path, keep_draws=True)
    rows = rows_of(tmp_path / "scores.jsonl")
    assert (tmp_path / "scores.jsonl").read_text(encoding="utf-8").startswith(first)
    assert len(rows) == 2 * len(ORIGINS) * 3
    assert {(row["label"], row["origin"], row["forecaster"]) for row in rows} == {
        (each.label, origin, key) for each in series for origin in ORIGINS for key in ("last mean", "drift", "mine")
    }
    # 40 of the 60 steps are left after a third.
    assert rows[0]["remaining_over_logged"] == pytest.approx((59 - 11) / 11)
    text = leaderboard(rows)
    assert "| mine / best peer |" in text and "| worst |" in text and "2 series; left out" in text
    figure(rows, tmp_path / "board.png", ["mine", "drift"])
    assert (tmp_path / "board.png").stat().st_size > 5000
    run(series[:1], {"broken": _fails}, tmp_path)
    failed = rows_of(tmp_path / "scores.jsonl")[-1]
    assert failed["failed"] == "ValueError: not today" and "crps_blocks" not in failed
    assert "a forecaster failed: 8" in leaderboard([*rows, *rows_of(tmp_path / "scores.jsonl")[len(rows) :]])


def test_the_command_scores_a_run_of_the_laboratory(tmp_path: Path, monkeypatch, capsys) -> None:
    from benchmarks.curves import __main__ as command

    arguments = [
        "curves",
        "--no-mixture",
        "--out",
        str(tmp_path),
        "--limit",
        "1",
        "--no-peers",
        "--models",
        "power_law",
    ]
    monkeypatch.setattr("sys.argv", [*arguments, "--forecaster", "benchmarks.curves.peers:last_mean"])
    command.main()
    rows = [json.loads(line) for line in (tmp_path / "scores.jsonl").read_text(encoding="utf-8").splitlines()]
    assert {row["forecaster"] for row in rows} == {"power_law", "last_mean"}
    assert all(0 < row["crps_blocks"] < 3 and np.isfinite(row["log_evidence"]) for row in rows[::2])
    assert "1 series" in capsys.readouterr().out


@pytest.mark.skipif(not PUBLIC.exists(), reason=f"no public runs at {PUBLIC}")
def test_series_are_of_every_kind_and_once() -> None:
    series = list(all_series(PUBLIC))
    kinds = {each.kind for each in series}
    assert kinds == {"training, 0 to 1", "training, other scale", "evaluation", "laboratory"}
    assert len({each.run["reward"].values.tobytes() for each in series}) == len(series)
    assert len({each.label for each in series}) == len(series)
