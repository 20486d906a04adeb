"""Lines that a terminal broke at its width: put together where they break within keys or numbers, and else left."""

from collections.abc import Callable
from pathlib import Path

import pytest

from bayes_grpo import InputError
from bayes_grpo.readers import read_run
from bayes_grpo.readers.terminal_width import terminal_width
from tests.readers.consoles.printed import REWARDS, steps_of
from tests.readers.reading import read, values

STEPS = steps_of(10, 10)
Line = Callable[[int, float], str]

LINES: dict[str, Line] = {
    "the reward first": lambda s, r: (
        f"step: {s} reward: {r} kl: 0.01 loss: -0.0012 lr: 1e-06 grad_norm: 0.51234 entropy: 0.3 length: 233.5"
    ),
    "the reward last": lambda s, r: (
        f"step: {s} loss: -0.0012 kl: 0.01 lr: 1e-06 grad_norm: 0.51234 entropy: 0.3 length: 233.5 reward: {r}"
    ),
    "in the middle": lambda s, r: (
        f"step={s} loss=-0.0012 lr=1e-06 kl=0.01 grad_norm=0.51234 reward={r} entropy=0.3 length=233.5"
    ),
    "bars": lambda s, r: (
        f"Step {s}/500 | Loss: -0.0012 | KL: 0.01 | Grad norm: 0.51234 | Reward: {r} | Entropy: 0.3 | Length: 233.5"
    ),
    "after a time": lambda s, r: (
        f"2026-01-02 10:00:00 INFO step {s} kl: 0.01 loss: -0.0012 grad_norm: 0.51234 reward: {r} entropy: 0.3 lr: 1e-6"
    ),
}


def wrapped(text: str, width: int, strip: bool = False) -> str:
    parts = (line[at : at + width] for line in text.splitlines() for at in range(0, max(len(line), 1), width))
    return "\n".join(part.rstrip() if strip else part for part in parts) + "\n"


@pytest.mark.parametrize("name", LINES)
@pytest.mark.parametrize("width", range(38, 88, 5))
def test_broken_lines_are_put_together(name: str, width: int, tmp_path: Path) -> None:
    text = "\n".join(LINES[name](s, r) for s, r in zip(STEPS, REWARDS, strict=True))
    reading = read(tmp_path / "train.log", wrapped(f"loading the model\n{text}\nsaved", width))
    assert values(reading, "optimizer_step") == STEPS and values(reading, "reward") == REWARDS
    assert set(values(reading, "kl")) == {0.01} and set(values(reading, "entropy")) == {0.3}
    assert any(f"a terminal of {width} columns broke" in str(note) for note in reading.notes)


def test_the_reward_of_broken_lines_is_whole(tmp_path: Path) -> None:
    """At each width the rewards are those that were printed, or the log is refused: none is cut where its line is."""
    text = "\n".join(LINES["the reward last"](s, r) for s, r in zip(STEPS, REWARDS, strict=True))
    for width in range(20, 110):
        for strip in (False, True):
            path = tmp_path / "train.log"
            path.write_text(wrapped(text, width, strip))
            try:
                run = read_run(path)
            except InputError:
                continue
            assert run["reward"].values[0].tolist() == REWARDS and run["optimizer_step"].values[0].tolist() == STEPS


def test_a_file_with_a_longer_line_was_not_broken(tmp_path: Path) -> None:
    """Its lines of one length are as they were printed."""
    line = "step: {s} reward: 0.4{d} kl: 0.01 lr: 1e-06 done"
    lines = [text for at in range(10, 34) for text in (line.format(s=at, d=at % 10), "saved: 5 files")]
    assert terminal_width([*lines, "x" * 60]) is None and terminal_width(wrapped(lines[0] * 9, 40).splitlines()) == 40


@pytest.mark.parametrize(
    "between",
    [
        "Saving the model",
        "2026-01-02 10:00:00 loss: 0.3",
        "12 files saved",
        "reward: 0.9",
        "  kl: 0.02",
        "step 3: reward: 0.7",
        "10:00:00 saved: 3",
        "- 5 samples: 0.1",
        "e: 5",
    ],
)
def test_rows_of_one_length_are_not_broken(between: str) -> None:
    """Whatever stands between them."""
    lines = [f"step: {s:3d} reward: {r:.4f} kl: 0.0100" for s, r in zip(STEPS, REWARDS, strict=True)]
    assert terminal_width([text for line in lines for text in (line, between)]) is None
