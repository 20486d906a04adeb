"""Choosing a checkpoint: probabilities that hold, and evaluations spent where they matter."""

import json
from pathlib import Path

import numpy as np
import pytest
import xarray as xr

from bayes_grpo import InputError, checkpoint, make_run, plot_checkpoint, prior_predictive, summarise_checkpoint
from bayes_grpo.analysis.decisions.checkpoint.curve import Gaussian, given, next_to_evaluate
from tests.common import FACTS, call, curve

STEPS = np.arange(1, 61)
#: Simulated runs of the tests of calibration and of regret.
RUNS = 30


def hump(seed: int) -> np.ndarray:
    """An expected reward that rises to 0.6 until step 25 and then falls to 0.4."""
    return 0.6 - 0.4 * np.exp(-STEPS / 6) - 0.2 / (1 + np.exp(-(STEPS - 38) / 4))


def run_of(rewards: np.ndarray, **columns: np.ndarray) -> xr.Dataset:
    return make_run("run", {"optimizer_step": STEPS, "reward": rewards, **columns}, FACTS)


@pytest.fixture(scope="module")
def fallen() -> xr.Dataset:
    rewards = hump(0) + 0.03 * np.random.default_rng(0).normal(size=60)
    return run_of(rewards)


def test_the_peak_before_a_fall_is_found(fallen: xr.Dataset) -> None:
    """The expected reward is highest at step 27; it is 0.15 lower at the end, many standard errors."""
    summary = summarise_checkpoint(checkpoint(fallen, every=5))
    assert 15 <= summary["best"] <= 35 and summary["peak_inside"] > 0.99
    rows = {row["step"]: row for row in summary["checkpoints"]}
    assert list(rows) == list(np.arange(5.0, 61.0, 5.0))
    assert sum(row["probability_best"] for row in rows.values()) == pytest.approx(1)
    assert rows[60]["probability_within"] < 0.01 and rows[60]["expected_loss"] == pytest.approx(0.2, abs=0.06)
    assert rows[60]["largest_loss"] > rows[60]["expected_loss"]
    kept = sum(rows[step]["probability_best"] for step in summary["keep"])
    assert kept == pytest.approx(summary["probability_kept"]) and kept >= 0.9
    assert any(note["subject"] == "evaluation_reward" for note in summary["notes"])


def test_probabilities_of_the_best_hold_on_simulated_runs() -> None:
    """Runs drawn from the model's own prior: the likeliest checkpoint is the best as often as its probability says.

    A standard normal score beyond 3.3 has 1 seed in 1,000; the same of being within the margin.
    """
    template = run_of(curve())
    drawn = prior_predictive(template, "population", draws=RUNS, seed=3)
    scores = {"best": [0.0, 0.0], "within": [0.0, 0.0]}
    for i in range(RUNS):
        run = template.assign(reward=(("run", "step"), drawn["reward"].values[i][None]))
        summary = summarise_checkpoint(checkpoint(run, every=6, seed=i), margin=0.02)
        truth = drawn["expected_reward"].values[i][np.arange(5, 60, 6)]
        place = [row["step"] for row in summary["checkpoints"]].index(summary["best"])
        hits = {"best": truth.argmax() == place, "within": truth.max() - truth[place] < 0.02}
        for name, hit in hits.items():
            p = summary[f"probability_{name}"]
            scores[name][0] += hit - p
            scores[name][1] += p * (1 - p)
    for gap, variance in scores.values():
        assert abs(gap) < 3.3 * np.sqrt(variance)


