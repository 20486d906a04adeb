"""Five answers about a log: each says what its part says, and a part that is missing does not stop the others."""

import json
from pathlib import Path

import numpy as np
import pytest
import xarray as xr

from bayes_grpo import InputError, ask, diagnose, example_run, fit, load_model, make_run, summarise_ask
from bayes_grpo.laws.reuse import clipped_share
from bayes_grpo.models.files import DEFAULT_MODEL
from tests.common import FACTS, call, curve


@pytest.fixture(scope="module")
def answers(small_run: xr.Dataset) -> xr.DataTree:
    return ask(small_run, until=120, seed=2)


def write(path: Path, rewards: np.ndarray) -> Path:
    rows = [json.dumps({"step": i + 1, "reward": float(reward)}) for i, reward in enumerate(rewards)]
    path.write_text("\n".join(rows), encoding="utf-8")
    return path


def test_sentences_say_the_numbers_of_their_parts(answers: xr.DataTree, small_run: xr.Dataset) -> None:
    summary = summarise_ask(answers)
    replies, plateau = summary["answers"], answers["fit"]["plateau"].values
    # The curve settles at 0.7 and has made 98 % of its gain: 0.70 lies inside the interval (1 seed in 10 would not).
    assert summary["plateau"]["lower"] < 0.7 < summary["plateau"]["upper"]
    recent = float(small_run["reward"].values[0, -6:].mean())
    assert answers.attrs["recent_reward"] == pytest.approx(recent)
    assert replies["plateau"]["probability"] == pytest.approx((plateau > recent + 0.01).mean())
    trend = answers["forecast"]["trend"]
    assert replies["go_on"]["probability"] == pytest.approx(
        float((trend[:, -1] - trend[:, 0] > 0.01).mean()), abs=0.1
    )  # over the 100 steps from the last one; the first step to come is one later
    health = diagnose(small_run)["probability"].sel(answer="healthy")
    assert replies["health"]["probability"] == pytest.approx(float(health))
    lag = answers["reuse"]["lag"].values
    assert replies["staleness"]["probability"] == pytest.approx((lag <= 1).mean())
    assert summary["statement"] == " ".join(reply["text"] for reply in replies.values())
    for reply in replies.values():
        assert reply["text"].endswith(".") and reply["text"][0].isupper()


def test_the_plateau_is_that_of_fit(answers: xr.DataTree, small_run: xr.Dataset) -> None:
    """`ask` draws fewer of the same weighted points: ends of intervals differ by the noise of resampling alone."""
    posterior = fit(small_run, seed=2)["posterior"]["plateau"].values
    ends = np.quantile(posterior, [0.05, 0.5, 0.95])
    np.testing.assert_allclose(
        np.quantile(answers["fit"]["plateau"].values, [0.05, 0.5, 0.95]), ends, atol=0.2 * posterior.std()
    )
    assert answers.attrs["model"] == load_model(DEFAULT_MODEL).name


def test_another_law_can_be_asked(small_run: xr.Dataset) -> None:
    """Of a law of motion lag is a limit, of a curve in time a lower bound of one; some laws have no plateau."""
    texts = {}
    for model in ("s_curve", "population", "wandering_level"):
        summary = summarise_ask(ask(small_run, until=120, model=model))
        assert summary["model"] == model
        texts[model] = (summary["answers"]["plateau"]["text"], summary["answers"]["staleness"]["text"])
    assert "Lag alone allows at least" in texts["s_curve"][1]
    assert "Lag alone allows" in texts["population"][1] and "at least" not in texts["population"][1]
    assert texts["wandering_level"][0] == "The law wandering_level has no plateau."
    assert "has no stiffness" in texts["wandering_level"][1]


def test_epsilon_is_what_is_worth_it(answers: xr.DataTree) -> None:
    never, always = (summarise_ask(answers, epsilon=epsilon) for epsilon in (0.9, 1e-9))
    assert never["recommendation"] == "stop" and "Stop: the next 100 steps" in never["answers"]["go_on"]["text"]
    assert never["answers"]["go_on"]["probability"] == 0 < always["answers"]["go_on"]["probability"]


