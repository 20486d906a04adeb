"""Keys in printed lines: of several words, of several rewards, short ones, and values as Python shows or people write them."""

from collections.abc import Callable
from pathlib import Path

import pytest

from bayes_grpo import InputError
from bayes_grpo.readers import read_run
from tests.readers.consoles.printed import REWARDS, steps_of
from tests.readers.reading import read, values

Line = Callable[[int, float], str]


def printed(line: Line) -> str:
    return "\n".join(line(s, r) for s, r in zip(steps_of(10, 10), REWARDS, strict=True)) + "\n"


LINES: dict[str, Line] = {
    "two words before an equals sign": lambda s, r: f"step={s} reward mean={r} kl=0.01",
    "two words before a colon": lambda s, r: f"step: {s} loss: 0.1 reward mean: {r} kl: 0.01",
    "brackets around the pairs": lambda s, r: f"step {s} (reward={r}, kl=0.01)",
    "a step within the key": lambda s, r: f"Reward at step {s}: {r}; kl: 0.01",
    "a sentence": lambda s, r: f"step {s}: reward is {r} and the kl is 0.01",
    "bold keys": lambda s, r: f"**Step:** {s} **Reward:** {r} **KL:** 0.01",
    "short": lambda s, r: f"it {s:05d} | rew {r} | kl 0.01",
    "shorter": lambda s, r: f"it: {s} rwd_mean: {r} kl: 0.01",
    "with an average": lambda s, r: f"step={s}, avg_rew={r}, kl=0.01",
    "tensors": lambda s, r: f"step {s} reward tensor({r}, device='cuda:0') kl tensor([0.01])",
    "numbers of NumPy": lambda s, r: f"step={s}, reward=np.float64({r}), kl=np.float32(0.01)",
    "per cent in a word": lambda s, r: f"step {s}: reward {100 * r:.2f} percent, kl 0.01",
    "per cent after a space": lambda s, r: f"step {s} reward {100 * r:.2f} % kl 0.01",
}


@pytest.mark.parametrize("name", LINES)
def test_keys_and_values_of_scripts(name: str, tmp_path: Path) -> None:
    reading = read(tmp_path / "train.log", printed(LINES[name]))
    assert values(reading, "optimizer_step") == steps_of(10, 10)
    assert values(reading, "reward") == pytest.approx(REWARDS) and set(values(reading, "kl")) == {0.01}


@pytest.mark.parametrize(
    "line",
    [
        "step {s} best reward: 0.99 reward: {r}",
        "step={s} max reward=0.99 mean reward={r} min reward=0.0",
        "step {s} reward max 0.99 reward mean {r} reward std 0.1",
        "step {s} running reward 0.99 reward {r}",
    ],
)
def test_the_mean_reward_stands_behind_another(line: str, tmp_path: Path) -> None:
    """The first number behind the word reward was taken."""
    reading = read(tmp_path / "train.log", printed(lambda s, r: line.format(s=s, r=r)))
    assert values(reading, "optimizer_step") == steps_of(10, 10) and values(reading, "reward") == REWARDS


def test_several_rewards_in_a_line_are_told_apart(tmp_path: Path) -> None:
    text = printed(lambda s, r: f"step {s} format reward: {r / 2:.4f} accuracy reward: 0.5 reward: {r}")
    assert values(read(tmp_path / "train.log", text), "reward") == REWARDS


def test_a_line_with_none_but_the_best_reward_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "train.log"
    path.write_text(printed(lambda s, r: f"step {s} best reward {r} kl 0.01"))
    with pytest.raises(InputError, match="best reward"):
        read_run(path)
