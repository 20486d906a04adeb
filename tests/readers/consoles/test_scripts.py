"""What scripts of one file print as they train, each as it likes, and what lies between its lines."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from bayes_grpo import InputError
from bayes_grpo.readers import read_run
from tests.readers.consoles.printed import (
    REWARDS,
    SCRIPTS,
    prime,
    steps_of,
)
from tests.readers.reading import read, values


@pytest.mark.parametrize("script", SCRIPTS)
def test_scripts_of_one_file(script: str, tmp_path: Path) -> None:
    """Each writes as it likes; the noise before it speaks of rewards and steps too."""
    noise = "reward functions: accuracy, format\nusing 4 reward workers, step size 0.1\nGradient step: ready\n"
    lines = [SCRIPTS[script](s, r) for s, r in zip(steps_of(5, 5), REWARDS, strict=True)]
    reading = read(tmp_path / "out.txt", noise + "\n".join(lines) + "\ndone\n")
    assert values(reading, "optimizer_step") == steps_of(5, 5)
    assert values(reading, "reward") == REWARDS


def test_rows_without_a_step_are_counted(tmp_path: Path) -> None:
    lines = [f"Training on batch\nAverage Reward: {r}\nLoss: 0.5" for r in REWARDS]
    reading = read(tmp_path / "out.txt", "\n".join(lines))
    assert values(reading, "optimizer_step") == steps_of(1, 1) and values(reading, "reward") == REWARDS
    assert any("counted 1, 2" in str(note) for note in reading.notes)


def test_a_log_without_rows_ends_in_one_clear_error(tmp_path: Path) -> None:
    path = tmp_path / "train.log"
    path.write_text("reward model loaded\nstep by step\n" * 50)
    with pytest.raises(InputError, match="text without log rows"):
        read_run(path)


@pytest.mark.parametrize(
    "wrap",
    [
        lambda line: {"timestamp": "2026-01-01T00:00:00", "level": "SUCCESS", "message": line, "line": 12},
        lambda line: {"log": line + "\n", "stream": "stdout", "time": "2026-01-01T00:00:00.0Z"},
    ],
)
def test_lines_in_a_loggers_json(wrap: Callable[[str], dict], tmp_path: Path) -> None:
    """As prime-rl writes with JSON logs, and as containers keep what was printed."""
    lines = prime("", "", "").splitlines()
    reading = read(tmp_path / "orchestrator.log", "\n".join(json.dumps(wrap(line)) for line in lines))
    assert reading.trainer == "prime-rl" and values(reading, "reward") == REWARDS


ODD_SIGNS: dict[str, Callable[[int, float], str]] = {
    "full-width": lambda s, r: f"Step\uff1a{s}\uff0creward\uff1a{r}\uff0ckl\uff1a0.01",
    "thousands of steps": lambda s, r: f"Step {s / 1000:g}k/1M | Reward: {r} | KL: 0.01",
    "Keras": lambda s, r: f"{s}/1000 [==>....] - 12s 0.5s/step - loss: 0.1 - reward: {r} - kl: 0.01",
    "Keras 3": lambda s, r: f"{s}/1000 \u2501\u2501\u2501\u2501 12s 0.5s/step - loss: 0.1 - reward: {r} - kl: 0.01",
}


@pytest.mark.parametrize("name", ODD_SIGNS)
def test_steps_and_keys_in_odd_signs(name: str, tmp_path: Path) -> None:
    steps = steps_of(100, 100)
    text = "\n".join(ODD_SIGNS[name](step, reward) for step, reward in zip(steps, REWARDS, strict=True))
    reading = read(tmp_path / "train.log", text)
    assert values(reading, "optimizer_step") == steps and values(reading, "reward") == REWARDS


def test_a_typeset_minus(tmp_path: Path) -> None:
    text = "\n".join(f"Step {s} | Reward: \u2212{r}" for s, r in zip(steps_of(1, 1), REWARDS, strict=True))
    assert values(read(tmp_path / "train.log", text), "reward") == [-r for r in REWARDS]


def test_a_history_printed_in_one_line(tmp_path: Path) -> None:
    history = [{"loss": 0.1, "reward": r, "step": s} for s, r in zip(steps_of(5, 5), REWARDS, strict=True)]
    reading = read(tmp_path / "train.log", f">>> trainer.state.log_history\n{history}\n")
    assert values(reading, "optimizer_step") == steps_of(5, 5) and values(reading, "reward") == REWARDS


@pytest.mark.parametrize(
    "evaluation",
    [
        "[val] Step {s} | reward: 0.9 | kl: 0.2",
        "Eval at step {s} | reward: 0.9",
        "Step {s} | Validation: reward=0.9, accuracy=0.8",
        "10:00:00 INFO evaluation step: {s}, mean reward: 0.9",
    ],
)
def test_lines_of_an_evaluation_are_no_training(evaluation: str, tmp_path: Path) -> None:
    """They have the keys of training's; a key of an evaluation makes no line one."""
    lines = []
    for step, reward in zip(steps_of(1, 1), REWARDS, strict=True):
        lines.append(f"10:00:00 INFO eval.py:12 Step {step} | eval_loss: 0.3 | reward: {reward} | kl: 0.01")
        lines += [evaluation.format(s=step)] if step % 6 == 0 else []
    reading = read(tmp_path / "train.log", "\n".join(lines))
    assert values(reading, "reward") == REWARDS and values(reading, "optimizer_step") == steps_of(1, 1)
    assert values(reading, "evaluation_reward")[5::6] == [0.9] * 4


@pytest.mark.parametrize(
    ("line", "above"),
    [
        ("Step {s} | Reward: {r} | KL: 0,001", 0),
        ("Step {s} | Reward: {r} | KL: 0,001", 1),
        ("step={s} reward={r} kl=0,01", 1),
        ("Step {s}:\n  Reward: {r}\n  KL: 0,25", 0),
    ],
)
def test_decimal_commas_in_lines(line: str, above: int, tmp_path: Path) -> None:
    text = "\n".join(
        line.format(s=s, r=f"{above + r:.3f}".replace(".", ",")) for s, r in zip(steps_of(1, 1), REWARDS, strict=True)
    )
    reading = read(tmp_path / "train.log", text)
    assert values(reading, "reward") == [float(f"{above + r:.3f}") for r in REWARDS]
    assert "kl" in reading.run
