"""The learning rate of the steps to come."""

from pathlib import Path

import numpy as np
import pytest
import xarray as xr

from bayes_grpo import InputError, make_run
from bayes_grpo.runs.dataset import one_run
from bayes_grpo.runs.schedules import schedule_ahead

AHEAD = np.arange(101.0, 401.0)


def decayed(kind: str, steps: np.ndarray, warmup: float = 20, end: float = 300) -> np.ndarray:
    """transformers' get_scheduler at a step, in its own words: linear warm-up, then the decay."""
    share = (steps - warmup) / (end - warmup)
    if kind == "linear":
        after = np.maximum(0, (end - steps) / (end - warmup))
    else:
        after = np.maximum(0, 0.5 * (1 + np.cos(np.pi * np.minimum(share, 1))))
    return 1e-5 * np.where(steps < warmup, steps / warmup, after)


def logged(rate: np.ndarray | None, steps: np.ndarray | None = None) -> xr.Dataset:
    steps = np.arange(1.0, 101.0) if steps is None else steps
    columns = {"optimizer_step": steps, "reward": np.linspace(0.2, 0.5, steps.size)}
    return one_run(make_run("r", columns | ({} if rate is None else {"learning_rate": rate})), "r")


@pytest.mark.parametrize("kind", ["linear", "cosine"])
def test_a_decay_goes_on_as_it_began(kind: str) -> None:
    steps = np.arange(1.0, 101.0)
    found = schedule_ahead(logged(decayed(kind, steps)), AHEAD, "planned")
    np.testing.assert_allclose(found.rate, decayed(kind, AHEAD), atol=2e-7)
    assert kind in found.words and "300" in found.words and not found.assumed


@pytest.mark.parametrize("kind", ["linear", "cosine"])
def test_a_stated_decay_ends_where_the_run_does(kind: str) -> None:
    steps = np.arange(1.0, 101.0)
    found = schedule_ahead(logged(decayed(kind, steps)), AHEAD, kind, planned_steps=300)
    np.testing.assert_allclose(found.rate, decayed(kind, AHEAD), atol=1e-8)
    with pytest.raises(InputError, match="--planned-steps"):
        schedule_ahead(logged(decayed(kind, steps)), AHEAD, kind)


def test_a_constant_rate_stays_and_what_is_assumed_is_said() -> None:
    flat = schedule_ahead(logged(np.full(100, 3e-6)), AHEAD, "planned")
    assert np.all(flat.rate == 3e-6) and flat.words == "constant" and not flat.assumed
    rising = schedule_ahead(logged(np.linspace(1e-7, 1e-5, 100)), AHEAD, "planned")
    assert np.all(rising.rate == 1e-5) and "rising" in rising.assumed
    odd = schedule_ahead(logged(1e-5 / np.sqrt(np.arange(1.0, 101.0))), AHEAD, "planned")
    assert "neither" in odd.assumed and np.all(odd.rate == odd.rate[0]) and odd.rate[0] == pytest.approx(1e-6)
    unknown = schedule_ahead(logged(None), AHEAD, "planned")
    assert "not logged" in unknown.assumed and np.all(unknown.rate == 1)
    kept = schedule_ahead(logged(decayed("linear", np.arange(1.0, 101.0))), AHEAD, "constant")
    assert np.ptp(kept.rate) == 0 and kept.rate[0] == pytest.approx(decayed("linear", np.array([100.0]))[0])


def test_a_word_that_is_neither_schedule_nor_file(tmp_path: Path) -> None:
    with pytest.raises(
        InputError, match=r"^schedule: expected one of planned, .*, or a CSV file; found .*weird"
    ) as told:
        schedule_ahead(logged(None), AHEAD, tmp_path / "weird")
    assert "Errno" not in str(told.value)


def test_a_file_is_read_and_its_faults_are_all_named(tmp_path: Path) -> None:
    path = tmp_path / "rates.csv"
    path.write_text("step,learning_rate\n400,0\n100,2e-5\n")
    found = schedule_ahead(logged(np.full(100, 1e-5)), AHEAD, path)
    np.testing.assert_allclose(found.rate, 2e-5 * (400 - AHEAD) / 300)
    relative = schedule_ahead(logged(None), AHEAD, path)
    assert relative.rate[0] == 1 and "relative" in relative.assumed

    for text, fault in (
        ("step,learning_rate\n100,1e-5\n300,1e-5\n", "from step 101 to 400, found 100 to 300"),
        ("a,b\n1,2\n", "columns step and learning_rate, found a, b"),
        ("step,learning_rate\n", "expected rows, found none"),
        ("step,learning_rate\n100,x\n400,-1\n", "line 2: expected two numbers"),
    ):
        path.write_text(text)
        with pytest.raises(InputError, match=fault):
            schedule_ahead(logged(None), AHEAD, path)
    path.write_text("step,learning_rate\n100,x\n400,-1\n")
    with pytest.raises(InputError) as caught:
        schedule_ahead(logged(None), AHEAD, path)
    assert len(caught.value.faults) == 2
    with pytest.raises(InputError, match="expected one of planned"):
        schedule_ahead(logged(None), AHEAD, "plannd")
