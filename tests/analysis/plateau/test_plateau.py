"""The plateau as a verb and as a command."""

import json

import numpy as np
import pytest

from bayes_grpo import InputError, balance_plateau
from bayes_grpo.cli import main
from tests.common import call

ASKED = ["plateau", "--kl", "0.4", "--group-size", "8", "--start", "0.0909", "--wrong", "0.2", "--right", "0.8"]


def test_arrays_broadcast() -> None:
    rewards = balance_plateau([[0.2], [0.4]], [2, 8, np.inf], 0.09, 0.2, 0.8)
    assert isinstance(rewards, np.ndarray) and rewards.shape == (2, 3)
    assert (np.diff(rewards, axis=1) > 0).all() and (np.diff(rewards, axis=0) < 0).all()


def test_all_faults_at_once() -> None:
    with pytest.raises(InputError) as refusal:
        balance_plateau(kl=-0.1, group_size=1, start=1.0, wrong=0.2, right=1.2, clipped="much")
    assert len(refusal.value.faults) == 5
    with pytest.raises(InputError, match="below those of right"):
        balance_plateau(0.4, 8, 0.1, wrong=0.8, right=0.2)
    with pytest.raises(InputError, match="one shape"):
        balance_plateau([0.1, 0.2], [2, 4, 8], 0.1)


def test_the_command_answers_first(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(ASKED) == 0
    out = capsys.readouterr().out
    assert out.startswith("The reward settles at 0.546: it starts at 0.255")
    assert "infinite" in out and "b = 0.8" in out


def test_lines_fit_a_terminal() -> None:
    for kl in ("0.4", "0"):
        done = call(*ASKED[:2], kl, *ASKED[3:], columns=80)
        assert done.returncode == 0 and max(map(len, done.stdout.splitlines())) <= 80


def test_the_command_as_json(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*ASKED, "--json"]) == 0
    result = json.loads(capsys.readouterr().out)
    row = result["table"]["group_size"].index(8)
    assert result["table"]["plateau"][row][1] == pytest.approx(result["plateau"])


def test_bad_input_is_one_message(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["plateau", "--kl", "-1", "--group-size", "8", "--start", "2"]) == 2
    message = capsys.readouterr().err
    assert "2 faults" in message and "kl:" in message and "start:" in message
