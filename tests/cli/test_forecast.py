"""`bayes-grpo forecast` and `bayes-grpo watch` as a user meets them."""

import csv
import io
import json
from pathlib import Path

import numpy as np
import pytest
import xarray as xr

from bayes_grpo import fit, forecast, load_model, make_run, read_runs, save_fit, summarise_forecast
from bayes_grpo.analysis.forecast.live import Refitter, headline
from bayes_grpo.analysis.forecast.table import forecast_table
from bayes_grpo.analysis.forecast.watching import Watcher
from bayes_grpo.cli import main
from bayes_grpo.inference.importance.target import target_of
from tests.common import FACTS, SAMPLER, curve, options, shapes_compiled

KEYS = {"until", "steps", "mean", "logged", "plateau", "step_95", "gain_per_100_steps", "recommendation", "interval"}
KEYS |= {"warnings", "notes", "run", "model", "last_step", "schedule", "persistence", "shares"}
KEYS |= {"gain_per_hour", "step_seconds", "probability_jump", "probability_collapse", "recovery", "regime"}


@pytest.fixture(scope="module")
def saved(ahead_fit: xr.DataTree, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_fit(ahead_fit, tmp_path_factory.mktemp("fits") / "fit.nc")


def test_json_paths_and_figure(saved: Path, tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    paths, figure = tmp_path / "paths.csv", tmp_path / "forecast.png"
    arguments = ["forecast", str(saved), "--until", "200", "--step-seconds", "3.6", "--json"]
    code = main([*arguments, "--paths", str(paths), "--figure", str(figure)])
    found = json.loads(capsys.readouterr().out)
    assert code in (0, 3) and set(found) == KEYS
    assert found["steps"][0] == 61 and found["steps"][-1] == 200
    for band in ("mean", "logged"):
        low, middle, high = (np.array(found[band][key]) for key in ("lower", "median", "upper"))
        assert (low < middle).all() and (middle < high).all() and middle.size == len(found["steps"])
    assert (np.subtract(found["logged"]["upper"], found["mean"]["upper"]) > 0).all()
    # The truth of the curve: plateau 0.7, 95 % of the gain after three timescales of 15 steps.
    assert found["plateau"]["lower"] < 0.7 < found["plateau"]["upper"]
    assert found["step_95"]["lower"] < 46 < found["step_95"]["upper"]
    gain = found["gain_per_100_steps"]
    assert found["gain_per_hour"]["median"] == pytest.approx(gain["median"] * 10)
    assert gain["epsilon"] == pytest.approx(0.01) and 0 <= gain["probability_above_epsilon"] <= 1
    assert found["recommendation"]["action"] in ("stop", "go on", "cannot tell yet")
    rows = list(csv.DictReader(paths.read_text(encoding="utf-8").splitlines()))
    last = [float(row["expected_reward"]) for row in rows if row["optimizer_step"] == "200.0"]
    assert np.quantile(last, 0.5) == pytest.approx(found["mean"]["median"][-1])
    assert figure.read_bytes().startswith(b"\x89PNG")


def test_a_table_for_people(saved: Path, capsys: pytest.CaptureFixture) -> None:
    assert main(["forecast", str(saved), "--until", "200"]) in (0, 3)
    out = capsys.readouterr().out
    assert "recommendation:" in out and "plateau:" in out and "learning rate not logged" not in out
    assert max(map(len, out.splitlines())) <= 100


def test_a_gain_that_is_made_already(ahead_fit: xr.DataTree) -> None:
    """The last logged step is the least that is looked at: as a median it stands for any before; steps are whole."""
    summary = summarise_forecast(forecast(ahead_fit, 90.5), ahead_fit)
    row = {"median": 60.0, "lower": 60.0, "upper": 70.0, "probability_reached": 0.97}
    text = " ".join(forecast_table(summary | {"step_95": row}).split())
    assert (
        "made by step 90 with probability 0.97; in the median it is made already, by the last logged step, 60" in text
    )
    assert "90.5" not in text
    later = " ".join(forecast_table(summary | {"step_95": row | {"median": 61.0}}).split())
    assert "with probability 0.97, at step 61 in the median" in later


def test_gains_per_hour_from_logged_step_times(small_run: xr.Dataset) -> None:
    """The mean over the later half of the rows: the first, slow ones compile."""
    seconds = np.where(np.arange(60) < 20, 90.0, [3.0, 4.2] * 30)
    timed = small_run.assign(step_time=(("run", "step"), seconds[None]))
    found = fit(timed, "population", seed=1, **SAMPLER)
    answer = summarise_forecast(forecast(found, 200), found)
    assert answer["step_seconds"] == pytest.approx(3.6)
    assert answer["gain_per_hour"]["median"] == pytest.approx(answer["gain_per_100_steps"]["median"] * 10)


@pytest.mark.parametrize(
    ("arguments", "fault"),
    [
        (["--until", "50"], "expected a step after the last logged one, 60, found 50"),
        (["--until", "soon"], "--until: expected a number, found 'soon'"),
        (["--until", "200", "--schedule", "plan.csv"], "expected one of planned, constant"),
        (["--until", "200", "--epsilon", "-1"], "--epsilon: expected a number above 0"),
        (["--until", "200", "--persistence", "2"], "--persistence: expected a number from 0 to 1"),
        (["--until", "200", "--paths", "x.parquet"], "--paths: expected a name ending in .nc, .csv"),
        (["--until", "200", "--schedule", "cosine"], "holds no learning rate to go on from"),
    ],
)
def test_bad_input(saved: Path, arguments: list[str], fault: str, capsys: pytest.CaptureFixture) -> None:
    assert main(["forecast", str(saved), *arguments]) == 2
    captured = capsys.readouterr()
    assert fault in captured.err and captured.out == "" and "Traceback" not in captured.err


def test_an_edited_copy_of_the_same_name_is_the_model(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    """`bayes-grpo models population > population.toml`, edited: the copy is fitted, not what it was copied from.

    By its prior the reward falls by the whole range; the rewards rise.
    """
    copy, log = tmp_path / "population.toml", tmp_path / "log.jsonl"
    text = load_model("population").text
    assert text.count("loc = 0.226") == 1
    copy.write_text(text.replace("loc = 0.226", "loc = -1"), encoding="utf-8")
    write(log, curve(40))
    arguments = ["--until", "80", "--json", "--reward-bounds", "0", "1", *options(SAMPLER)]
    assert main(["forecast", str(log), "--model", str(copy), *arguments]) in (0, 3)
    notes = json.loads(capsys.readouterr().out)["notes"]
    (conflict,) = [note for note in notes if note["kind"] == "prior_conflict"]
    assert conflict["subject"] == "rise" and "above all but 1%" in conflict["text"]
    assert main(["forecast", str(log), *arguments]) in (0, 3)
    assert not any(note["kind"] == "prior_conflict" for note in json.loads(capsys.readouterr().out)["notes"])


def write(path: Path, rewards: np.ndarray, first: int = 1, mode: str = "w") -> None:
    with path.open(mode, encoding="utf-8") as file:
        for step, reward in enumerate(rewards, start=first):
            file.write(json.dumps({"step": step, "reward": float(reward)}) + "\n")


def watcher(path: Path) -> Watcher:
    refit = Refitter("overdamped", stability_model=None, until=200)
    return Watcher(path, lambda where: read_runs(where, hyperparameters=FACTS), refit)


def test_a_growing_log_is_followed_through_accidents(tmp_path: Path) -> None:
    path, rewards = tmp_path / "log.jsonl", curve(60)
    write(path, rewards[:7])
    watch = watcher(path)
    first = watch.look()
    assert first is not None and first.summary is None and "expected at least 10 rewards, found 7" in first.message
    assert watch.look() is None  # nothing has changed

    write(path, rewards[7:30], first=8, mode="a")
    second = watch.look()
    assert second is not None and second.summary is not None and second.summary["last_step"] == 30
    assert second.summary["until"] == 200 and second.summary["seconds"] > 0
    assert {"plateau", "gain_per_100_steps", "probability_of_gain"} <= set(headline(second.summary))

    whole = path.read_text(encoding="utf-8")
    path.write_text(whole + '{"step": 31, "rew', encoding="utf-8")  # half a line
    partial = watch.look()
    assert partial is not None and partial.summary is None
    path.write_text("", encoding="utf-8")  # truncated
    empty = watch.look()
    assert empty is not None and empty.run is None and "cannot be read yet" in empty.message
    path.unlink()  # away, as during a rotation
    gone = watch.look()
    assert gone is not None and "cannot be read yet" in gone.message

    write(path, rewards[:45])
    back = watch.look()
    assert back is not None and back.summary is not None and back.summary["last_step"] == 45
    write(path, curve(20, seed=5))  # started anew
    anew = watch.look()
    assert anew is not None and "started anew" in anew.message and anew.summary is not None
    assert anew.summary["last_step"] == 20


def test_a_refit_agrees_with_a_fresh_fit() -> None:
    """Means within 5 standard errors of each other (two, of ESS at least 100: a false alarm at 1 seed in 10^6)."""
    run = make_run("r", {"optimizer_step": np.arange(1, 61), "reward": curve(60)}, FACTS)
    warm = Refitter("overdamped", stability_model=None, until=200, seed=1)
    warm(run.isel(step=slice(40)))
    evaluate = target_of(load_model("overdamped"))._evaluate
    compiled = shapes_compiled(evaluate)
    second, fresh = warm(run), Refitter("overdamped", stability_model=None, until=200, seed=2)(run)
    assert second["converged"] and fresh["converged"]
    width = (fresh["plateau"]["upper"] - fresh["plateau"]["lower"]) / 3.3
    assert abs(second["plateau"]["median"] - fresh["plateau"]["median"]) < 5 * np.sqrt(2) * 1.25 * width / 10
    # A later fit of the same padded length is quick because it compiles nothing.
    assert shapes_compiled(evaluate) == compiled >= 1


def test_watch_prints_a_line_of_json_a_refit(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    path = tmp_path / "log.jsonl"
    write(path, curve(40))
    code = main(["watch", str(path), "--refits", "1", "--json", "--model", "overdamped", "--reward-bounds", "0", "1"])
    lines = capsys.readouterr().out.splitlines()
    assert code == 0 and len(lines) == 1
    found = json.loads(lines[0])
    assert found["until"] == 80 and 0 <= found["probability_unstable"] <= 1
    assert main(["watch", str(tmp_path / "none"), "--refits", "1"]) == 2
    assert "no such file or folder" in capsys.readouterr().err


def test_the_view_fits_a_terminal(tmp_path: Path) -> None:
    from rich.console import Console

    from bayes_grpo.cli.watch_view import live_view

    path = tmp_path / "log.jsonl"
    write(path, curve(60))
    update = watcher(path).look()
    console = Console(width=100, record=True, file=io.StringIO())
    console.print(live_view(update, update.message))
    text = console.export_text()
    assert "plateau" in text and "█" in text and "60 rewards, step 60" in text
    assert max(map(len, text.splitlines())) <= 100
