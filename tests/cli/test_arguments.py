"""Arguments are checked before anything is sampled: every command, every option that can be impossible.

Sampling is not replaced: where a command would begin to sample, the test fails there.
"""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

import bayes_grpo.inference.posterior as posterior
from bayes_grpo.cli import _parser
from tests.common import call, curve

RUNS = {
    "ask": ["--until 5", "--until nan", "--until inf", "--epsilon 0", "--epsilon nan", "--seed -1", "--model nope"],
    "fit": [
        *("--seed -1", "--draws 0", "--tune 0", "--chains 0", "--target-accept 1", "--target-accept nan"),
        *("--model nope", "--out nowhere/x.nc", "--method importance --backend pymc", "--draws 1000000000"),
        *("--tune 2000000", "--group-size 1e9", "--logging-window 1e18", "--momentum 0.99999999"),
        *("--reward-bounds 1 0", "--reward-bounds nan 1", "--column reward", "--run 7", "--hyperparameters no.toml"),
    ],
    "checkpoint": [
        *("--every 0", "--every nan", "--steps 1,x", "--steps nan", "--steps 500", "--evaluated 3", "--seed -1"),
        *("--evaluated nan=1", "--evaluated 10=nan", "--evaluated 1000=0.3", "--noise nan", "--evaluate -1"),
        *("--margin nan", "--figure a.txt", "--every 1000"),
    ],
    "card": ["--until 5", "--until nan", "--model nope", "--seed -1", "--draws 0"],
    "compare --models s_curve,oscillator": ["--criterion x", "--min-observations 0", "--seed -1", "--out log.csv"],
    "compare": ["--models s_curve", "--models s_curve,nope", "--models s_curve,s_curve"],
    "contrast --against log.csv": [
        "--by nope",
        "--worth nan",
        "--seed -1",
        "--names A",
        "--figure a.x",
        "--model nope",
    ],
    "convert": ["--out nowhere/x.nc", "--out x.txt"],
    "diagnose": ["--figure x.y"],
    "entropy-ceiling": ["--seed -1", "--run 7", "--column reward", "--figure x.y"],
    "forecast --until 100": [
        *("--until 5", "--until nan", "--until inf", "--until 1e300", "--schedule nope", "--schedule cosine"),
        *("--persistence 2", "--persistence nan", "--epsilon nan", "--step-seconds inf", "--seed -1", "--draws 0"),
        *("--target-accept 2", "--model nope", "--paths x.txt", "--model pooled", "--model s_curve --until 5"),
        *("--model s_curve --schedule nope", "--model s_curve --persistence 2"),
    ],
    "invariance": ["--hold-out x", "--draws 0", "--figure x.y"],
    "monitor --looks 1": [
        *("--false-alarms 0", "--false-alarms nan", "--every 0", "--looks 0", "--webhook ftp://x"),
        *("--prometheus nowhere/x", "--run nope"),
    ],
    "oscillation": ["--model nope", "--model s_curve", "--figure x.y", "--seed -1"],
    "remedy": [
        *("--overshoot 0", "--overshoot 2", "--overshoot nan", "--fluctuation 0", "--fluctuation nan"),
        *("--model nope", "--model s_curve", "--seed -1"),
    ],
    "report --out r.html": [
        *("--until 5", "--until nan", "--models s_curve", "--models nope,s_curve", "--model nope", "--seed -1"),
        *("--draws 0", "--target-accept 3", "--out r.txt", "--out nowhere/r.html"),
        *("--plan nope.json", "--plan log.csv", "--contrast nope.json", "--contrast log.csv"),
    ],
    "threshold": [
        *("--refresh-interval 0", "--refresh-interval nan", "--lag-share 2", "--lag-share nan", "--model s_curve"),
        *("--generation-seconds -1", "--generation-seconds nan", "--update-seconds 0", "--figure x.y", "--seed -1"),
        *("--kl-weight -1", "--kl-weight nan", "--clip-range 0", "--wrong-reward 0.8 --right-reward 0.2"),
        *("--reference-reward 0.1 --wrong-reward 0.2", "--reference-reward 2 --reward-bounds 0 1"),
    ],
    "watch --refits 1": [
        *("--until 5", "--until nan", "--schedule nope", "--every 0", "--every nan", "--refits 0", "--model nope"),
        *("--seed -1", "--false-alarms 0", "--false-alarms nan"),
    ],
    "batch --out table": [
        *("--until nan", "--until -1", "--model nope", "--engine nope", "--workers 0", "--seed -1", "--draws 0"),
        *("--out log.csv", "--model pooled"),
    ],
}
NO_RUNS = {
    "plan --start 0.3": [
        *("--start 2", "--start nan", "--group-size 1", "--group-size 1e9", "--vary x=1", "--vary group_size=0"),
        *("--steps nan", "--steps 1e12", "--seed -1", "--gain nan", "--within nan", "--hours 1", "--fits nope"),
        *("--completions 0", "--reward-bounds 1 0", "--success nope"),
    ],
    "plateau --kl 0.04 --group-size 8 --start 0.2": [
        *("--wrong 2", "--right nan", "--clipped 2", "--group-size 1", "--group-size 1e9", "--kl -1", "--start nan"),
    ],
    "simulate bandit": [
        *("--seeds 0", "--seeds 1000000000", "--steps 0", "--steps 1000000000", "--group-size 0", "--kl nan"),
        *("--group-size 1000000000", "--out nowhere/x.nc", "--schedule x"),
    ],
    "demo": ["--out log.csv"],
    "models": ["nope"],
    "summary": ["log.csv", "nope"],
    "plot": ["log.csv", "nope", "log.csv --out x.txt"],
}
CASES = [
    (f"{command.replace(' ', ' log.csv ', 1) if ' ' in command else command + ' log.csv'}", line)
    for command, lines in RUNS.items()
    for line in lines
]
CASES += [(command, line) for command, lines in NO_RUNS.items() for line in lines]


