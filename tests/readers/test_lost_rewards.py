"""Logs whose rewards end before their rows do."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from bayes_grpo.readers.lost_rewards import lost_rewards
from tests.readers.reading import read, values

N = 60


def rewards(lost: int) -> list[str]:
    return [f"{0.2 + 0.01 * i:.3f}" if i < N - lost else "NaN" for i in range(N)]


def csv(lost: int) -> str:
    return "step,reward\n" + "".join(f"{i + 1},{reward}\n" for i, reward in enumerate(rewards(lost)))


def jsonl(lost: int) -> str:
    return "\n".join(f'{{"step": {i + 1}, "reward": {reward}, "loss": 0.1}}' for i, reward in enumerate(rewards(lost)))


@pytest.mark.parametrize("write", [csv, jsonl])
@pytest.mark.parametrize(("lost", "told"), [(0, False), (4, False), (5, True), (20, True)])
def test_rewards_that_become_nan_are_told(write: Callable[[int], str], lost: int, told: bool, tmp_path: Path) -> None:
    reading = read(tmp_path / f"log.{write.__name__}", write(lost))
    notes = [str(note) for note in reading.notes if "have no reward" in str(note)]
    assert len(notes) == told and int(np.isfinite(values(reading, "reward")).sum()) == N - lost
    if told:
        assert f"the last {lost} rows, steps {N - lost + 1} to {N}, have no reward" in notes[0]


def test_rows_of_another_kind_are_no_loss() -> None:
    """Evaluations among the rows, and after the last of them: rewards came in one row of two before as well."""
    step = np.arange(1.0, 61)
    assert not lost_rewards(step, np.where((step % 2 == 0) & (step < 50), 0.5, np.nan))
    assert not lost_rewards(step, np.full(60, np.nan))
    several = np.repeat(step, 2), np.where(np.arange(120) % 2 == 0, 0.5, np.nan)  # parts of one row
    assert not lost_rewards(*several)
