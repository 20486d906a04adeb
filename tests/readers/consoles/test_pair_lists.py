"""Lists of pairs, as an OrderedDict shows itself, and other dicts that are shown with their type."""

import pprint
from collections import OrderedDict, defaultdict
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from bayes_grpo import InputError
from bayes_grpo.readers import read_run
from tests.readers.consoles.printed import REWARDS, steps_of
from tests.readers.reading import read, values

STEPS = steps_of(5, 5)


def _row(step: int, reward: float) -> list[tuple[str, Any]]:
    return [("loss", 0.1), ("kl", 0.01), ("grad_norm", float("nan")), ("reward", reward), ("step", step)]


def _list(pairs: list[tuple[str, Any]]) -> str:
    """As Python 3.11 shows an OrderedDict; later versions show a dict within."""
    return f"OrderedDict({pairs})"


SHOWN: dict[str, Callable[[int, float], str]] = {
    "a list": lambda s, r: _list(_row(s, r)),
    "after words": lambda s, r: f"2026-01-02 10:00:00 INFO logs: {_list(_row(s, r))}",
    "after its step": lambda s, r: f"step {s}: {_list(_row(s, r)[:-1])}",
    "below its step": lambda s, r: f"Step: {s}\n{_list(_row(s, r)[:-1])}",
    "wrapped": lambda s, r: _list(_row(s, r)).replace("), (", "),\n             ("),
    "with NumPy's numbers": lambda s, r: (
        _list(_row(s, r)).replace(str(r), f"np.float64({r})").replace("0.01", "tensor(0.01)")
    ),
    "items": lambda s, r: str(dict(_row(s, r)).items()),
    "pairs alone": lambda s, r: str(_row(s, r)),
    "a dict within": lambda s, r: f"OrderedDict({dict(_row(s, r))})",
    "defaultdict": lambda s, r: str(defaultdict(float, _row(s, r))),
    "printed prettily": lambda s, r: pprint.pformat(OrderedDict(_row(s, r)), width=40),
}


@pytest.mark.parametrize("name", SHOWN)
def test_dicts_that_show_their_type(name: str, tmp_path: Path) -> None:
    noise = "params: [('lr', 0.001), ('betas', 0.9)]\n"
    lines = [SHOWN[name](step, reward) for step, reward in zip(STEPS, REWARDS, strict=True)]
    reading = read(tmp_path / "train.log", noise + "\n".join(lines) + "\n")
    assert values(reading, "optimizer_step") == STEPS and values(reading, "reward") == REWARDS
    assert set(values(reading, "kl")) == {0.01}


def test_pairs_with_code_in_them_are_not_executed(tmp_path: Path) -> None:
    path, mark = tmp_path / "train.log", tmp_path / "mark"
    path.write_text(f"OrderedDict([('reward', open('{mark}', 'w')), ('step', 5)])\n" * 5)
    with pytest.raises(InputError):
        read_run(path)
    assert not mark.exists()