class Sampled(BaseException):
    """A command began to sample."""


@pytest.fixture(scope="module")
def here(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("arguments")
    rows = "".join(f"{step},{reward:.4f}\n" for step, reward in enumerate(curve(40), start=1))
    (folder / "log.csv").write_text(f"step,reward\n{rows}")
    return folder


@pytest.fixture
def trap(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Every way to a posterior ends the test."""

    def sampled(*arguments: object, **options: object) -> None:
        raise Sampled

    monkeypatch.setattr(posterior, "draw_importance", sampled)
    monkeypatch.setattr(posterior, "SAMPLERS", dict.fromkeys(posterior.SAMPLERS, sampled))
    yield


@pytest.mark.usefixtures("trap")
@pytest.mark.parametrize(("command", "line"), CASES)
def test_what_is_impossible_is_refused_before_anything_is_sampled(command: str, line: str, here: Path) -> None:
    done = call(*command.split(), *line.split(), folder=here)
    assert done.returncode == 2, done.stderr
    assert done.stdout == "" and "Traceback" not in done.stderr
    words = [word for part in line.split() for word in re.split("[,=]", part.removeprefix("--").replace("-", "_"))]
    assert any(word in done.stderr.replace("-", "_") for word in words), "the message names neither option nor value"
    assert {path.name for path in here.iterdir()} <= {"log.csv", "table"}


@pytest.mark.usefixtures("trap")
def test_the_trap_holds(here: Path) -> None:
    """Without a fault each of these commands samples, so that the test above can tell."""
    for arguments in (
        "ask log.csv",
        "fit log.csv",
        "forecast log.csv --until 100",
        "threshold log.csv",
        "remedy log.csv",
    ):
        with pytest.raises(Sampled):
            call(*arguments.split(), folder=here)


@pytest.mark.parametrize(
    ("command", "told"),
    [
        ("fit log.csv --reward-bounds 1 0", "--reward-bounds: expected a number below reward_upper"),
        ("fit log.csv --group-size 0", "--group-size: expected a number at least 1"),
        ("forecast log.csv --until 5", "--until: expected a step after the last logged one"),
        ("ask log.csv --until 5", "--until: expected a step after the last logged one"),
        ("forecast log.csv --until 100 --schedule weird", "--schedule: expected one of planned, constant"),
        ("watch log.csv --schedule weird", "--schedule: expected one of planned, constant"),
    ],
)
def test_messages_name_the_option_as_it_is_typed(command: str, told: str, here: Path) -> None:
    done = call(*command.split(), folder=here)
    assert done.returncode == 2 and told in done.stderr and "Errno" not in done.stderr


@pytest.mark.parametrize(
    ("command", "options"),
    [
        ("fit log.csv --momentum 2 --group-size -3 --draws 0", "momentum group-size draws"),
        ("threshold log.csv --lag-share 2 --kl-weight -1 --chains 0", "lag-share kl-weight chains"),
        ("forecast log.csv --until x --momentum 2 --paths a.txt --draws 0", "until momentum paths draws"),
        ("ask log.csv --epsilon 0 --group-size 0", "epsilon group-size"),
        ("batch log.csv --out table --until 0 --workers 0 --momentum 2 --draws 0", "until workers momentum draws"),
        ("contrast log.csv --against log.csv --worth x --by q --group-size 0", "worth by group-size"),
        ("remedy log.csv --overshoot x --draws 0", "overshoot draws"),
        ("checkpoint log.csv --every x --steps a,b --group-size 0", "every steps group-size"),
        ("card log.csv --until x --draws 0", "until draws"),
        ("report log.csv --until x --out report.pdf --draws 0", "until out draws"),
        ("watch log.csv --every x --refits 0 --group-size 0", "every refits group-size"),
        ("monitor log.csv --every x --looks 0 --group-size 0", "every looks group-size"),
    ],
)
def test_faults_of_sampler_log_and_command_are_told_at_once(command: str, options: str, here: Path) -> None:
    done = call(*command.split(), folder=here)
    assert done.returncode == 2
    assert all(f"- --{option}: expected" in done.stderr for option in options.split())


def test_what_is_said_of_commands_has_no_doubled_signs() -> None:
    for command in _parser()._subparsers._group_actions[0].choices.values():
        assert "%%" not in command.format_help()


def test_every_command_has_cases() -> None:
    commands = set(_parser()._subparsers._group_actions[0].choices)
    assert commands - {"inspect"} == {command.split()[0] for command, _ in CASES}
