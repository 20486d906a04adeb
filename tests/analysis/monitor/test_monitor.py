"""Alarms: the test row by row, its rate on healthy runs, and every outlet with a real receiver."""

import contextlib
import json
import os
import signal
import sqlite3
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import numpy as np
import pytest

from bayes_grpo import InputError
from bayes_grpo.analysis.alarms import LEAST_ROWS, Detector, alarms, boundary_for, load_boundary, spacing_of
from bayes_grpo.analysis.monitor.follow import Monitor
from bayes_grpo.analysis.monitor.trackers import send_alert
from bayes_grpo.cli import main
from bayes_grpo.readers import read_runs
from tests.common import call, call_process, curve


def collapsing(seed: int = 0, rows: int = 120, at: int = 70) -> np.ndarray:
    rewards = curve(rows, seed)
    rewards[at:] *= 0.3
    return rewards


def write(path: Path, rewards: np.ndarray, every: int = 1) -> None:
    lines = [json.dumps({"step": every * (i + 1), "reward": float(x)}) for i, x in enumerate(rewards)]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")


def test_a_collapse_is_seen_within_rows_and_once() -> None:
    (alarm,) = alarms(np.arange(1.0, 121.0), collapsing(), boundary_for(0.2))
    assert 68 <= alarm.since <= 73 and alarm.step <= 85
    assert alarm.best > 0.6 and alarm.reward < 0.3 and alarm.statistic > alarm.boundary


def test_only_the_past_counts() -> None:
    """What follows a row does not change the statistic at it, bit for bit."""
    boundary, statistics = boundary_for(0.2), []
    for rewards in (collapsing(), np.concatenate([collapsing()[:60], collapsing()[60:][::-1]])):
        detector = Detector(boundary)
        for step, reward in enumerate(rewards[:60]):
            detector.add(step, reward)
        statistics.append((detector.statistic, detector.best))
    assert statistics[0] == statistics[1]


def test_the_rate_on_healthy_runs_is_at_most_the_stated_one() -> None:
    """200 runs of 200 rows that rise and stay: 40,000 rows, at most 0.2 alarms per 1,000 allow 8.

    Their noise is Gaussian and the calibration's runs are rougher, so there are hardly any.
    """
    raised = sum(len(alarms(np.arange(200), curve(200, seed), boundary_for(0.2))) for seed in range(200))
    assert raised <= 8


def test_boundaries_follow_the_rate_and_the_spacing_of_rows() -> None:
    line = load_boundary()
    assert boundary_for(0.1) > boundary_for(0.2) > boundary_for(0.5)
    assert boundary_for(0.1, 2.0) == pytest.approx(boundary_for(0.2))  # half the rows, twice the rate a row
    assert np.exp(line.intercept - line.slope * boundary_for(0.2)) == pytest.approx(0.2)
    with pytest.raises(InputError, match="expected a rate per 1,000 steps between 0.01 and 3"):
        boundary_for(50.0)


def test_few_rows_missing_rewards_and_a_constant_raise_nothing() -> None:
    boundary = boundary_for(0.2)
    assert alarms(np.arange(LEAST_ROWS), np.linspace(1, 0, LEAST_ROWS), boundary) == []
    assert alarms(np.arange(100), np.full(100, 0.5), boundary) == []
    gaps = collapsing()
    gaps[::3] = np.nan
    assert len(alarms(np.arange(120), gaps, boundary)) == 1
    assert spacing_of(np.array([0.0, 10, 20, 20, 30])) == 10


def test_a_log_is_followed_and_each_alarm_told_once(tmp_path: Path) -> None:
    log, rewards = tmp_path / "log.jsonl", collapsing()
    write(log, rewards[:60])
    monitor = Monitor(log, read_runs, 0.2)
    first = monitor.look()
    assert first is not None and first.new == [] and first.step == 60
    assert monitor.look() is None
    write(log, rewards)
    told = monitor.look()
    assert told is not None and len(told.new) == len(told.raised) == 1
    write(log, np.append(rewards, rewards[-1]))
    again = monitor.look()
    assert again is not None and again.new == [] and len(again.raised) == 1
    log.write_text("nothing", encoding="utf-8")
    broken = monitor.look()
    assert broken is not None and broken.message.startswith("cannot be read yet")


