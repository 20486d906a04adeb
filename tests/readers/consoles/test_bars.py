"""Figures behind a progress bar, drawn before or after the bar moves, redrawn, in several epochs, behind prefixes."""

from pathlib import Path

import pytest

from bayes_grpo import InputError
from bayes_grpo.readers import read_run
from tests.readers.consoles.printed import REWARDS, N, steps_of
from tests.readers.reading import read, values


def bar(name: str, at: int, total: int, reward: float | None = None) -> str:
    figures = "" if reward is None else f", policy_loss=-1.2e-05, reward={reward}, kl=0.001"
    return f"{name}{100 * at // total:3}%|{'#' * 5}| {at}/{total} [10:00<1:00:00, 30.1s/it{figures}]"


@pytest.mark.parametrize("between", ["\n", "\r"])
@pytest.mark.parametrize(
    "name", ["", "Training: ", "Episode [1/1]: ", "\x1b[36m(PPOTrainer pid=9)\x1b[0m Episode [1/1]: ", "[rank0]: "]
)
@pytest.mark.parametrize("order", ["once", "set, move", "move, set"])
def test_figures_behind_a_bar(order: str, name: str, between: str, tmp_path: Path) -> None:
    drawn = [] if order == "once" else [bar(name, 0, 200)]
    held = None
    for at, reward in enumerate(REWARDS, 1):
        if order == "set, move":
            drawn += [bar(name, at - 1, 200, reward)] * 2
        if order == "move, set":
            drawn += [bar(name, at, 200, held)]
        drawn.append(bar(name, at, 200, reward))
        drawn.append(bar("Train epoch [1/1]: ", 2, 4, 0.99))
        held = reward
    reading = read(tmp_path / "train.log", "Loading, step 1: 50%\n" + between.join(drawn) + "\n")
    assert values(reading, "optimizer_step") == steps_of(1, 1) and values(reading, "reward") == REWARDS
    assert values(reading, "kl") == [0.001] * N and reading.run["planned_steps"].item() == 200


def test_a_bar_for_each_epoch(tmp_path: Path) -> None:
    drawn = [bar(f"Episode [{i // 12 + 1}/2]: ", i % 12 + 1, 12, reward) for i, reward in enumerate(REWARDS)]
    reading = read(tmp_path / "train.log", "\n".join(drawn))
    assert values(reading, "optimizer_step") == steps_of(1, 1) and values(reading, "reward") == REWARDS
    assert reading.run["planned_steps"].item() == 24


def test_lines_go_before_bars(tmp_path: Path) -> None:
    """Figures behind a bar are passed over where lines hold rows, however many more bars there are."""
    lines = []
    for step, reward in zip(steps_of(1, 1), REWARDS, strict=True):
        lines += [bar("", 5 * step + i, 200, 0.99) for i in range(5)]
        lines.append(str({"loss": 0.1, "reward": reward, "step": step}))
    reading = read(tmp_path / "train.log", "\n".join(lines))
    assert values(reading, "optimizer_step") == steps_of(1, 1) and values(reading, "reward") == REWARDS


def test_bars_of_other_work_are_no_log(tmp_path: Path) -> None:
    """Not a table of their commas either."""
    path = tmp_path / "train.log"
    path.write_text("\n".join(bar("Scoring: ", at, 200, reward) for at, reward in enumerate(REWARDS, 1)))
    with pytest.raises(InputError, match="text without log rows"):
        read_run(path)
