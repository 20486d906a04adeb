"""Rewards that several ranks print for the same step: the mean is taken, or the log is refused; never one row a rank."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from bayes_grpo import InputError
from bayes_grpo.readers import read_run
from tests.readers.consoles.printed import REWARDS, N, steps_of
from tests.readers.reading import read, values

STEPS = steps_of(10, 10)
Line = Callable[[int, int, float], str]

LINES: dict[str, Line] = {
    "torchrun": lambda k, s, r: f"[rank{k}]: step {s} reward {r:.4f} kl 0.01",
    "torchrun's tee": lambda k, s, r: f"[default{k}]:step {s} reward {r:.4f} kl 0.01",
    "SLURM": lambda k, s, r: f"{k}: step={s} reward={r:.4f} kl=0.01",
    "Ray": lambda k, s, r: f"(Worker pid={100 + k}) step {s} | reward: {r:.4f} | kl: 0.01",
    "in words": lambda k, s, r: f"Rank {k} | step {s} | reward: {r:.4f} | kl: 0.01",
    "behind a time": lambda k, s, r: f"2026-01-02 10:00:00 [GPU {k}] step: {s} reward: {r:.4f} kl: 0.01",
    "a key": lambda k, s, r: f"step={s} rank={k} reward={r:.4f} kl=0.01",
    "dicts": lambda k, s, r: f"[rank{k}] " + str({"step": s, "reward": round(r, 4), "kl": 0.01}),
    "JSON lines": lambda k, s, r: json.dumps({"step": s, "rank": k, "reward": round(r, 4), "kl": 0.01}),
}


def printed(line: Line, ranks: int = 2) -> list[str]:
    off = [0.1 * (k - (ranks - 1) / 2) for k in range(ranks)]
    return [line(k, s, r + off[k]) for s, r in zip(STEPS, REWARDS, strict=True) for k in range(ranks)]


@pytest.mark.parametrize("name", LINES)
@pytest.mark.parametrize("ranks", [2, 3])
def test_the_mean_over_ranks(name: str, ranks: int, tmp_path: Path) -> None:
    reading = read(tmp_path / "train.log", "\n".join(printed(LINES[name], ranks)) + "\n")
    assert values(reading, "optimizer_step") == STEPS and values(reading, "reward") == pytest.approx(REWARDS)
    assert set(np.round(values(reading, "kl"), 12)) == {0.01}
    assert any(f"rows of {ranks} ranks at each step: their mean was taken" in str(note) for note in reading.notes)


def test_ranks_out_of_step(tmp_path: Path) -> None:
    """One rank may run ahead of the other, and a last step that not all have printed is left out."""
    lines = printed(LINES["torchrun"])
    lines[1:3] = lines[2:0:-1]
    reading = read(tmp_path / "train.log", "\n".join(lines[:-1]) + "\n")
    assert values(reading, "optimizer_step") == STEPS[:-1] and values(reading, "reward") == pytest.approx(REWARDS[:-1])
    assert any("1 steps that lack a rank were left out" in str(note) for note in reading.notes)


@pytest.mark.parametrize("name", ["torchrun", "SLURM", "in words"])
def test_one_rank_prints(name: str, tmp_path: Path) -> None:
    """What the others print is none of its rows."""
    lines = [text for line in printed(LINES[name])[::2] for text in (line, "[rank1]: saved step")]
    reading = read(tmp_path / "train.log", "\n".join(lines) + "\n")
    assert values(reading, "reward") == pytest.approx([r - 0.05 for r in REWARDS]) and len(reading.run["step"]) == N


@pytest.mark.parametrize(
    "line", ["[rank{k}] {{'loss': 0.1, 'reward': {r}}}", "Rank {k}: {{'reward': {r}, 'loss': 1.0}}"]
)
def test_rows_of_ranks_without_a_step_are_refused(line: str, tmp_path: Path) -> None:
    path = tmp_path / "train.log"
    path.write_text("\n".join(line.format(k=k, r=r) for r in REWARDS for k in range(2)))
    with pytest.raises(InputError, match="rows of 2 ranks without a step; keep the lines of one rank"):
        read_run(path)


def test_a_step_twice_from_one_rank_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "train.log"
    lines = printed(LINES["torchrun"])
    path.write_text("\n".join([*lines[:20], *lines[14:]]))
    with pytest.raises(
        InputError, match=r"each of 2 ranks to print each step once, found step 80 .* lines of one rank"
    ):
        read_run(path)


@pytest.mark.parametrize("label", ["(TaskRunner pid={at}) ", "[rank{run}]: ", "{line}:"])
def test_appended_runs_are_no_ranks(label: str, tmp_path: Path) -> None:
    """Nor are the numbers of lines that grep writes."""
    path = tmp_path / "train.log"
    rows = [(run, s, r) for run in range(2) for s, r in zip(STEPS, REWARDS, strict=True)]
    path.write_text(
        "\n".join(
            label.format(run=run, at=100 + run, line=n) + f"step {s} reward {r} kl 0.01"
            for n, (run, s, r) in enumerate(rows, 1)
        )
    )
    with pytest.raises(InputError, match="If runs were appended"):
        read_run(path)