def test_what_is_stated_is_not_asked_for(answers: xr.DataTree) -> None:
    """All settings of the run are known; without them they come first."""
    assert not any("--" in item for item in summarise_ask(answers)["to_log"])
    bare = make_run("bare", {"optimizer_step": np.arange(1, 61), "reward": curve()})
    items = summarise_ask(ask(bare))["to_log"]
    assert "--reward-bounds" in items[0] and "--group-size" in items[1] and "--planned-steps" in items[2]
    assert sum("clip ratio" in item for item in items) == 1  # the updates on a batch are unknown, so it may be reused


def test_what_is_logged_is_not_asked_for() -> None:
    """The bundled run's lengths are all 1: the diagnosis cannot use them, and they are logged all the same."""
    asked = ask(example_run())
    assert "completion_length" not in asked["diagnosis"]["channel"].values
    items = summarise_ask(asked)["to_log"]
    assert "completion length" not in items and "KL from the reference" in items


def test_logged_clip_ratios_tell_where_reuse_ends(small_run: xr.Dataset) -> None:
    """At a growth of 1 an update the sample size has halved after one: it binds long before lag."""
    share = float(clipped_share(np.array([1.0]), 8, np.array([0.8]))[0])
    clip = np.full((1, 60), share) * np.random.default_rng(0).uniform(0.98, 1.02, (1, 60))
    run = small_run.assign(clip_ratio=(("run", "step"), clip))
    run = run.assign(refresh_interval=("run", [8.0]), clip_range=("run", [0.8]))
    result = ask(run, until=120)
    reply = summarise_ask(result)["answers"]["staleness"]
    assert "as clip_ratio tells" in reply["text"] and "This run's 8 is beyond it" in reply["text"]
    bound = result["reuse"].to_dataset()
    assert set(bound.data_vars) == {"lag", "ess", "starvation"}
    lowest = np.minimum.reduce([bound[name].values for name in bound.data_vars])
    assert reply["probability"] == pytest.approx((lowest <= 8).mean())
    # The growth is known to a factor of two or so: no draw allows four updates.
    assert reply["probability"] == 1 > (bound["lag"].values <= 8).mean()
    assert "the sample size of the batch binds" in reply["text"]


@pytest.mark.parametrize(
    ("limits", "expected"),
    [
        ([np.inf] * 60 + [30.2] * 40, "allows thousands of updates (90% interval from 30 on) on a batch"),
        ([np.inf] * 100, "allows thousands of updates on a batch"),
        ([66.1] * 60 + [np.inf] * 40, "allows at least 66 (90% interval 66 to thousands of) updates on a batch"),
        ([0.4] * 10 + [2.6] * 90, "allows at least 3 (90% interval fewer than 1 to 3) updates on a batch"),
    ],
)
def test_updates_are_whole_and_beyond_those_looked_at_thousands(
    limits: list[float], expected: str, answers: xr.DataTree
) -> None:
    bound = answers["reuse"].to_dataset()
    known = xr.Dataset({"lag": ("sample", limits)}, attrs=bound.attrs)
    result = xr.DataTree.from_dict(
        {name: known if name == "reuse" else answers[name].to_dataset() for name in answers.children}
    )
    result.attrs = answers.attrs
    assert expected in summarise_ask(result)["answers"]["staleness"]["text"]


def test_a_horizon_of_parts_of_steps_is_told_in_whole_ones(small_run: xr.Dataset) -> None:
    assert "by step 90." in summarise_ask(ask(small_run, until=90.4))["answers"]["go_on"]["text"]


def test_a_run_without_a_curve_still_gets_a_diagnosis() -> None:
    flat = make_run("flat", {"optimizer_step": np.arange(1, 61), "reward": np.full(60, 0.5)}, FACTS)
    summary = summarise_ask(ask(flat))
    assert summary["plateau"] is None and summary["recommendation"] is None and summary["limit"] is None
    assert "expected values that vary" in summary["absent"]["forecast"]
    assert "cannot be told: reward: expected values that vary" in summary["answers"]["plateau"]["text"]
    for name in ("go_on", "staleness"):
        assert summary["answers"][name]["text"].endswith("cannot be told, for the same reason.")
    assert summary["probabilities"] is not None and summary["answers"]["health"]["probability"] is not None