@pytest.fixture
def server() -> Iterator[tuple[str, list[dict]]]:
    """A server on this machine that keeps what is posted to it."""
    received: list[dict] = []

    class Receiver(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            received.append(json.loads(body) | {"type": self.headers["Content-Type"]})
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Receiver) as receiver:
        thread = threading.Thread(target=receiver.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{receiver.server_port}/alarm", received
        receiver.shutdown()
        thread.join()


def test_alarms_reach_every_outlet(tmp_path: Path, server, capsys: pytest.CaptureFixture) -> None:
    url, received = server
    log, metrics = tmp_path / "log.jsonl", tmp_path / "grpo.prom"
    write(log, collapsing())
    arguments = ["monitor", str(log), "--false-alarms", "0.2", "--looks", "1", "--json"]
    assert main([*arguments, "--webhook", url, "--prometheus", str(metrics)]) == 0
    out, err = capsys.readouterr()
    row = json.loads(out)
    assert row["alarm"] == "reward falls" and row["run"] == "log" and row["false_alarms_per_1000_steps"] == 0.2
    assert "ALARM: log: the reward has fallen" in err
    (posted,) = received
    assert posted["type"] == "application/json" and posted["step"] == row["step"] and posted["text"].startswith("ALARM")
    values = dict(line.rsplit(" ", 1) for line in metrics.read_text().splitlines() if not line.startswith("#"))
    assert values['bayes_grpo_reward_alarms_total{run="log"}'] == "1"
    assert float(values['bayes_grpo_reward_last_alarm_step{run="log"}']) == row["step"]
    assert float(values['bayes_grpo_reward_last_step{run="log"}']) == 120


def test_watch_hands_alarms_to_the_same_outlets(tmp_path: Path, server, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every outlet of `monitor`, each alarm once, also where looks bring no refit; trackers and server are real."""
    pytest.importorskip("trackio")
    pytest.importorskip("wandb")
    url, received = server
    for name, value in {"TRACKIO_DIR": str(tmp_path), "WANDB_MODE": "offline", "WANDB_DIR": str(tmp_path)}.items():
        monkeypatch.setenv(name, value)
    write(tmp_path / "log.jsonl", collapsing(rows=80, at=50))
    outlets = ["--webhook", url, "--prometheus", "grpo.prom", "--trackio", "alarms", "--wandb", "alarms"]
    arguments = ["watch", "log.jsonl", "--refits", "1", "--model", "overdamped", "--reward-bounds", "0", "1", "--json"]
    done = call_process(*arguments, *outlets, folder=tmp_path)
    assert done.returncode == 0, done.stderr
    row, refit = (json.loads(line) for line in done.stdout.splitlines())
    assert row["alarm"] == "reward falls" and refit["alarms"][0]["step"] == row["step"]
    (posted,) = received
    assert posted["step"] == row["step"] and posted["text"] in done.stderr
    assert 'bayes_grpo_reward_alarms_total{run="log"} 1' in (tmp_path / "grpo.prom").read_text(encoding="utf-8")
    with contextlib.closing(sqlite3.connect(tmp_path / "alarms.db")) as database:
        assert database.execute("SELECT text FROM alerts").fetchall() == [(posted["text"],)]
    (record,) = tmp_path.glob("wandb/offline-run-*/*.wandb")
    assert posted["text"].encode() in record.read_bytes()


def test_without_an_alarm_it_says_what_was_looked_at(tmp_path: Path) -> None:
    log = tmp_path / "log.jsonl"
    write(log, curve(40))
    done = call("monitor", log, "--looks", "1")
    assert done.returncode == 0 and done.stdout == ""
    assert done.stderr == "note: log: 40 rows looked at, up to step 40: no alarm\n"
    write(log, collapsing())
    told = call("monitor", log, "--looks", "1").stderr
    assert "looked at, up to step" in told and ": 1 alarm\n" in told


def test_ctrl_c_speaks_of_no_fits(tmp_path: Path) -> None:
    log, metrics = tmp_path / "log.jsonl", tmp_path / "grpo.prom"
    write(log, curve(40))

    def press() -> None:
        while not metrics.exists():
            time.sleep(0.05)
        os.kill(os.getpid(), signal.SIGINT)

    # What is started in the background ignores Ctrl-C: this process hears it until the test ends.
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        thread = threading.Thread(target=press)
        thread.start()
        done = call("monitor", log, "--every", "0.2", "--prometheus", metrics)
        thread.join()
    finally:
        signal.signal(signal.SIGINT, before)
    assert done.returncode == 130 and "interrupted; log: 40 rows looked at" in done.stderr
    assert "fits" not in done.stderr


def test_a_webhook_that_does_not_answer_loses_no_alarm(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    log = tmp_path / "log.jsonl"
    write(log, collapsing())
    assert main(["monitor", str(log), "--looks", "1", "--webhook", "http://127.0.0.1:9/none"]) == 0
    err = capsys.readouterr().err
    assert "ALARM: log" in err and "could not be posted: http://127.0.0.1:9/none" in err


def test_alarms_are_alerts_of_real_trackers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """trackio keeps them in its database, W&B (offline) in the record that it would send."""
    pytest.importorskip("trackio")
    pytest.importorskip("wandb")
    for name, value in {"TRACKIO_DIR": str(tmp_path), "WANDB_MODE": "offline", "WANDB_DIR": str(tmp_path)}.items():
        monkeypatch.setenv(name, value)
    write(tmp_path / "log.jsonl", collapsing())
    arguments = ["monitor", "log.jsonl", "--looks", "1", "--trackio", "alarms", "--wandb", "alarms", "--json"]
    done = call_process(*arguments, folder=tmp_path)
    assert done.returncode == 0, done.stderr
    row = json.loads(done.stdout)  # what trackers print is on stderr
    with contextlib.closing(sqlite3.connect(tmp_path / "alarms.db")) as database:
        ((name, title, text, level),) = database.execute("SELECT run_name, title, text, level FROM alerts").fetchall()
    assert (name, title, level) == ("monitor of log.jsonl", "the reward has fallen", "warn")
    assert f"seen at step {row['step']:g}" in text
    (record,) = tmp_path.glob("wandb/offline-run-*/*.wandb")
    assert text.encode() in record.read_bytes()


def test_a_tracker_that_cannot_be_used_is_one_message(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A package that is missing, and W&B without a login."""
    write(tmp_path / "log.jsonl", collapsing())
    (tmp_path / "trackio.py").write_text("raise ImportError('none here')", encoding="utf-8")
    monkeypatch.setenv("PYTHONPATH", f"{tmp_path}{os.pathsep}{os.environ.get('PYTHONPATH', '')}")
    missing = call_process("monitor", "log.jsonl", "--looks", "1", "--trackio", "alarms", folder=tmp_path)
    assert missing.returncode == 2 and "--trackio: alerts of trackio need the package trackio" in missing.stderr
    assert "pip install trackio" in missing.stderr and "Traceback" not in missing.stderr
    pytest.importorskip("wandb")
    for name, value in {
        "WANDB_MODE": "online",
        "WANDB_API_KEY": "none",
        "WANDB_BASE_URL": "http://127.0.0.1:9",
    }.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("WANDB_DIR", str(tmp_path))
    refused = call_process("monitor", "log.jsonl", "--looks", "1", "--wandb", "alarms", folder=tmp_path)
    assert refused.returncode == 2 and "W&B opens no run in the project 'alarms'" in refused.stderr
    assert "WANDB_MODE=offline" in refused.stderr and "Traceback" not in refused.stderr


def test_without_a_run_no_alert_is_sent_and_nothing_is_raised() -> None:
    for tracker, fault in (("trackio", "trackio: Call trackio.init()"), ("wandb", "W&B: this process tracks no run")):
        pytest.importorskip(tracker)
        assert send_alert(tracker, "it fell").startswith(fault)


@pytest.mark.parametrize(
    ("more", "fault"),
    [
        (["--webhook", "ftp://x"], "begins with http:// or https://"),
        (["--false-alarms", "1000"], "expected a rate per 1,000 steps"),
        (["--every", "0"], "--every: expected a number above 0"),
        (["--run", "other"], "no run 'other'"),
    ],
)
def test_bad_input(tmp_path: Path, more: list[str], fault: str, capsys: pytest.CaptureFixture) -> None:
    log = tmp_path / "log.jsonl"
    write(log, curve(40))
    assert main(["monitor", str(log), "--looks", "1", *more]) == 2
    assert fault in capsys.readouterr().err