def test_four_evaluations_are_nearly_as_good_as_all() -> None:
    """Runs whose evaluation drifts from the training reward by 0.03: regret of four chosen evaluations and of others.

    Of 30 runs. Noise of an evaluation 0.02, so that evaluating all twelve has a regret too.
    """
    rng, places = np.random.default_rng(2), np.arange(4, 60, 5)
    regret: dict[str, list[float]] = {"chosen": [], "all": [], "last": [], "even": []}
    for i in range(RUNS):
        expected = hump(i) if i % 2 else 0.6 - 0.4 * np.exp(-STEPS / 12)
        covariance = 0.03**2 * np.exp(-np.abs(STEPS[:, None] - STEPS) / 30)
        truth = expected - 0.1 + rng.multivariate_normal(np.zeros(60), covariance)
        seen = truth[places] + 0.02 * rng.normal(size=places.size)
        run = run_of(expected + 0.04 * rng.normal(size=60))
        first = checkpoint(run, every=5, noise=0.02, evaluate=4, seed=i)
        values = {float(step): float(seen[int(step) // 5 - 1]) for step in first["next_step"].values}
        after = summarise_checkpoint(checkpoint(run, every=5, noise=0.02, evaluated=values, seed=i))
        best = truth[places].max()
        regret["chosen"].append(best - truth[int(after["best"]) - 1])
        regret["all"].append(best - truth[places][seen.argmax()])
        regret["last"].append(best - truth[-1])
        even = np.array([2, 5, 8, 11])
        regret["even"].append(best - truth[places][even[seen[even].argmax()]])
    means = {name: float(np.mean(values)) for name, values in regret.items()}
    assert means["chosen"] < means["even"] < means["last"]
    assert means["chosen"] < means["all"] + 0.01


def test_the_next_evaluation_is_where_one_can_win() -> None:
    """Of a known good checkpoint, an uncertain one as good, and a known bad one, only the second tells anything."""
    known = Gaussian(np.array([0.6, 0.6, 0.2]), np.diag([1e-6, 0.05**2, 1e-6]))
    assert next_to_evaluate(known, np.zeros(3, bool), 1, 0.01, np.random.default_rng(0)) == [1]
    done = np.array([False, True, False])
    assert next_to_evaluate(known, done, 2, 0.01, np.random.default_rng(0)) in ([0, 2], [2, 0])
    # Of two that move together one is enough: the third, which moves alone, comes next.
    together = Gaussian(np.full(3, 0.5), 0.05**2 * np.array([[1, 0.999, 0], [0.999, 1, 0], [0, 0, 1]]))
    chosen = next_to_evaluate(together, np.zeros(3, bool), 2, 1e-4, np.random.default_rng(0))
    assert 2 in chosen and len(chosen) == 2


def test_evaluations_condition_the_curve_as_a_regression_does() -> None:
    """Against the precision form of the same posterior."""
    rng = np.random.default_rng(0)
    root = rng.normal(size=(4, 4))
    before = Gaussian(rng.normal(size=4), root @ root.T + np.eye(4))
    after = given(before, np.array([1, 3]), np.array([0.3, -0.2]), np.array([0.1, 0.2]))
    weight = np.zeros((4, 4))
    weight[1, 1], weight[3, 3] = 1 / 0.1**2, 1 / 0.2**2
    precision = np.linalg.inv(before.covariance) + weight
    values = np.array([0, 0.3, 0, -0.2])
    mean = np.linalg.solve(precision, np.linalg.solve(before.covariance, before.mean) + weight @ values)
    assert after.mean == pytest.approx(mean, abs=1e-6)
    assert after.covariance == pytest.approx(np.linalg.inv(precision), abs=1e-6)


def test_a_logged_evaluation_curve_is_what_it_is_about() -> None:
    """The training reward rises on; the evaluation has its peak at step 27."""
    rng = np.random.default_rng(4)
    held_out = np.where(STEPS % 4 == 0, hump(0) + 0.02 * rng.normal(size=60), np.nan)
    run = run_of(np.clip(0.3 + 0.008 * STEPS + 0.02 * rng.normal(size=60), 0, 1), evaluation_reward=held_out)
    summary = summarise_checkpoint(checkpoint(run, every=4))
    assert summary["about"] == "logged evaluation curve" and 16 <= summary["best"] <= 36
    without = summarise_checkpoint(checkpoint(run.drop_vars("evaluation_reward"), every=4))
    assert without["about"] == "expected training reward" and without["best"] >= 52


def test_an_evaluation_overrules_the_training_reward(fallen: xr.Dataset) -> None:
    values = {20.0: 0.30, 25.0: 0.31, 55.0: 0.55}
    result = checkpoint(fallen, every=5, evaluated=values, noise=0.01)
    summary = summarise_checkpoint(result)
    assert summary["best"] in (50, 55, 60) and summary["about"] == "evaluation"
    rows = {row["step"]: row for row in summary["checkpoints"]}
    assert rows[20]["value"]["median"] == pytest.approx(0.3, abs=0.03) and rows[20]["evaluated"] == 0.3
    assert rows[30]["evaluated"] is None
    axes = plot_checkpoint(checkpoint(fallen, every=5, evaluated=values, evaluate=1)).axes
    assert len(axes[1].patches) == 12 and len(axes[0].lines) == 3


@pytest.mark.parametrize(
    ("arguments", "fault"),
    [
        ({"steps": [10, 80, 90]}, "steps: expected checkpoints from step 0 to 60, found 80, 90"),
        ({"every": 40}, "expected 2 to 500 checkpoints in steps 1 to 60 of the log, found 1; save or list more"),
        ({"every": -1}, "every: expected a number above 0"),
        ({"every": 5, "steps": [5]}, "expected every or steps, found both"),
        ({"every": 5, "evaluated": {7: 0.5}}, "expected steps of checkpoints, found 7; the nearest is 5"),
        ({"every": 5, "evaluated": {5: np.nan}}, "expected a number at step 5"),
        ({"every": 5, "noise": 0.0}, "noise: expected a number above 0"),
        ({"every": 5, "evaluate": -1}, "evaluate: expected a whole number"),
    ],
)
def test_impossible_questions(fallen: xr.Dataset, arguments: dict, fault: str) -> None:
    with pytest.raises(InputError) as error:
        checkpoint(fallen, **arguments)
    assert fault in str(error.value)


def test_the_command(tmp_path: Path, fallen: xr.Dataset) -> None:
    log, figure = tmp_path / "log.jsonl", tmp_path / "checkpoint.png"
    rewards = fallen["reward"].values[0]
    log.write_text("\n".join(json.dumps({"step": i + 1, "reward": float(r)}) for i, r in enumerate(rewards)))
    stated = ("--every", "5", "--reward-bounds", "0", "1")
    done = call("checkpoint", log, *stated, "--evaluate", "2", "--json", "--figure", figure)
    summary = json.loads(done.stdout)
    assert done.returncode == 0 and len(summary["next_steps"]) == 2 and figure.read_bytes().startswith(b"\x89PNG")
    shown = call("checkpoint", log, *stated, "--evaluated", "25=0.5", "30=0.4", columns=80)
    assert "is the best choice" in shown.stdout and max(map(len, shown.stdout.splitlines())) <= 80
    assert "…" not in shown.stdout
    wrong = call("checkpoint", log, "--steps", "a,b", "--evaluated", "25", "--margin", "0")
    assert wrong.returncode == 2 and wrong.stdout == ""
    for fault in (
        "--steps: expected numbers",
        "--evaluated: expected STEP=VALUE",
        "--margin: expected a number above 0",
    ):
        assert fault in wrong.stderr


def test_evaluations_of_which_most_are_one_value_are_refused_at_once(fallen: xr.Dataset) -> None:
    """A law fits such a curve without noise, which no sampler explores: the command hung on a public run."""
    held_out = np.full(60, np.nan)
    held_out[4::5] = [0.02, 0.1, *[0.0] * 10]
    run = fallen.assign(evaluation_reward=(("run", "step"), held_out[None]))
    with pytest.raises(InputError, match="found 0 in 10 of 12.*the highest, 0.1, is at step 10"):
        checkpoint(run, every=5)