def test_a_failure_is_named_with_its_onset() -> None:
    rng = np.random.default_rng(1)
    rewards = np.concatenate([curve(50), 0.05 + 0.03 * np.abs(rng.normal(size=30))])
    summary = summarise_ask(ask(make_run("lost", {"optimizer_step": np.arange(1, 81), "reward": rewards}, FACTS)))
    health = summary["answers"]["health"]
    assert health["probability"] < 0.2 and "It began near step 51" in health["text"]
    assert summary["recommendation"] == "look"


def test_the_command(tmp_path: Path) -> None:
    log = write(tmp_path / "log.jsonl", curve())
    done = call("ask", log, "--json", "--group-size", "8", "--reward-bounds", "0", "1", "--until", "120")
    summary = json.loads(done.stdout)
    assert done.returncode == 0 and list(summary["answers"]) == ["plateau", "go_on", "health", "staleness", "to_log"]
    shown = call("ask", log, "--group-size", "8", "--reward-bounds", "0", "1", "--until", "120")
    printed = "".join(shown.stdout.split())
    assert all("".join(reply["text"].split()) in printed for reply in summary["answers"].values())
    assert max(map(len, shown.stdout.splitlines())) <= 100
    both = call("ask", log, tmp_path / "none.jsonl", "--json", "--until", "120")
    assert both.returncode == 2 and json.loads(both.stdout)["run"] and "no such file" in both.stderr


@pytest.mark.parametrize(
    ("arguments", "fault"),
    [
        (["--until", "soon"], "--until: expected a number, found 'soon'"),
        (["--epsilon", "0"], "--epsilon: expected a number above 0"),
    ],
)
def test_bad_options(tmp_path: Path, arguments: list[str], fault: str) -> None:
    done = call("ask", write(tmp_path / "log.jsonl", curve()), *arguments)
    assert done.returncode == 2 and fault in done.stderr and done.stdout == ""


def test_a_horizon_in_the_past_and_too_few_rows(small_run: xr.Dataset) -> None:
    summary = summarise_ask(ask(small_run, until=30))
    assert "expected a step after the last logged one" in summary["absent"]["forecast"]
    assert summary["limit"] is not None
    with pytest.raises(InputError, match="expected one run, found 2"):
        ask(xr.concat([small_run, small_run.assign_coords(run=["other"])], "run"))


def test_a_run_that_broke_down_contradicts_its_limits_and_its_plateau() -> None:
    """It began near its best, so that it had no gain to lose, and fell to zero at eight updates a batch."""
    rng = np.random.default_rng(1)
    rewards = np.concatenate([0.85 + 0.05 * rng.normal(size=40), np.abs(0.01 * rng.normal(size=20))])
    columns = {"optimizer_step": np.arange(1, 61), "reward": np.clip(rewards, 0, 1)}
    result = ask(make_run("broken", columns, FACTS | {"refresh_interval": 8}))
    summary = summarise_ask(result)
    assert summary["answers"]["plateau"]["text"].startswith("This run ends in a collapse: its mean over 6 rows was 0.8")
    assert "The reward settles at" not in summary["statement"]
    stale = summary["answers"]["staleness"]
    assert stale["text"].startswith("This run broke down at its own refresh interval of K = 8: it contradicts")
    assert stale["probability"] is None and "beyond it with probability" not in stale["text"]
    assert [note["kind"] for note in summary["notes"] if "broke down" in note["text"]] == ["limit"]
    # A diagnosis that sees nothing of it does not stand alone.
    probability = result["diagnosis/probability"]
    result["diagnosis/probability"] = xr.where(probability["answer"] == "healthy", 0.9, 0.1 / (probability.size - 1))
    health = summarise_ask(result)["answers"]["health"]["text"]
    assert health.startswith("Healthy training with probability 0.90")
    assert "the reward has lost most of its gain" in health
