"""Decimal commas in printed lines: told by the rewards of the file, else by the line; refused where nothing tells."""

from collections.abc import Callable
from pathlib import Path

import pytest

from bayes_grpo import InputError
from bayes_grpo.readers import read_run
from tests.readers.consoles.printed import REWARDS, steps_of
from tests.readers.reading import read, values

STEPS = steps_of(10, 10)


def comma(value: float, digits: int = 3) -> str:
    return f"{value:.{digits}f}".replace(".", ",")


def printed(line: Callable[[int, float], str], scale: float = 1) -> str:
    return "\n".join(line(s, scale * r) for s, r in zip(STEPS, REWARDS, strict=True)) + "\n"


LINES: dict[str, Callable[[int, float], str]] = {
    "only the reward": lambda s, r: f"step={s} reward={comma(r)}",
    "spaces": lambda s, r: f"step {s} reward {comma(r)} loss 0,25",
    "commas between pairs": lambda s, r: f"Step {s}, Reward: {comma(r)}, KL: 0,001",
    "four digits and commas between": lambda s, r: f"Step {s}, Reward: {comma(r, 4)}, KL: 0,0012",
    "bars and spaces": lambda s, r: f"Step {s} | Reward {comma(r)} | KL 0,001",
    "a rate with a point": lambda s, r: f"step={s} reward={comma(r)} lr=2.5e-06",
    "below a step": lambda s, r: f"Step {s}:\n  Reward: {comma(r)}\n  KL: 0,25",
    "a frame": lambda s, r: f"| step   | {s} |\n| reward | {comma(r)} |\n+--------+-------+",
    "verl": lambda s, r: f"step:{s} - critic/rewards/mean:{comma(r)} - actor/kl_loss:0,01",
    "dicts": lambda s, r: str({"step": s, "reward": comma(r), "kl": "0,01"}),
    "after a time": lambda s, r: f"2026-01-02 10:00:00,123 INFO step: {s} reward: {comma(r)}",
}


@pytest.mark.parametrize("name", LINES)
@pytest.mark.parametrize("scale", [1, 3])
def test_rewards_with_decimal_commas(name: str, scale: float, tmp_path: Path) -> None:
    """Those that grow beyond 1 are of the same kind: 1,210 is no 1210 where another is 0,910."""
    digits = 4 if name.startswith("four") else 3
    reading = read(tmp_path / "train.log", "devices: 0,1\nusing 1,024 prompts\n" + printed(LINES[name], scale))
    assert values(reading, "optimizer_step") == STEPS
    assert values(reading, "reward") == [float(f"{scale * r:.{digits}f}") for r in REWARDS]
    assert any("commas are taken as decimal ones" in str(note) for note in reading.notes)


def test_steps_keep_their_thousands(tmp_path: Path) -> None:
    text = "\n".join(f"Step {1000 + s:,} of 2,000 | Reward: {comma(r)}" for s, r in zip(STEPS, REWARDS, strict=True))
    reading = read(tmp_path / "train.log", text)
    assert values(reading, "optimizer_step") == [1000 + s for s in STEPS]
    assert values(reading, "reward") == [float(f"{r:.3f}") for r in REWARDS]
    assert reading.run["planned_steps"].item() == 2000


def test_thousands_beside_rewards_with_a_point(tmp_path: Path) -> None:
    text = printed(lambda s, r: f"step={s} reward={r} response_length=1,234 devices=0,1")
    reading = read(tmp_path / "train.log", text)
    assert values(reading, "reward") == REWARDS and set(values(reading, "completion_length")) == {1234}


UNCLEAR: dict[str, Callable[[int, float], str]] = {
    "equals signs": lambda s, r: f"step={s} reward={comma(1 + r)}",
    "with a rate": lambda s, r: f"step={s} reward={comma(1 + r)} lr=1e-06",
    "below a step": lambda s, r: f"Step {s}:\n  Reward: {comma(1 + r)}\n  KL: 0",
    "dicts": lambda s, r: str({"step": s, "reward": comma(1 + r)}),
}


@pytest.mark.parametrize("name", UNCLEAR)
def test_commas_that_nothing_tells_are_refused(name: str, tmp_path: Path) -> None:
    """They were taken as thousands; whoever knows that they are states the column."""
    path = tmp_path / "train.log"
    path.write_text(printed(UNCLEAR[name]))
    with pytest.raises(InputError, match=r"found 1,210, which may be 1210 or 1\.210; state --reward-column"):
        read_run(path)
    column = "Reward" if name == "below a step" else "reward"
    stated = read_run(path, reward_column=column)
    assert stated["reward"].values[0].tolist() == [round(1000 * (1 + round(r, 3))) for r in REWARDS]
    divided = read_run(path, columns={"reward": f"{column}/1000"})
    assert divided["reward"].values[0].tolist() == pytest.approx([1 + round(r, 3) for r in REWARDS])


@pytest.mark.parametrize("form", ["{:,.0f}", "{:,.1f}"])
def test_thousands_that_are_told(form: str, tmp_path: Path) -> None:
    """By smaller rewards without a comma, or by a point behind."""
    text = printed(lambda s, r: f"step={s} reward={form.format(3000 * r)}")
    reading = read(tmp_path / "train.log", text)
    assert values(reading, "reward") == [float(form.format(3000 * r).replace(",", "")) for r in REWARDS]


def test_points_of_thousands_beside_decimal_commas_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "train.log"
    path.write_text(printed(lambda s, r: f"step={s} reward={comma(r)} tokens=1.234"))
    with pytest.raises(InputError, match="decimals need a point"):
        read_run(path)
