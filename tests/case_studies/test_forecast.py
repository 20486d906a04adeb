"""The forecast case study in small: the population is recovered, scores are the textbook's, peers and benchmark run."""

import json
import sys
from pathlib import Path

import numpy as np
import pytest
from scipy.stats import norm

from case_studies.forecast import benchmark, population
from case_studies.forecast.peers import Case, drift, exponential, last_mean, sigmoid
from case_studies.forecast.report import report
from case_studies.forecast.scores import block_means, crps, mixed_density


def test_the_population_is_recovered_from_interim_posteriors() -> None:
    """80 runs from a known population, each known up to a normal error: location and scale within 4.5 standard errors.

    Eight statistics; the scale of a Student t of 4 degrees has error about 1.1 / sqrt(2 n) here: a false alarm at 1
    seed in 10,000 at most.
    """
    rng = np.random.default_rng(0)
    location, scale = np.array([0.2, 1.6, -1.0, -3.0]), np.array([0.15, 1.0, 0.8, 0.6])
    rows, count = [], 80
    for i in range(count):
        truth = location + scale * rng.standard_t(4, 4)
        error = 0.3 * scale
        seen = truth + error * rng.standard_normal(4)
        pairs = np.array(list(population.INTERIM.values()))
        # The posterior under the interim prior, in closed form.
        precision = 1 / error**2 + 1 / pairs[:, 1] ** 2
        mean = (seen / error**2 + pairs[:, 0] / pairs[:, 1] ** 2) / precision
        draws = mean + rng.standard_normal((400, 4)) / np.sqrt(precision)
        rows.append({"repository": f"r{i % 4}", "draws": draws.tolist()})
    found = np.array(list(population.learn(rows).values()))
    spread = scale * np.sqrt(1 + 0.3**2)
    assert (np.abs(found[:, 0] - location) < 4.5 * 1.2 * spread / np.sqrt(count)).all()
    assert (np.abs(found[:, 1] / scale - 1) < 4.5 * 1.1 / np.sqrt(2 * count)).all()


def test_scores_are_the_textbooks() -> None:
    """CRPS of a normal (Gneiting and Raftery 2007) from quantiles of it, and block means."""
    draws = norm.ppf((np.arange(4000) + 0.5) / 4000)[:, None] * np.array([1.0, 2.0])
    truth = np.array([0.3, -1.0])
    z = truth / np.array([1.0, 2.0])
    expected = np.array([1.0, 2.0]) * (z * (2 * norm.cdf(z) - 1) + 2 * norm.pdf(z) - 1 / np.sqrt(np.pi))
    np.testing.assert_allclose(crps(draws, truth), expected, atol=2e-3)
    np.testing.assert_allclose(block_means(np.arange(10.0)), [0.5, 2.5, 4.5, 6.5, 8.5])
    np.testing.assert_allclose(mixed_density(np.zeros((3, 2)), np.ones((3, 1)), truth), norm.logpdf(truth))


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
    truth = curves[peer]
    rewards = truth + 0.02 * rng.standard_normal(200)
    found = peer(Case(steps[:120], rewards[:120], steps[120:], rewards[120:], 0.0, 1.0, 0))
    wanted = block_means(truth[120:])
    # Within 4 of the peer's own standard deviations, which are themselves small.
    assert (np.abs(found.blocks.mean(0) - wanted) < 4 * found.blocks.std(0)).all()
    assert found.blocks.std(0).max() < 0.05 and np.isfinite(found.log_density).all()


def test_the_benchmark_runs_on_the_laboratory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One run from fitting to its scores, with few draws, from two origins for which the same programs serve."""
    place = Path(benchmark.__file__).parent
    monkeypatch.chdir(place)
    few = ["--limit", "1", "--draws", "50", "--tune", "100"]
    monkeypatch.setattr(sys, "argv", ["population.py", "--out", str(tmp_path / "fits"), *few])
    monkeypatch.setattr(benchmark, "ORIGINS", (0.2, 0.3))
    population.main()
    scores = tmp_path / "scores.jsonl"
    arguments = ["benchmark.py", "--population", str(tmp_path / "fits"), "--out", str(scores), *few]
    monkeypatch.setattr(sys, "argv", arguments)
    benchmark.main()
    rows = [json.loads(line) for line in scores.read_text(encoding="utf-8").splitlines()]
    assert [row["origin"] for row in rows] == [0.2, 0.3]
    for row in rows:
        assert 0 < row["ours"]["0.0"]["crps_blocks"] < 3 and 0 <= row["ours"]["1.0"]["cover_90%"] <= 1
        assert {"last mean", "exponential", "celerite2 SHO"} <= set(row["peers"])


def test_the_report_chooses_weights_without_the_repository(tmp_path: Path) -> None:
    """Two repositories where the law is right and one where nothing moves: each gets the weight the others favour."""
    score = {"crps_blocks": 0.0, "cover_90%": 0.9, "cover_50%": 0.5, "crps_rewards": 0.1, "log_score": -1.0}
    score |= {"error_last_fifth": 0.1, "pit": [0.5] * 5}
    worse = score | {"crps_blocks": 0.6}
    rows = []
    for repository, best in (("a", 0.0), ("b", 0.0), ("still", 1.0)):
        for origin in (0.2, 0.3, 0.5, 0.7):
            ours = {str(w): score | {"crps_blocks": abs(w - best)} for w in (0.0, 0.5, 1.0)}
            row = {
                "label": repository,
                "repository": repository,
                "origin": origin,
                "ours": ours,
                "said": "",
                "seconds": 1.0,
            }
            rows.append(row | {"share": 1 / origin - 1, "peers": {"last mean": worse, "exponential": worse}})
    path = tmp_path / "scores.jsonl"
    path.write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")
    text = report(path)
    assert "## all: 3 runs" in text and (tmp_path / "coverage.png").stat().st_size > 5000
    line = next(line for line in text.splitlines() if line.startswith("| population |"))
    # a and b each learn from one still and one moving repository, still learns from two that move: never its own
    # answer.
    assert float(line.split("|")[2]) > 0.3
